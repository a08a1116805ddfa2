"""The incident's `resources`: strict, every problem by its path; and the edit that gives a policy back as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import edits
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common import resources as forms
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import EvictError, InvalidInput
from ansible_collections.evict.cloud.plugins.plugin_utils import table

BUCKET = "arn:aws:s3:::customer-data"


def load(**more: Any) -> incidents.Incident:
    raw = {"id": "IR-1", "opened": "2026-01-01T00:00:00Z", "suspects": [{"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}], **more}
    return incidents.validate(raw, "test")


def test_it_is_read_kept_and_has_defaults() -> None:
    plain = load()
    assert (plain.resources, plain.limits["resources"]) == (forms.Resources(), 100) and plain.resources.discover == "touched"
    given = load(
        resources={"fence": [e for _p, e in forms.FORMS.values()], "exempt": [BUCKET + "-2"], "discover": "none"}, limits={"resources": 7}
    )
    assert len(given.resources.fence) == 7 and incidents.validate(given.as_dict(), "again") == given


@pytest.mark.parametrize(
    ("given", "path", "said"),
    [
        ({"fence": ["arn:aws:s3:::*"]}, "incident.resources.fence[0]", "write it as arn:aws:s3:::customer-data"),
        ({"fence": [BUCKET + "/x"]}, "incident.resources.fence[0]", "not the ARN"),
        ({"fence": ["arn:aws:kms:eu-west-1:111122223333:alias/x"]}, "incident.resources.fence[0]", "write it as arn:aws:kms:"),
        ({"fence": ["arn:aws:dynamodb:eu-west-1:111122223333:table/x"]}, "incident.resources.fence[0]", "one of ecr, kms, lambda"),
        ({"fence": ["arn:aws:sqs:eu-west-1:111122223333:{{ x }}", 7]}, "incident.resources.fence[1]", "not the ARN"),
        ({"fence": [BUCKET, BUCKET]}, "incident.resources.fence[1]", "twice"),
        ({"fence": [BUCKET], "exempt": [BUCKET]}, "incident.resources.exempt[0]", "under fence too"),
        ({"discover": "all"}, "incident.resources.discover", "touched, none"),
        ({"fences": []}, "incident.resources.fences", "did you mean 'fence'"),
        ([BUCKET], "incident.resources", "must be a mapping"),
    ],
)  # fmt: skip
def test_every_mistake_is_named_by_its_path(given: Any, path: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(resources=given)
    assert any(path in line and said in line for line in str(refused.value).splitlines()), refused.value


def test_a_limit_of_nothing_is_no_limit() -> None:
    with pytest.raises(InvalidInput, match=r"incident\.limits\.resources"):
        load(limits={"resources": 0})


OWN, MINE = {"Sid": "Own", "Effect": "Allow"}, {"Sid": "EvictD", "Effect": "Deny"}


@pytest.mark.parametrize(
    "text", [json.dumps({"Version": "x", "Statement": OWN}, indent=5), json.dumps({"Statement": [OWN], "Version": "x"})]
)
def test_what_nobody_else_changed_is_the_same_text_again(text: str) -> None:
    held = edits.set_statements(json.loads(text), ["EvictD"], [MINE])
    assert edits.restore_statements(held, ["EvictD"], [], text) == text
    changed = edits.set_statements(held, [], [{"Sid": "New"}])
    assert edits.restore_statements(changed, ["EvictD"], [], text) == {"Version": "x", "Statement": [OWN, {"Sid": "New"}]}
    assert edits.restore_statements(held, ["EvictD"], [], "{") == {"Version": "x", "Statement": [OWN]}
    assert edits.restore_statements(edits.set_statements(None, [], [MINE]), ["EvictD"], [], "") is None


def test_nothing_is_written_into_what_is_no_json() -> None:
    with pytest.raises(EvictError, match="no valid JSON"):
        edits.apply("set_statements", "{", {"sids": [], "statements": []})  # type: ignore[arg-type]


def test_the_table_counts_what_is_fenced_and_names_the_rest() -> None:
    row = {"object": BUCKET, "resource": "bucket customer-data", "state": "fenced", "why": "declared", "remedy": "", "public": ""}
    bad = {**row, "object": "k", "resource": "key k", "state": "refused", "why": "it would lock out", "remedy": "by hand"}
    opened = {**row, "object": "o", "public": "closed: its policy had made it public"}
    lines = table.lines({"status": "open", "resource_fences": [row, row, bad, opened]}, "")
    assert lines[:4] == ["  FENCE   by their own policies, resources: 3 bucket", "          k: refused; it would lock out", "          -> by hand",
                         "          o: fenced; closed: its policy had made it public"]  # fmt: skip
    assert not any("own policies" in line for line in table.lines({"status": "ok"}, ""))

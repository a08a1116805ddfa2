# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies that are written: exact, alphanumeric in their Sid, small enough, and undone by their own name only."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.aws import documents, policy, quarantine, sessions
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import EvictError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Edit, Phase, Target

NOW = dt.datetime(2026, 11, 22, 9, 0, 0, 250_000, tzinfo=dt.UTC)
A = "111122223333"


def incident(name: str = "IR-1") -> incidents.Incident:
    return incidents.validate(
        {"id": name, "opened": "2026-11-22T09:00:00Z", "suspects": [{"cloud": "aws", "arn": f"arn:aws:iam::{A}:user/ci"}]}, "t", now=NOW
    )


def role(**facts: Any) -> Principal:
    return Principal(A, "role", "deploy", "AROAEXAMPLE", f"arn:aws:iam::{A}:role/deploy", "s", facts=facts)


USER = Principal(A, "user", "ci", "AIDAEXAMPLE", f"arn:aws:iam::{A}:user/ci", "s")


class Reader:
    """Reads of inline policies: {policy name: document}."""

    def __init__(self, **there: Any) -> None:
        self.there, self.asked = there, 0

    def read(self, probe: Any) -> Any:
        self.asked += 1
        return self.there.get(probe.call.parameters["PolicyName"])


def test_the_documents() -> None:
    deny = {"Sid": "S", "Effect": "Deny", "Action": "*", "Resource": "*"}
    assert policy.deny_all("S")["Statement"] == [deny]
    assert policy.deny_older("S", "T")["Statement"] == [{**deny, "Condition": {"DateLessThan": {"aws:TokenIssueTime": "T"}}}]
    assert policy.deny_sessions("S", "AROA", ["b", "a"])["Statement"] == [
        {**deny, "Condition": {"StringEquals": {"aws:userid": ["AROA:a", "AROA:b"]}}}
    ]
    (outside,) = policy.deny_outside("S", ["10.0.0.0/8"])["Statement"]
    assert outside["Condition"]["NotIpAddressIfExists"] == {"aws:SourceIp": ["10.0.0.0/8"]} and outside["Condition"]["BoolIfExists"] == {
        "aws:ViaAWSService": "false"
    }


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True).filter(lambda s: ".." not in s and not s.endswith(".")))
def test_every_incident_id_makes_a_policy_that_iam_takes(name: str) -> None:
    made = incident(name)
    assert re.fullmatch(r"[A-Za-z0-9]+", made.sid)
    for purpose in ("quarantine", "session", "userid"):
        assert re.fullmatch(r"[\w+=,.@-]{1,128}", made.policy_name(purpose), re.ASCII)
    assert len(json.dumps(policy.deny_all(made.sid), separators=(",", ":"))) < 2048


def test_two_incidents_never_share_a_sid_or_a_name() -> None:
    a, b = incident("IR-1"), incident("IR-11")
    assert a.sid != b.sid and a.policy_name("session") != b.policy_name("session")


def test_a_fence_is_one_put_undone_by_one_delete() -> None:
    (step,) = quarantine.fence_user(USER, incident(), Reader())  # type: ignore[arg-type]
    target = Target("aws", A)
    name = {"UserName": "ci", "PolicyName": "evict-quarantine-IR-1"}
    assert step.before is None and step.phase == Phase.FENCE and not step.true
    (do,), (undo,) = step.do, step.undo
    assert isinstance(do, Call) and do.name == "iam:PutUserPolicy" and json.loads(do.parameters["PolicyDocument"]) == step.after
    assert undo == Call(target, "iam", "DeleteUserPolicy", name) and step.expires is None
    (again,) = quarantine.fence_user(USER, incident(), Reader(**{"evict-quarantine-IR-1": step.after}))  # type: ignore[arg-type]
    assert again.true


def test_a_listing_that_was_made_saves_the_read() -> None:
    reader = Reader()
    listed = Principal(A, "user", "ci", "AIDA", USER.arn, "s", inline=set())
    (step,) = quarantine.fence_user(listed, incident(), reader)  # type: ignore[arg-type]
    assert reader.asked == 0 and step.before is None
    listed.inline = {"evict-quarantine-IR-1"}
    list(quarantine.fence_user(listed, incident(), reader))  # type: ignore[arg-type]
    assert reader.asked == 1


@pytest.mark.parametrize(("kind", "hours"), [("user", 36), ("role", 12), ("role 2 h", 12)])
def test_a_cutoff_expires_with_the_longest_session_that_there_can_be(kind: str, hours: float) -> None:
    """Whatever the role's MaxSessionDuration is now: it may have been raised for as long as it takes to mint one."""
    who = USER if kind == "user" else role(MaxSessionDuration=7200) if "2 h" in kind else role()
    (step,) = sessions.revoke(who, incident(), NOW, Reader())  # type: ignore[arg-type]
    cutoff = policy.cutoff_of(step.after)
    assert cutoff == "2026-11-22T09:00:01Z", "rounded up: a session of this very second is cut too"
    assert step.expires is not None and dt.datetime.fromisoformat(step.expires) - dt.datetime.fromisoformat(cutoff) == dt.timedelta(
        hours=hours
    )


@pytest.mark.parametrize(("newer", "kept"), [(None, True), (-60, True), (0, True), (60, False)])
def test_a_cutoff_that_stands_is_kept_unless_something_newer_was_minted(newer: float | None, kept: bool) -> None:
    stands = policy.deny_older(incident().sid, "2026-11-22T09:00:00Z")
    reader = Reader(**{"evict-session-IR-1": stands})
    at = None if newer is None else dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC) + dt.timedelta(seconds=newer)
    (step,) = sessions.revoke(USER, incident(), NOW + dt.timedelta(hours=1), reader, newer_than=at)  # type: ignore[arg-type]
    assert step.true == kept and (kept or policy.cutoff_of(step.after) == "2026-11-22T10:00:01Z")


@pytest.mark.parametrize(
    "document", [None, {}, {"Statement": []}, {"Statement": [{"Condition": {}}]}, {"Statement": {"x": 1}}, "text", policy.deny_all("S")]
)
def test_what_is_no_cutoff_is_none(document: Any) -> None:
    assert policy.cutoff_of(document) == ""


def test_a_clamp_and_a_session_deny_expire_a_full_deny_does_not() -> None:
    deploy = role(MaxSessionDuration=3600)
    deploy.sessions = {"evil"}
    found = {a: next(quarantine.fence_role(deploy, incident(), a, ("10.0.0.0/8",), NOW, Reader())) for a in ("deny", "clamp", "session")}  # type: ignore[arg-type]
    assert found["deny"].expires is None and found["clamp"].expires == found["session"].expires == "2026-11-22T21:00:00Z"
    assert found["session"].id != found["deny"].id == found["clamp"].id
    assert list(quarantine.fence_role(deploy, incident(), "revoke", (), NOW, Reader())) == []  # type: ignore[arg-type]


def test_a_trust_document_is_read_and_written_whole() -> None:
    target = Target("aws", A)
    probe, write = documents.find(target, {"kind": "iam.role-trust", "RoleName": "deploy"})
    assert probe.call == Call(target, "iam", "GetRole", {"RoleName": "deploy"}) and probe.path == ("Role", "AssumeRolePolicyDocument")
    call = write({"Statement": []})
    assert call.name == "iam:UpdateAssumeRolePolicy" and call.parameters == {"RoleName": "deploy", "PolicyDocument": '{"Statement": []}'}
    with pytest.raises(EvictError, match="deploy"):
        write(None)
    with pytest.raises(EvictError, match="no such policy document"):
        documents.find(target, {"kind": "x"})
    assert Edit(target, {"kind": "iam.role-trust"}, "n", {}).target == target

"""The incident file before there is an incident, and the case that one suspect makes of it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import estate, opening, template
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from ansible_collections.evict.cloud.plugins.modules import case

NOW = dt.datetime(2026, 11, 23, 14, 15, 3, tzinfo=dt.UTC)
KEY, OTHER = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"
FILE: dict[str, Any] = {"accounts": ["111122223333"], "protected": ["arn:aws:iam::111122223333:role/break-glass"], "store": "./cases"}


def test_a_file_without_suspects_id_and_time_is_enough_before_an_incident() -> None:
    for suspects in ({}, {"suspects": []}, {"suspects": None}):
        found = template.validate({"incident": {**FILE, **suspects}}, "x", now=NOW)
        assert (found.id, found.suspects, found.accounts, found.opened) == ("readiness", [], ["111122223333"], NOW)
    real = template.validate(
        {**FILE, "id": "IR-1", "opened": "2026-01-01T00:00:00Z", "suspects": [{"cloud": "aws", "access_key_id": KEY}]}, "x"
    )
    assert real.id == "IR-1" and [s.value for s in real.suspects] == [KEY]


def test_made_complete_it_is_an_incident_for_whoever_takes_no_other() -> None:
    found = template.validate({**FILE, "notify": [{"name": "x", "kind": "slack", "url_env": "X"}]}, "x", now=NOW)
    whole = incidents.validate(template.complete(found), "x", now=NOW)
    assert len(whole.suspects) == 1 and whole.notify == found.notify and whole.accounts == found.accounts


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"accounts": ["1"]}, "incident.accounts[0]: must be 12 digits in quotes"),
        ({"accounts": [True]}, "incident.accounts[0]: must be 12 digits in quotes"),
        ({"accounts": ["111122223333", 111122223333]}, "incident.accounts[1]: is named twice"),
        ({"accounts": "111122223333"}, "incident.accounts: must be a list"),
        ({"suspects": ["x"]}, "incident.suspects[0]"),
        ({"suspects": "x"}, "incident.suspects: must be a list"),
        ({"id": "../x"}, "incident.id: must be 1 to 64"),
        ({"id": ""}, "incident.id"),
        ({"opened": "yesterday"}, "incident.opened: is not a time"),
        ({"notify": [{"kind": "slack", "url": "https://x"}]}, "incident.notify[0].url: is never written here"),
        ({"connection": {"aws": {"rolearn": "x"}}}, "incident.connection.aws.rolearn: unknown key"),
        ({"title": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}, "incident.title: looks like an AWS secret access key"),
    ],
)
def test_it_is_checked_as_strictly_as_an_incident(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        template.validate({**FILE, **given}, "x", now=NOW)
    assert says in refused.value.message and KEY not in refused.value.message


def open_case(folder: Path, later: int = 0, **given: Any) -> dict[str, Any]:
    params = dict.fromkeys(case.ARGUMENTS) | {"state": "open", "allow_local_store": True, "directory": str(folder)} | given
    return opening.run(params, check=False, now=NOW + dt.timedelta(seconds=later))


def write(folder: Path, **more: Any) -> str:
    (folder / "template.yml").write_text(json.dumps({"incident": FILE | more}))
    return "template.yml"


def test_a_suspect_beside_the_template_is_an_incident_and_the_same_job_leads_to_the_same_case(tmp_path: Path) -> None:
    path = write(tmp_path)
    first = open_case(tmp_path, incident=path, suspect=KEY)
    assert first["changed"] and first["incident"].startswith("IR-") and first["suspects"] == [f"access key {KEY}"]
    assert not list(tmp_path.glob("incident-*.yml")), "the template is the file"
    again = open_case(tmp_path, 600, incident=path, suspect=KEY)
    assert not again["changed"] and again["case"] == first["case"]
    kept = json.loads((Path(first["case"]) / "incident.json").read_text())
    assert kept["protected"] == FILE["protected"] and kept["opened"] == "2026-11-23T14:15:03Z" and KEY in kept["title"]
    other = open_case(tmp_path, 700, incident=path, suspect=OTHER)
    assert other["case"] != first["case"]
    # What is corrected in the template counts for the case from then on.
    write(tmp_path, protected=[])
    assert open_case(tmp_path, 800, incident=path, suspect=KEY)["changed"]
    assert json.loads((Path(first["case"]) / "incident.json").read_text())["protected"] == []


def test_a_template_with_an_id_gathers_its_suspects(tmp_path: Path) -> None:
    path = write(tmp_path, id="IR-7")
    open_case(tmp_path, incident=path, suspect=KEY)
    second = open_case(tmp_path, 60, data={**FILE, "id": "IR-7"}, suspect=OTHER)
    assert second["suspects"] == [f"access key {KEY}", f"access key {OTHER}"] and second["case"].endswith("/IR-7")
    assert not open_case(tmp_path, 90, incident=path, suspect=KEY)["changed"]


def test_a_secret_beside_a_template_is_refused_and_not_shown(tmp_path: Path) -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    with pytest.raises(InvalidInput) as refused:
        open_case(tmp_path, incident=write(tmp_path), suspect=secret)
    assert secret not in refused.value.message and not (tmp_path / "cases").exists()


def test_what_only_follows_from_a_lost_account_is_counted_and_not_told() -> None:
    rows = [
        {"check": "responder", "account": "1", "state": "missing"}, {"check": "trail", "account": "1", "state": "unknown"},
        {"check": "slots", "account": "1", "state": "missing"}, {"check": "trail", "account": "2", "state": "unknown"}, {"check": "store", "account": "", "state": "ok"},
        {"check": "responder", "account": "3", "state": "missing", "loss": estate.NAMELESS}, {"check": "trail", "account": "3", "state": "unknown"},
    ]  # fmt: skip
    shown, follows = estate.telling(rows)
    assert [(row["check"], row["account"]) for row in shown] == [
        ("responder", "1"),
        ("slots", "1"),
        ("trail", "2"),
        ("responder", "3"),
        ("trail", "3"),
    ] and follows == {"1": 1}


def test_suspects_of_the_file_are_checked_beside_the_one_that_is_named(tmp_path: Path) -> None:
    for wrong in ("x", ["x"], {"cloud": "aws"}):
        with pytest.raises(InvalidInput, match=r"incident\.suspects"):
            open_case(tmp_path, incident=write(tmp_path, suspects=wrong), suspect=KEY)
    both = open_case(tmp_path, incident=write(tmp_path, suspects=[{"cloud": "aws", "access_key_id": OTHER}]), suspect=KEY)
    assert both["suspects"] == [f"access key {OTHER}", f"access key {KEY}"]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The case module: opens, updates, closes and reopens; writes nothing in check mode; a second run changes nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.evict.cloud.plugins.module_utils.common import container, errors, incident, opening
from ansible_collections.evict.cloud.plugins.module_utils.common.lease import Lease
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import Ledger
from ansible_collections.evict.cloud.plugins.module_utils.common.store import case_store, open_store
from ansible_collections.evict.cloud.plugins.modules import case

NOW = dt.datetime(2026, 11, 23, 14, 15, 3, tzinfo=dt.UTC)
KEY, OTHER = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"


def run(directory: Path, check: bool = False, later: int = 0, **given: Any) -> dict[str, Any]:
    params = dict.fromkeys(case.ARGUMENTS) | {"state": "open", "allow_local_store": True, "directory": str(directory)} | given
    return opening.run(params, check=check, now=NOW + dt.timedelta(seconds=later))


def write(directory: Path, **more: Any) -> str:
    raw = {
        "id": "IR-1",
        "opened": "2026-11-22T09:00:00Z",
        "suspects": [{"cloud": "aws", "account": "111122223333", "access_key_id": KEY}],
    } | more
    path = directory / "incident.yml"
    path.write_text(json.dumps({"incident": raw}), encoding="utf-8")
    return str(path)


def tree(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(directory.rglob("*"))
    }


def notes(directory: Path, name: str = "IR-1") -> dict[str, list[Any]]:
    state = Ledger.open(case_store(open_store(str(directory / "cases")), name), incident=name, module="test", check=True).state
    return {kind: [entry["data"] for entry in entries] for kind, entries in state.notes.items()}


def test_open_writes_the_canonical_incident_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path)
    first = run(tmp_path, incident=path)
    assert (
        first["changed"]
        and first["case"] == str(tmp_path / "cases/IR-1")
        and first["incident"] == "IR-1"
        and first["incident_file"] == path
    )
    assert first["suspects"] == [f"access key {KEY} in 111122223333"] and first["diff"]["before"] == ""
    stored = json.loads((tmp_path / "cases/IR-1/incident.json").read_text())
    assert stored["store"] == str(tmp_path / "cases") and stored["limits"] == {"principals": 25, "compute": 25, "resources": 100}
    assert notes(tmp_path)["incident"] == [{"old": None, "new": stored}]
    before = tree(tmp_path)
    second = run(tmp_path, incident=path)
    assert second["changed"] is False and second["diff"]["before"] == second["diff"]["after"] and tree(tmp_path) == before


def test_an_edited_incident_is_noted_before_it_replaces_the_old_one(tmp_path: Path) -> None:
    run(tmp_path, incident=write(tmp_path))
    edited = run(tmp_path, incident=write(tmp_path, severity="critical"))
    assert edited["changed"] and '"severity": "high"' in edited["diff"]["before"] and '"severity": "critical"' in edited["diff"]["after"]
    kept = notes(tmp_path)["incident"]
    assert len(kept) == 2 and kept[1]["old"]["severity"] == "high" and kept[1]["new"]["severity"] == "critical"


def test_killed_between_the_note_and_the_write_the_next_run_finishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, incident=write(tmp_path))
    path = write(tmp_path, severity="low")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(open_store(str(tmp_path))), "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, incident=path)
    monkeypatch.undo()
    assert [note["new"]["severity"] for note in notes(tmp_path)["incident"]] == ["high", "low"]
    assert run(tmp_path, incident=path)["changed"]
    assert json.loads((tmp_path / "cases/IR-1/incident.json").read_text())["severity"] == "low"
    assert run(tmp_path, incident=path)["changed"] is False


@pytest.mark.parametrize("given", ["incident", "suspect", "data"])
def test_check_mode_writes_nothing_and_needs_no_store(tmp_path: Path, given: str) -> None:
    path = write(tmp_path)
    value: Any = {"incident": path, "suspect": KEY, "data": incident.load(path)}[given]
    before = tree(tmp_path)
    planned = run(tmp_path, check=True, **{given: value})
    assert planned["changed"] and planned["diff"]["after"] and tree(tmp_path) == before
    done = run(tmp_path, **{given: value})
    assert done["diff"] == planned["diff"]
    before = tree(tmp_path)
    assert run(tmp_path, check=True, later=9, **{given: value})["changed"] is False and tree(tmp_path) == before


def test_check_mode_of_closing_and_editing_writes_nothing(tmp_path: Path) -> None:
    opened = run(tmp_path, incident=write(tmp_path))
    path = write(tmp_path, title="x")
    before = tree(tmp_path)
    assert run(tmp_path, check=True, incident=path)["changed"]
    assert run(tmp_path, check=True, case=opened["case"], state="closed")["changed"]
    assert tree(tmp_path) == before


def test_one_indicator_writes_a_file_that_can_be_used_again(tmp_path: Path) -> None:
    first = run(tmp_path, suspect=KEY)
    assert first["changed"] and re.fullmatch(r"IR-20261123-141503-[0-9a-f]{4}", first["incident"])
    file = tmp_path / f"incident-{first['incident']}.yml"
    assert first["incident_file"] == str(file) and file.stat().st_mode & 0o777 == 0o600
    written = yaml.safe_load(file.read_text())["incident"]
    assert written["suspects"] == [{"cloud": "aws", "access_key_id": KEY}] and written["store"] == str(tmp_path / "cases")
    by_file = run(tmp_path, incident=str(file))
    assert by_file["changed"] is False and by_file["case"] == first["case"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert run(elsewhere, incident=str(file))["case"] == first["case"]  # the file names its case from anywhere


def test_the_same_suspect_again_uses_its_open_case(tmp_path: Path) -> None:
    first = run(tmp_path, suspect=KEY)
    before = tree(tmp_path)
    again = run(tmp_path, suspect=f"GetObject by {KEY} from 203.0.113.7", later=60)
    assert again["changed"] is False and again["case"] == first["case"] and "used again" in again["notes"][0] and tree(tmp_path) == before
    other = run(tmp_path, suspect=OTHER, later=60)
    assert other["changed"] and other["case"] != first["case"]
    run(tmp_path, case=first["case"], state="closed", later=120)
    fresh = run(tmp_path, suspect=KEY, later=180)
    assert fresh["changed"] and fresh["case"] not in (first["case"], other["case"])


def test_stray_things_beside_the_cases_are_no_obstacle(tmp_path: Path) -> None:
    for name, content in (("broken", b"{"), ("other", b'{"id": "../x"}'), ("empty", None)):
        folder = tmp_path / "cases" / name
        folder.mkdir(parents=True)
        if content is not None:
            (folder / "incident.json").write_bytes(content)
    (tmp_path / "cases/link").symlink_to("/etc")
    (tmp_path / "cases/file").write_text("x")
    assert run(tmp_path, suspect=KEY)["changed"]


def test_a_file_that_cannot_be_written_does_not_stop_the_response(tmp_path: Path) -> None:
    name = run(tmp_path, check=True, suspect=KEY)["incident"]
    (tmp_path / f"incident-{name}.yml").symlink_to(tmp_path / "planted")
    done = run(tmp_path, suspect=KEY)
    assert done["incident_file"] == "" and f"case={done['case']}" in done["notes"][0] and not (tmp_path / "planted").exists()


@pytest.mark.parametrize("suspect", [f"{KEY} and {OTHER}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "nothing at all"])
def test_a_refused_indicator_leaves_no_trace(tmp_path: Path, suspect: str) -> None:
    with pytest.raises(errors.InvalidInput):
        run(tmp_path, suspect=suspect)
    assert tree(tmp_path) == {}


def test_an_invalid_incident_leaves_no_trace(tmp_path: Path) -> None:
    path = write(tmp_path, id="../../x", surprise=1)
    before = tree(tmp_path)
    with pytest.raises(errors.InvalidInput) as caught:
        run(tmp_path, incident=path)
    assert [where for where, _ in caught.value.problems] == ["incident.surprise", "incident.id"] and tree(tmp_path) == before


def test_close_and_open_again(tmp_path: Path) -> None:
    path = write(tmp_path)
    opened = run(tmp_path, incident=path)
    closed = run(tmp_path, case="./cases/IR-1/", state="closed", by="Ada", reason="done")
    assert closed["changed"] and closed["state"] == "closed" and closed["case"] == opened["case"]
    assert run(tmp_path, case="cases/IR-1", state="closed")["changed"] is False
    assert run(tmp_path, incident=path, state="closed")["changed"] is False
    assert notes(tmp_path)["closed"] == [{"by": "Ada", "reason": "done"}]
    with pytest.raises(errors.Refused, match="was closed by Ada"):
        run(tmp_path, incident=path)
    assert run(tmp_path, incident=path, reason="it came back", by="Bob")["changed"]
    assert run(tmp_path, incident=path)["changed"] is False
    assert run(tmp_path, case="cases/IR-1", state="closed")["changed"]


def test_an_intent_without_outcome_keeps_the_case_open(tmp_path: Path) -> None:
    opened = run(tmp_path, incident=write(tmp_path))
    store = case_store(open_store(str(tmp_path / "cases")), "IR-1")
    ledger = Ledger.open(store, incident="IR-1", module="aws_contain", caller="x")
    ledger.intent([{"id": "user/bob/fence"}], urgent=True)
    ledger.end("failed")
    with pytest.raises(errors.Refused, match="1 intents without an outcome: user/bob/fence"):
        run(tmp_path, case=opened["case"], state="closed")
    assert run(tmp_path, case=opened["case"], state="closed", reason="looked at by hand")["changed"]


def test_a_case_that_is_not_there(tmp_path: Path) -> None:
    for given in (
        {"case": "cases/IR-9"},
        {"case": str(tmp_path / "IR-9")},
        {"case": "IR-9", "state": "closed"},
        {"incident": write(tmp_path), "state": "closed"},
    ):
        before = tree(tmp_path)
        with pytest.raises(errors.EvictError, match="there is no case"):
            run(tmp_path, **given)
        assert tree(tmp_path) == before


def test_two_incidents_do_not_share_a_case(tmp_path: Path) -> None:
    run(tmp_path, incident=write(tmp_path))
    path = write(tmp_path, opened="2026-11-23T09:00:00Z", suspects=[{"cloud": "aws", "access_key_id": OTHER}])
    with pytest.raises(errors.Refused, match="belongs to another incident"):
        run(tmp_path, incident=path)


def test_a_damaged_incident_is_replaced_and_noted(tmp_path: Path) -> None:
    path = write(tmp_path)
    run(tmp_path, incident=path)
    (tmp_path / "cases/IR-1/incident.json").write_text("{")
    assert run(tmp_path, incident=path)["changed"] and notes(tmp_path)["incident"][-1]["old"] == {"damaged": 1}
    assert run(tmp_path, incident=path)["changed"] is False


@pytest.mark.parametrize(("kind", "lost"), [("overlay", True), ("tmpfs", True), ("ext4", False)])
def test_a_container_layer_is_no_place_for_a_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, lost: bool) -> None:
    mark, mounts, path = tmp_path / "mark", tmp_path / "mounts", write(tmp_path)
    mounts.write_text(
        f"22 1 0:21 / / rw - {kind} none rw\n23 22 0:1 / {tmp_path}/mounted rw shared:1 - xfs /dev/sda rw\n24 22 0:2 / {tmp_path}/ca rw - xfs x rw\n"
    )
    monkeypatch.setattr(container, "_MOUNTS", str(mounts))
    monkeypatch.setattr(container, "_CONTAINER", (str(mark),))
    assert run(tmp_path, check=True, incident=path, allow_local_store=False)["changed"]
    mark.touch()
    if lost:
        with pytest.raises(errors.Refused, match=f"inside a container, on {kind}"):
            run(tmp_path, incident=path, allow_local_store=False)
        assert not (tmp_path / "cases").exists()
    else:
        assert run(tmp_path, incident=path, allow_local_store=False)["changed"]
    assert run(tmp_path, incident=write(tmp_path, store=str(tmp_path / "mounted/cases")), allow_local_store=False)["changed"]
    run(tmp_path, incident=path, allow_local_store=True)
    assert run(tmp_path, incident=path, allow_local_store=False)["changed"] is False  # what is there is not refused


def module(capsys: pytest.CaptureFixture[str], **given: Any) -> dict[str, Any]:
    with patch_module_args(given), pytest.raises(SystemExit):
        case.main()
    return dict(json.loads(capsys.readouterr().out))


def test_the_module_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = module(capsys, incident=write(tmp_path), allow_local_store=True, _ansible_check_mode=True)
    assert answer["changed"] and not os.path.exists("cases")
    answer = module(capsys, incident=write(tmp_path, id=".."), allow_local_store=True)
    assert answer["failed"] and answer["problems"][0]["path"] == "incident.id" and "incident.id" in answer["msg"]
    assert "there is no case" in module(capsys, case="cases/IR-9")["msg"]
    assert "mutually exclusive" in module(capsys, case="x", suspect="y")["msg"]
    assert "one of the following is required" in module(capsys)["msg"]


def test_documentation_is_what_the_module_takes_and_returns(tmp_path: Path) -> None:
    options = yaml.safe_load(case.DOCUMENTATION)["options"]
    assert options.keys() == case.ARGUMENTS.keys()
    for name, spec in case.ARGUMENTS.items():
        assert {key: value for key, value in options[name].items() if key != "description"} == spec
    for task in yaml.safe_load(case.EXAMPLES):
        assert set(task["evict.cloud.case"]) <= set(options)
    returned = run(tmp_path, incident=write(tmp_path))
    assert set(returned) | {"problems", "incident_data"} == set(yaml.safe_load(case.RETURN)) | {"changed"}


def test_suspects_added_to_the_readiness_file_make_it_an_incident_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "readiness.yml"
    suspects = [{"cloud": "aws", "account": "111122223333", "access_key_id": KEY}, {"cloud": "aws", "access_key_id": OTHER}]
    path.write_text(json.dumps({"incident": {"accounts": ["111122223333"], "suspects": suspects}}))
    first = run(tmp_path, incident=str(path))
    digest = hashlib.sha256(f"aws\n111122223333\n{KEY}".encode()).hexdigest()[:10]
    assert first["changed"] and first["incident"] == f"IR-{digest}" and len(first["suspects"]) == 2
    stored = json.loads((tmp_path / f"cases/IR-{digest}/incident.json").read_text())
    assert stored["opened"] == "2026-11-23T14:15:03Z" and KEY in stored["title"]
    assert not run(tmp_path, incident=str(path), later=600)["changed"]
    one = {"suspect": json.dumps({"userIdentity": {"accountId": "111122223333", "accessKeyId": KEY}}), "later": 900}
    path.write_text(json.dumps({"incident": {"accounts": ["111122223333"]}}))
    assert run(tmp_path, incident=str(path), **one)["incident"] == f"IR-{digest}"  # the same case, however it is named
    path.write_text(json.dumps({"incident": {"id": "IR-2", "suspects": suspects}}))
    assert run(tmp_path, incident=str(path))["incident"] == "IR-2" and not run(tmp_path, incident=str(path), later=5)["changed"]
    path.write_text(json.dumps({"incident": {"suspects": [{"cloud": "aws", "access_key_id": "x"}]}}))
    with pytest.raises(errors.InvalidInput, match=r"suspects\[0\]"):
        run(tmp_path, incident=str(path))


def test_notify_file_counts_beside_a_template_and_a_suspect_and_says_when_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "notify.yml").write_text(json.dumps({"notify": [{"kind": "slack", "name": "ops", "url_env": "U"}]}))
    path = tmp_path / "readiness.yml"
    path.write_text(json.dumps({"incident": {"accounts": ["111122223333"]}}))
    found = run(tmp_path, incident=str(path), suspect=KEY, notify_file="notify.yml")
    assert found["notifiers"] == ["ops"] and not any("notify_file" in note for note in found["notes"])
    assert not run(tmp_path, incident=str(path), suspect=KEY, notify_file="notify.yml", later=60)["changed"]
    assert run(tmp_path, data={"suspects": [{"cloud": "aws", "access_key_id": OTHER}]}, notify_file="notify.yml")["notifiers"] == ["ops"]
    assert any("notify_file does not count" in note for note in run(tmp_path, case=found["case"], notify_file="notify.yml")["notes"])


def test_a_case_is_not_closed_while_an_overtaken_containment_is_at_work(tmp_path: Path) -> None:
    """The one that overtook it has ended."""
    run(tmp_path, incident=write(tmp_path))
    store = case_store(open_store(str(tmp_path / "cases")), "IR-1")
    slow, fast = (Lease.acquire(store, run=name, verb="aws_contain", holder=name, never_wait=True) for name in ("slow", "fast"))
    fast.release()
    with pytest.raises(errors.Refused, match=r"not closed: .* is in use: aws_contain by slow"):
        run(tmp_path, case=str(tmp_path / "cases" / "IR-1"), state="closed")
    slow.release()
    assert run(tmp_path, case=str(tmp_path / "cases" / "IR-1"), state="closed")["changed"]

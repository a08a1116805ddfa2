"""The modules that collect audit logs, as Ansible runs them: a small result, check mode that writes nothing, and refusals that name the option."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import ledger_verify
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store
from ansible_collections.evict.cloud.plugins.plugin_utils import collecting
from tests.integration.helpers import call_module
from tests.unit.events.logs_made import cloudtrail, put, rows

HOSTILE = "\x1b[31m{{ 7*7 }}"


@pytest.fixture
def incident(tmp_path: Path) -> str:
    raw = {"id": "IR-1", "title": "t", "severity": "high", "opened": "2026-11-22T09:00:00Z", "store": str(tmp_path / "cases"),
           "suspects": [{"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}]}  # fmt: skip
    (tmp_path / "incident.yml").write_text(json.dumps({"incident": raw}))
    return str(tmp_path / "incident.yml")


def _run(incident: str, module: str = "aws_audit_event_info", check: bool = False, **options: Any) -> dict[str, Any]:
    return call_module(module, {"incident": incident, **options}, check)


def test_a_folder_is_loaded_once_and_check_mode_writes_nothing(incident: str, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    put(logs / "a.json", {"Records": [cloudtrail(n) for n in range(20)]})
    put(logs / f"{HOSTILE}.json", b'{"Records":[{')
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    preview = _run(incident, check=True, folder=str(logs))
    assert preview["files"] == {"files": 2, "known": 0, "waiting": 2, "read": 0, "tolerant": 0, "unreadable": 0} and preview["loaded"] == {}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    first = _run(incident, folder=str(logs))
    assert first["loaded"] == {"cloudtrail": 20} and not first["changed"] and first["calls"] == 0 and not first["complete"]
    assert (first["gap_count"], first["files"]["unreadable"], first["kept"]["cloudtrail"]["events"]) == (1, 1, 20)
    second = _run(incident, folder=str(logs))
    assert second["loaded"] == {} and second["files"]["known"] == 2 and second["gap_count"] == 1
    assert len(json.dumps(second)) < 3000
    case = tmp_path / "cases" / "IR-1"
    assert len(rows(case)) == 20 and ledger_verify.verify(open_store(str(case)), second["head"])["verified"]
    printed = collecting.lines(first)
    assert "new: 20 cloudtrail" in printed[0] and any("gap" in line for line in printed)


def test_what_cannot_be_done_names_the_option(incident: str, tmp_path: Path) -> None:
    assert "folder" in _run(incident, "gcp_audit_event_info")["msg"] and _run(incident, "azure_audit_event_info")["failed"]
    assert "is not a folder" in _run(incident, folder=str(tmp_path / "none"))["msg"]
    assert not list(tmp_path.rglob("*.parquet"))


def test_azure_and_google_are_loaded_from_a_folder(incident: str, tmp_path: Path) -> None:
    put(tmp_path / "logs/g.json", {"entries": [{"insertId": "i", "timestamp": "2026-11-22T09:00:00Z", "logName": "projects/p/logs/x%2Factivity",
                                                "protoPayload": {"methodName": "m", "serviceName": "s"}}]})  # fmt: skip
    put(
        tmp_path / "logs/a.json",
        {"value": [{"eventDataId": "e", "eventTimestamp": "2026-11-22T09:00:00Z", "resourceId": "/subscriptions/s/x"}]},
    )
    assert _run(incident, "gcp_audit_event_info", folder=str(tmp_path / "logs"))["loaded"] == {"gcp_audit": 1}
    told = _run(incident, "azure_audit_event_info", folder=str(tmp_path / "logs"))
    assert told["loaded"] == {"azure_activity": 1} and told["left_out"] == {"other": 1}
    assert {row["cloud"] for row in rows(tmp_path / "cases" / "IR-1")} == {"azure", "gcp"}


def test_the_action_takes_the_case_from_the_public_variables_and_refuses_templates() -> None:
    assert collecting._arguments({"folder": "/x"}, {"case": "cases/IR-1"}) == {"folder": "/x", "case": "cases/IR-1"}
    assert collecting._arguments({"case": "c"}, {"case": "other"}) == {"case": "c"}
    with pytest.raises(Exception, match="template"):
        collecting._arguments({"folder": "/x/{{ 7*7 }}"}, {"case": "c"})
    with pytest.raises(Exception, match="no case"):
        collecting._arguments({}, {})

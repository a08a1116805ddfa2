"""Severity is proposed from facts, raised by itself, and lowered by a named person only."""

from __future__ import annotations

import types
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import situation
from ansible_collections.evict.cloud.plugins.plugin_utils import table


@pytest.mark.parametrize(
    ("facts", "principals", "level"),
    [
        ({}, 0, "low"),
        ({}, 1, "medium"),
        ({"unknown": ["what x may do"]}, 1, "high"),
        ({"production": ["x"]}, 1, "high"),
        ({"privilege": ["x"]}, 1, "high"),
        ({"persistence": ["x"], "spread": ["y"]}, 2, "high"),
        ({"privilege": ["x"], "spread": ["y"]}, 2, "critical"),
        ({"production": ["x"], "data read": ["y"]}, 1, "critical"),
        ({"production": ["x"], "persistence": ["y"], "spread": ["z"]}, 3, "critical"),
        ({"resistance": ["x"]}, 1, "critical"),
    ],
)
def test_propose(facts: dict[str, list[str]], principals: int, level: str) -> None:
    proposed, why = situation.propose(facts, principals)
    assert (
        proposed == level
        and (why or principals is None)
        and all(any(reason in text for text in why) for reasons in facts.values() for reason in reasons)
    )


def note(data: dict[str, Any]) -> dict[str, Any]:
    return {"data": data, "time": "2026-11-22T09:00:00.000Z"}


def incident(severity: str = "high") -> Any:
    return types.SimpleNamespace(id="IR-1", severity=severity, aware_at=None, legal=None, notify=[])


def test_what_was_once_seen_counts_though_a_later_run_looks_less() -> None:
    notes = {"severity": [note({"share": "", "proposed": "critical", "why": ["a", "b"]})]}
    found = situation.severity(incident(), notes, {"proposed": "medium", "why": ["c"]})
    assert found == {"set": "high", "proposed": "critical", "level": "critical", "why": ["a", "b", "c"], "by": ""}


def test_only_a_named_person_lowers_it_and_new_reasons_raise_it_again() -> None:
    seen = {"share": "", "proposed": "critical", "why": ["a"]}
    notes = {"severity": [note(seen)], "confirmed": [note({"item": "severity", "level": "low", "by": "Ada", "note": "n", "seen": ["a"]})]}
    assert situation.severity(incident(), notes)["level"] == "low" and situation.severity(incident(), notes)["by"] == "Ada"
    assert situation.severity(incident(), notes, {"proposed": "high", "why": ["b"]})["level"] == "critical"


def test_an_edited_incident_file_lowers_nothing() -> None:
    changes = {
        "incident": [
            note({"old": None, "new": {"severity": "critical"}}),
            note({"old": {"severity": "critical"}, "new": {"severity": "low"}}),
        ]
    }
    assert (
        situation.severity(incident("low"), changes)["level"] == "critical" and situation.severity(incident("low"), changes)["set"] == "low"
    )


def test_a_critical_incident_without_an_out_of_band_channel_is_open_and_nothing_else() -> None:
    result: dict[str, Any] = {"status": "ok", "open": []}
    warnings = situation.add(result, incident("critical"), {}, contains=True)
    assert result["status"] == "ok" and [o["kind"] for o in result["open"]] == ["notify"] and "out_of_band" in warnings[0]
    told = incident("critical")
    told.notify = [{"kind": "slack", "name": "s", "out_of_band": True}]
    result = {"status": "ok", "open": []}
    assert situation.add(result, told, {}, contains=True) == [] and result["open"] == []
    released: dict[str, Any] = {"status": "ok", "open": []}
    assert situation.add(released, incident("critical"), {}) == [] and released["open"] == []


def test_the_table_says_both() -> None:
    result: dict[str, Any] = {"status": "ok", "open": []}
    situation.add(result, incident("critical"), {"severity": [note({"share": "", "proposed": "critical", "why": ["privilege: x"]})]})
    lines = "\n".join(table.lines(result, "case"))
    assert "SEVERITY critical (set critical, proposed critical)" in lines and "privilege: x" in lines and "LEGAL   no clock runs" in lines
    result["legal"] = [{"deadline": "2026-11-25T08:00:00Z", "state": "passed", "law": "GDPR", "duty": "tell", "to": "them"}]
    lines = "\n".join(table.lines(result, "case"))
    assert "LEGAL   2026-11-25T08:00:00Z  PASSED, GDPR: tell" in lines and "not legal advice" in lines

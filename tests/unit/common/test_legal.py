"""Deadlines: hours, calendar days, business days, months; met, running, passed."""

from __future__ import annotations

import datetime as dt
import types

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import drafts, legal


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text + "+00:00")


@pytest.mark.parametrize(
    ("since", "after", "due"),
    [
        ("2026-11-22T08:00:00", "72h", "2026-11-25T08:00:00"),
        ("2026-11-22T08:00:00", "60d", "2027-01-21T08:00:00"),
        ("2026-11-20T16:00:00", "4bd", "2026-11-26T16:00:00"),  # a Friday: Monday is the first day
        ("2026-11-21T16:00:00", "4bd", "2026-11-26T16:00:00"),  # a Saturday: Monday is the first day too
        ("2026-11-23T16:00:00", "1bd", "2026-11-24T16:00:00"),
        ("2026-12-31T23:30:00", "3bd", "2027-01-05T23:30:00"),
        ("2026-01-31T10:00:00", "1mo", "2026-02-28T10:00:00"),
        ("2028-01-31T10:00:00", "1mo", "2028-02-29T10:00:00"),
        ("2026-12-15T10:00:00", "1mo", "2027-01-15T10:00:00"),
        ("2026-11-15T10:00:00", "14mo", "2028-01-15T10:00:00"),
    ],
)
def test_due(since: str, after: str, due: str) -> None:
    assert legal.due(at(since), after) == at(due)


def incident(aware: str | None, table: list[object] | None = None) -> types.SimpleNamespace:
    window = types.SimpleNamespace(start=None, end=None)
    return types.SimpleNamespace(
        id="IR-1", title="t", aware_at=at(aware) if aware else None, legal=table, opened=at("2026-11-22T08:00:00"), window=window
    )


def test_no_clock_without_aware_at() -> None:
    assert legal.rows(incident(None), [], at("2026-11-22T09:00:00")) == []


def test_every_duty_of_the_table_has_its_deadline_and_its_source() -> None:
    rows = legal.rows(incident("2026-11-22T08:00:00"), [], at("2026-11-24T09:00:00"))
    assert (
        len(rows) == len(legal.TABLE)
        and rows == sorted(rows, key=lambda r: (r["deadline"], r["id"]))
        and all(r["cites"] and r["to"] for r in rows)
    )
    by = {r["id"]: r for r in rows}
    assert by["gdpr"]["deadline"] == "2026-11-25T08:00:00Z" and by["gdpr"]["state"] == "running" and by["nis2-early"]["state"] == "passed"
    assert {"gdpr", "nis2-early", "nis2-notification", "nis2-final", "dora-initial", "sec", "hipaa", "pci"} <= set(by)


def test_a_duty_that_somebody_says_is_met() -> None:
    (row,) = legal.rows(incident("2026-11-22T08:00:00", ["gdpr"]), [{"item": "legal/gdpr", "by": "Ada"}], at("2026-12-24T09:00:00"))
    assert (row["state"], row["by"]) == ("met", "Ada")


def test_a_table_of_ones_own() -> None:
    mine = [{"id": "acme", "law": "Contract", "duty": "tell", "to": "ACME", "after": "2bd", "cites": "7.2"}, "gdpr"]
    assert [r["id"] for r in legal.rows(incident("2026-11-20T08:00:00", mine), [], at("2026-11-20T09:00:00"))] == ["gdpr", "acme"]
    assert legal.rows(incident("2026-11-20T08:00:00", []), [], at("2026-11-20T09:00:00")) == []


HOSTILE = "[x](javascript:alert(1)) <script> `c` **b** | a | # h ![i](http://evil.example) {{ 7*7 }}\n# heading"


def test_drafts_are_markdown_that_nobody_else_wrote() -> None:
    about = incident("2026-11-22T08:00:00")
    about.title = HOSTILE
    row = {
        "arn": f"arn:aws:iam::111122223333:user/{HOSTILE}",
        "action": HOSTILE,
        "account": "111122223333",
        "contained_at": "2026-11-22T09:00:00Z",
    }
    result = {"status": "open", "principals": [row], "open": [{"object": HOSTILE, "why": HOSTILE}], "failed": [{"object": HOSTILE, "message": HOSTILE}],
              "severity": {"level": "critical", "by": HOSTILE, "why": [HOSTILE]}, "legal": legal.rows(about, [], at("2026-11-22T09:00:00"))}  # fmt: skip
    made = drafts.render(about, result)
    assert set(made) == {"management.md", "customers.md", "regulator.md"} and made == drafts.render(about, result)
    for text in made.values():
        assert (
            "<script>" not in text
            and "](javascript" not in text
            and "](http" not in text
            and "\n# heading" not in text
            and "**b**" not in text
        )
        assert "DRAFT" in text
    assert "arn:aws" not in made["customers.md"] and "2026-11-22" in made["customers.md"]
    assert "2026-11-25T08:00:00Z" in made["regulator.md"] and "not legal advice" in made["regulator.md"]


@pytest.mark.parametrize(("status", "cut"), [("ok", True), ("open", True), ("partial", False), ("refused", False), ("error", False)])
def test_drafts_claim_no_containment_that_is_not_there(status: str, cut: bool) -> None:
    window = types.SimpleNamespace(start=None, end=None)
    about = types.SimpleNamespace(id="IR-1", title="t", aware_at=None, opened=None, window=window)
    severity = {"level": "high", "why": [], "by": ""}
    made = drafts.render(about, {"status": status, "severity": severity, "principals": [], "legal": []})
    assert ("We cut the credentials off" in made["customers.md"]) == cut
    assert ("sessions ended" in made["regulator.md"]) == cut
    if status in ("refused", "error"):
        assert "has not been denied yet" in made["regulator.md"] and "working to cut" in made["customers.md"]

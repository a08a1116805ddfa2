"""What the other tests of the analysis stand on."""

from __future__ import annotations

from tests.unit.analysis import events_made as made


def test_rows_come_back_as_they_were_made() -> None:
    rows = [
        made.event(**made.user("ci", key="AKIA1"), operation="AssumeRole", service="sts", at="10:00", request=made.assume("deploy", "x"),
                   response=made.assumed("deploy", "x", "ASIA1"), resources=["arn:aws:iam::111122223333:role/deploy"]),
        made.event(operation="GetObject", error="AccessDenied", at="+1 01:02:03"),
    ]  # fmt: skip
    database = made.database(rows, [made.gap(start="10:00", end="11:00")])
    assert database.rows("SELECT * FROM events ORDER BY time") == rows
    assert rows[1]["status"] == "failure" and str(rows[1]["time"]) == "2026-11-21 01:02:03" and rows[1]["account"] == made.ACCOUNT
    assert database.rows("SELECT response->>'$.credentials.accessKeyId' AS key FROM events WHERE operation = ?", ["AssumeRole"]) == [
        {"key": "ASIA1"}
    ]
    assert database.rows('SELECT object, "end" FROM gaps') == [{"object": "a file", "end": made.moment("11:00")}]

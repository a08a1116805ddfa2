"""Audit logs of Google Cloud that lie in BigQuery, by the module as it is shipped: Google's own sign-in, its API on loopback, a DuckDB that runs the statements."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.outside import bigquery, google_login
from tests.beds.vendors import Asked
from tests.beds.vendors.bigquery import BigQuery
from tests.beds.vendors.bigquery_duckdb import Runs
from tests.integration.helpers import call_module
from tests.unit.events.logs_made import rows
from tests.unit.warehouse.made import Warehouse

CI, OTHER = (f"{name}@acme-prod.iam.gserviceaccount.com" for name in ("ci", "other"))
KEY, BAD, HOME = "a" * 40, "192.0.2.50", "198.51.100.10"
HOSTILE = "x' OR '1'='1 -- {{ lookup('pipe', 'id') }}"


def entry(number: int, at: str, email: str, method: str, key: str, address: str = HOME, agent: str = "gcloud") -> dict[str, Any]:
    who = {"principalEmail": email, "serviceAccountKeyName": f"//iam.googleapis.com/projects/acme-prod/serviceAccounts/{email}/keys/{key}"}
    return {
        "insertId": f"e{number}", "timestamp": f"2026-11-{at}Z", "logName": "projects/acme-prod/logs/cloudaudit.googleapis.com%2Factivity",
        "resource": {"type": "project", "labels": {"project_id": "acme-prod"}},
        "protoPayload": {"serviceName": "storage.googleapis.com", "methodName": method, "authenticationInfo": who,
                         "requestMetadata": {"callerIp": address, "callerSuppliedUserAgent": agent}},
    }  # fmt: skip


STOLEN = [entry(n, f"20T10:0{n}:00", CI, "storage.buckets.delete", KEY, BAD, HOSTILE) for n in range(3)]
BEFORE = [entry(10 + n, f"1{n}T10:00:00", CI, "storage.objects.list", KEY) for n in range(5)]
OTHERS = [entry(100 + n, "20T10:00:00", OTHER, "storage.buckets.delete", "b" * 40, "203.0.113.9") for n in range(50)]


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[BigQuery]:
    google_login._credentials.cache_clear()
    monkeypatch.setattr(bigquery, "_FIRST", 0.01)
    warehouse = Warehouse("bigquery")
    warehouse.gcp([*STOLEN, *BEFORE, *OTHERS])
    with BigQuery() as server:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(server.credentials(tmp_path / "sa.json")))
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        server.runs, server.looks, server.page = Runs(warehouse.connection), 1, 2
        yield server
        assert server.violations == []


def _collect(folder: Path, check: bool = False, **more: Any) -> dict[str, Any]:
    raw = {"id": "IR-1", "title": "t", "severity": "high", "opened": "2026-11-22T09:00:00Z", "store": str(folder / "cases"),
           "window": {"start": "2026-11-20T00:00:00Z", "end": "2026-11-21T00:00:00Z"},
           "suspects": [{"cloud": "gcp", "project": "acme-prod", "service_account": CI, "key_id": KEY}]}  # fmt: skip
    (folder / "incident.yml").write_text(json.dumps({"incident": raw}))
    where = {"project": "memory", "dataset": "audit", "location": "EU", "tables": ["cloudaudit_googleapis_com_activity"]}
    return call_module("gcp_audit_event_info", {"incident": str(folder / "incident.yml"), "bigquery": where, **more}, check)


def test_what_the_suspect_did_comes_out_of_bigquery_once_and_nobody_elses(google: Any, tmp_path: Path) -> None:
    first = _collect(tmp_path)
    assert not first.get("failed"), first
    found = {row["event_uid"]: row for row in rows(tmp_path / "cases" / "IR-1")}
    assert set(found) == {"e0", "e1", "e2", "e10"}  # of the time before, the first of its kind
    assert (found["e0"]["user_agent"], found["e0"]["src_ip"]) == (HOSTILE, BAD) and found["e0"]["credential_uid"].endswith(KEY)
    assert all(HOSTILE not in sql and KEY not in sql for sql in google.runs.statements)
    told = first["warehouse"]
    assert told["engine"] == "bigquery" and told["how"] == "dry run" and told["scanned"] == 1_000 * told["queries"]
    assert set(google.states) == {"DONE"}
    asked = len(google.on("POST", "/jobs$"))
    second = _collect(tmp_path)
    assert second["loaded"] == {} and second["warehouse"]["queries"] == 0 and len(google.on("POST", "/jobs$")) == asked + 1  # its fields


def test_a_query_that_breaks_off_is_a_gap_and_is_asked_again(google: BigQuery, tmp_path: Path) -> None:
    refused = (403, {}, {"error": {"message": "Quota exceeded: x", "errors": [{"reason": "quotaExceeded"}]}})

    def meanwhile(asked: Asked) -> None:
        """Of the first question, after its first page."""
        if asked.query.get("pageToken") and len(google.jobs) == 2 and not google.faults:
            google.faults = [("GET", "/queries/", refused)]

    google.before = meanwhile
    first = _collect(tmp_path)
    assert not first["complete"] and any("quotaExceeded" in gap["why"] for gap in first["gaps"]), first
    google.before = lambda _asked: None
    second = _collect(tmp_path)
    assert second["complete"] and {row["event_uid"] for row in rows(tmp_path / "cases" / "IR-1")} == {"e0", "e1", "e2", "e10"}


def test_who_may_not_read_is_told_what_to_grant(google: BigQuery, tmp_path: Path) -> None:
    google.may.remove("bigquery.jobs.create")
    said = _collect(tmp_path)
    assert (
        said["failed"] and "bigquery.jobs.create (roles/bigquery.jobUser)" in said["msg"] and not any(t in str(said) for t in google.tokens)
    )

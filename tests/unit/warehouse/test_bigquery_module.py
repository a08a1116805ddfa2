# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``gcp_audit_event_info`` over BigQuery's API, with a stand-in that checks each request by Google's discovery document and a DuckDB behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.events import parts
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.layouts import gcp_audit
from ansible_collections.evict.cloud.plugins.module_utils.outside import bigquery, google_login, session
from ansible_collections.evict.cloud.plugins.plugin_utils import collecting
from tests.beds.vendors.bigquery import BigQuery as Google
from tests.beds.vendors.bigquery_duckdb import Runs
from tests.integration.helpers import call_module
from tests.unit.warehouse.made import Warehouse

KEY = "projects/acme-prod/serviceAccounts/backup@acme-prod.iam.gserviceaccount.com/keys/k9"
WHERE = {"project": "logs-1234", "dataset": "audit", "location": "EU"}


def _entry(
    number: int, who: str, method: str = "storage.objects.get", ip: str = "198.51.100.9", key: str = "", response: Any = None
) -> dict[str, Any]:
    return {"insertId": f"i-{number}", "timestamp": f"2026-11-21T10:{number:02d}:00Z", "logName": "projects/acme-prod/logs/cloudaudit.googleapis.com%2Factivity",
            "resource": {"type": "project", "labels": {"project_id": "acme-prod"}},
            "protoPayload": {"serviceName": "iam.googleapis.com", "methodName": method, "resourceName": "projects/acme-prod", "response": response,
                             "authenticationInfo": {"principalEmail": who} | ({"serviceAccountKeyName": key} if key else {}),
                             "requestMetadata": {"callerIp": ip, "callerSuppliedUserAgent": "gcloud"}}}  # fmt: skip


RECORDS = [
    _entry(1, "thief@example.com", "google.iam.admin.v1.CreateServiceAccountKey", "203.0.113.66", response={"name": KEY}),
    _entry(2, "backup@acme-prod.iam.gserviceaccount.com", ip="192.0.2.77", key=f"//iam.googleapis.com/{KEY}"),
    *(_entry(n, f"colleague-{n}@example.com") for n in range(3, 40)),
]


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Google]:
    google_login._credentials.cache_clear()
    monkeypatch.setattr(bigquery, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _seconds: None))
    monkeypatch.setattr(session, "time", SimpleNamespace(sleep=lambda _seconds: None))
    house = Warehouse("bigquery")
    house.gcp(RECORDS)
    house.connection.execute("ATTACH ':memory:' AS \"logs-1234\"")
    house.connection.execute('CREATE SCHEMA "logs-1234".audit')
    house.connection.execute(f'CREATE TABLE "logs-1234".audit.{gcp_audit.TABLES[0]} AS FROM memory.audit.{gcp_audit.TABLES[0]}')
    with Google() as server:
        server.runs = Runs(house.connection)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(server.credentials(tmp_path / "sa.json")))
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        yield server
        assert server.violations == []


def _run(home: Path, check: bool = False, **options: Any) -> dict[str, Any]:
    raw = {"id": "IR-1", "title": "t", "severity": "high", "opened": "2026-11-22T09:00:00Z", "store": str(home / "cases"),
           "window": {"start": "2026-11-21T09:00:00Z", "end": "2026-11-22T08:00:00Z"},
           "suspects": [{"cloud": "gcp", "project": "acme-prod", "user": "thief@example.com"}]}  # fmt: skip
    (home / "incident.yml").write_text(json.dumps({"incident": raw}))
    return call_module("gcp_audit_event_info", {"incident": str(home / "incident.yml"), "loading_threads": 1, **options}, check)


def test_from_the_thief_to_what_the_key_did(google: Google, tmp_path: Path) -> None:
    options = {"bigquery": {**WHERE, "tables": [gcp_audit.TABLES[0]]}}
    shown = _run(tmp_path, check=True, **options)
    assert not shown.get("failed"), shown
    assert (shown["warehouse"]["queries"], shown["warehouse"]["scanned"], shown["warehouse"]["how"]) == (1, google.scanned, "dry run")
    assert not (tmp_path / "cases").exists()
    first = _run(tmp_path, **options)
    assert not first.get("failed") and first["complete"] and first["loaded"] == {"gcp_audit": 2} and first["warehouse"]["rounds"] >= 2, (
        first
    )
    with parts.open_case(open_store(str(tmp_path / "cases" / "IR-1")), threads=1) as database:
        found = database.rows("SELECT event_uid, credential_uid, actor_arn FROM events ORDER BY 1")
    assert [row["event_uid"] for row in found] == ["i-1", "i-2"] and found[1]["credential_uid"] == f"//iam.googleapis.com/{KEY}"
    jobs = len(google.jobs)
    again = _run(tmp_path, **options)
    assert again["warehouse"]["queries"] == 0 and len(google.jobs) == jobs + 1, "only the table's fields are asked for again"
    assert "bigquery: 0 queries" in collecting.lines(again)[0]
    said = call_module("case_analysis", {"case": str(tmp_path / "cases" / "IR-1")})
    assert {row["id"] for row in said["tainted"] if row["verdict"] == "rogue"} >= {f"//iam.googleapis.com/{KEY}"}


def test_a_table_that_is_not_there_is_a_gap_and_names_are_checked(google: Google, tmp_path: Path) -> None:
    found = _run(tmp_path, bigquery={**WHERE, "tables": [gcp_audit.TABLES[0], "elsewhere"]})
    (gap,) = found["gaps"]
    assert (
        gap["object"] == "bigquery logs-1234.audit.elsewhere"
        and "there is no such table" in gap["why"]
        and found["loaded"] == {"gcp_audit": 2}
    )
    for options, path in (({**WHERE, "dataset": "a`b"}, "bigquery.dataset"), ({**WHERE, "project": "x"}, "bigquery.project")):
        refused = _run(tmp_path, bigquery=options)
        assert refused["failed"] and path in refused["msg"]
    assert "start" in call_module("gcp_audit_event_info", {"incident": str(_without_window(tmp_path)), "bigquery": WHERE})["msg"]


def test_over_the_ceiling_nothing_is_billed(google: Google, tmp_path: Path) -> None:
    google.scanned = 5 << 30
    refused = _run(tmp_path, bigquery={**WHERE, "tables": [gcp_audit.TABLES[0]]}, ceiling="6G")
    assert refused.get("gap_count") == 1 and "ceiling is 6442450944" in refused["gaps"][0]["why"], "the second round is over it"
    google.scanned = 7 << 30
    refused = _run(tmp_path, bigquery={**WHERE, "tables": [gcp_audit.TABLES[0]]}, ceiling="6G")
    assert refused["failed"] and "up to 7516192768 bytes (dry run)" in refused["msg"] and "ceiling is 6442450944" in refused["msg"]


def _without_window(home: Path) -> Path:
    raw = {"id": "IR-2", "title": "t", "severity": "high", "opened": "2026-11-22T09:00:00Z", "store": str(home / "cases"),
           "suspects": [{"cloud": "gcp", "project": "acme-prod", "user": "thief@example.com"}]}  # fmt: skip
    (home / "open.yml").write_text(json.dumps({"incident": raw}))
    return home / "open.yml"

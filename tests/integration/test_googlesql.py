"""What BigQuery is asked, run by GoogleSQL's reference engine: Google's own word on what a statement means. It finds what DuckDB finds."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse import question
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.layouts import gcp_audit
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.question import Handle
from tests.beds.vendors import Problem
from tests.beds.vendors.googlesql import GoogleSql
from tests.integration.test_bigquery import CI, HOME, KEY, OTHER, entry
from tests.unit.analysis import test_lineage_redteam
from tests.unit.warehouse import test_dialects, test_stories
from tests.unit.warehouse.made import Warehouse

pytestmark = pytest.mark.slow  # the engine is compiled first


def _estate() -> list[dict[str, Any]]:
    """Twenty-seven days of six people, two calls a day each, in the networks of their own."""
    people = [(CI, KEY, HOME, ""), (OTHER, "b" * 40, "198.51.100.2", ""), ("deploy@p.iam", "", "198.51.100.3", CI), ("o'neill@example.com", "", "2001:db8::1", ""),
              ("x@example.com", "", "203.0.113.9", "back\\slash"), ("Ünï@日本", "c" * 40, "203.0.113.10", "")]  # fmt: skip
    found = []
    for day in range(1, 28):
        for number, (email, key, address, chain) in enumerate(people):
            for hour in (1, 2):
                made = entry(len(found), f"{day:02d}T0{hour}:00:00", email, f"method{hour}", key or "k", address, f"agent {day % 3}")
                who = made["protoPayload"]["authenticationInfo"]
                if not key:
                    del who["serviceAccountKeyName"]
                if chain:
                    who["serviceAccountDelegationInfo"] = [{"firstPartyPrincipal": {"principalEmail": chain}}]
                if number % 2:
                    made["protoPayload"]["request"] = {"name": 'a"b'}
                found.append(made)
    return found


HANDLES = {
    "key_name": KEY, "credential": f"//iam.googleapis.com/projects/acme-prod/serviceAccounts/{OTHER}/keys/{'b' * 40}", "actor": "o'neill@example.com",
    "actor_id": "ÜNÏ@日本", "user_name": "x", "delegation": CI, "address": "203.0.113.10", "actor_before": OTHER, "address_first": "198.51.100.3",
}  # fmt: skip


@pytest.mark.parametrize("kinds", [*([kind] for kind in HANDLES), list(HANDLES)], ids=lambda kinds: kinds[0] if len(kinds) == 1 else "all")
def test_googles_own_engine_finds_what_duckdb_finds(estate: tuple[Any, Any, GoogleSql], kinds: list[str]) -> None:
    warehouse, layout, reference = estate
    days = [datetime.datetime.fromisoformat(f"2026-11-{day}T00:00:00") for day in ("03", "20", "25")]
    asked = question.ask(layout, "bigquery", [Handle(kind, HANDLES[kind]) for kind in kinds], question.Span(*days))
    values = {
        name: value.replace(tzinfo=datetime.UTC) if isinstance(value, datetime.datetime) else value for name, value in asked.parameters
    }
    _fields, found = reference(asked.sql, values)
    mine, theirs = (sorted((json.loads(record) for record in records), key=lambda entry: entry["insertId"])
                    for records in ([row["record"] for row in warehouse.rows(asked)], [record for (record,) in found]))  # fmt: skip
    assert theirs and [entry["insertId"] for entry in mine] == [entry["insertId"] for entry in theirs]
    assert all({**one, "timestamp": ""} == {**other, "timestamp": ""} for one, other in zip(mine, theirs, strict=True))
    assert all(gcp_audit.line({"record": record}) for (record,) in found)


@pytest.fixture(scope="module")
def estate() -> tuple[Any, Any, GoogleSql]:
    warehouse = Warehouse("bigquery")
    layout = warehouse.gcp(_estate())
    return warehouse, layout, GoogleSql(warehouse.connection, "memory.audit.cloudaudit_googleapis_com_activity")


@pytest.mark.parametrize(
    ("sql", "why"),
    [("SELECT LOWERX('a') AS a", "Function not found"), ("SELECT STRPOS(1, 'a') AS a", "No matching signature"), ("SELECT FROM", "Syntax error"),
     ("SELECT t.nobody FROM `memory.audit.cloudaudit_googleapis_com_activity` AS t", "nobody"), ("SELECT CAST('x' AS VARCHAR) AS a", "VARCHAR")],
)  # fmt: skip
def test_googles_own_engine_refuses_what_is_not_its_dialect(estate: tuple[Any, Any, GoogleSql], sql: str, why: str) -> None:
    with pytest.raises(Problem) as caught:
        estate[2](sql, {})
    assert why in str(caught.value.body)


@pytest.fixture
def by_google(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tests of the warehouse, with Google's engine for BigQuery. The kinds of handles that were asked."""
    asked_for: list[str] = []
    other = Warehouse.rows

    def rows(self: Any, asked: Any) -> Iterator[dict[str, Any]]:
        if self.dialect != "bigquery":
            yield from other(self, asked)
            return
        if not hasattr(self, "reference"):
            self.reference = GoogleSql(self.connection, "memory.audit.cloudaudit_googleapis_com_activity")
        values = {n: v.replace(tzinfo=datetime.UTC) if isinstance(v, datetime.datetime) else v for n, v in asked.parameters}
        asked_for.extend(values)
        _fields, found = self.reference(asked.sql, values)
        yield from ({"record": record} for (record,) in found)

    monkeypatch.setattr(Warehouse, "rows", rows)
    return asked_for


def test_hostile_values_select_their_own_event_by_googles_engine_as_well(by_google: list[str]) -> None:
    test_dialects.test_hostile_values_select_their_own_event_and_no_other("bigquery")
    assert {"delegation_1", "credential_1", "address_1"} <= set(by_google)


def test_the_rows_of_googles_engine_are_those_of_the_local_table(by_google: list[str], tmp_path: Path) -> None:
    test_dialects.test_the_rows_are_those_of_the_local_table("bigquery", tmp_path)
    assert by_google


def test_a_story_is_told_by_googles_engine_as_well(by_google: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test_stories.test_the_same_is_told(
        test_lineage_redteam, test_lineage_redteam.test_google_impersonation_and_keys, {}, tmp_path, monkeypatch
    )
    assert {"key_name_1", "actor_1", "address_first_1"} <= set(by_google)

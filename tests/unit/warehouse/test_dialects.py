# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one SQL source in the warehouses' dialects: parsed strictly, translated back to DuckDB, run over hostile logs, compared with the local table."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.common import store as stores
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput, MissingLibrary
from ansible_collections.evict.cloud.plugins.module_utils.common.events import folder, formats, parts
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse import dialect, question
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.layouts import cloudtrail, gcp_audit
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.layouts.cloudtrail import Partitions
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.question import Handle, Span
from tests.unit.analysis.events_made import moment
from tests.unit.warehouse import made

# What somebody may have called things, so that a query breaks or says something else.
HOSTILE = ("o'brien", "100%", "back\\slash\\", "new\nline", "what?", "$credential_1", "@actor_1", ":actor_1", "';DROP TABLE events;--", 'say "x"', "{{ 7*7 }}",
           "tab\tand\x01", "ünï-日本", "a,b", "{x=1, y=2}", "null", "")  # fmt: skip
SPAN = Span(moment("2026-11-01T00:00:00"), moment("2026-11-02T00:00:00"), moment("2026-11-30T00:00:00"))


def record(number: int, name: str, **more: t.Any) -> dict[str, t.Any]:
    """An event in which everything that an attacker can choose is ``name``."""
    who = {"type": "AssumedRole", "principalId": f"AROA{number}:{name}", "arn": f"arn:aws:sts::111122223333:assumed-role/r/{name}", "accountId": "111122223333",
           "accessKeyId": f"ASIA{name}", "userName": name, "sessionContext": {"attributes": {"creationDate": "2026-11-20T00:00:00Z", "mfaAuthenticated": "false"},
           "sessionIssuer": {"type": "Role", "principalId": f"AROA{name}", "arn": f"arn:aws:iam::111122223333:role/{name}", "accountId": "111122223333",
                             "userName": name}}}  # fmt: skip
    return {"eventVersion": "1.11", "userIdentity": who, "eventTime": f"2026-11-2{number % 8}T00:00:0{number % 10}Z", "eventSource": "sts.amazonaws.com", "eventName": "AssumeRole",
            "awsRegion": "eu-west-1", "sourceIPAddress": name or None, "userAgent": name, "requestParameters": {"roleArn": f"arn:aws:iam::1:role/{name}", "x": [1.50, None]},
            "responseElements": {"credentials": {"accessKeyId": f"ASIAOUT{name}"}}, "additionalEventData": {"SwitchFrom": name}, "requestID": f"r{number}", "eventID": f"e-{number}",
            "readOnly": True, "resources": [{"ARN": f"arn:x:{name}", "accountId": "1", "type": "T"}, {"ARN": "arn:y"}], "eventType": "AwsApiCall", "managementEvent": True,
            "recipientAccountId": "111122223333", "eventCategory": "Management", "sharedEventID": name or None,
            "tlsDetails": {"tlsVersion": "TLSv1.3"}} | more  # fmt: skip


def entry(number: int, name: str) -> dict[str, t.Any]:
    who = {"principalEmail": f"{name}@example.com", "principalSubject": f"user:{name}", "serviceAccountKeyName": f"//iam.googleapis.com/projects/p/serviceAccounts/s/keys/{name}",
           "serviceAccountDelegationInfo": [{"firstPartyPrincipal": {"principalEmail": f"through-{name}"}}]}  # fmt: skip
    return {"insertId": f"i-{number}", "timestamp": f"2026-11-2{number % 8}T00:00:0{number % 10}Z", "logName": "projects/acme/logs/cloudaudit.googleapis.com%2Factivity",
            "resource": {"type": "project", "labels": {"project_id": "acme"}},
            "protoPayload": {"serviceName": "iam.googleapis.com", "methodName": "google.iam.admin.v1.CreateServiceAccountKey", "resourceName": name, "authenticationInfo": who,
                             "requestMetadata": {"callerIp": name, "callerSuppliedUserAgent": name}, "status": {"code": 7, "message": name},
                             "request": {"name": name, "x": [1.50, None]}, "response": {"name": name}}}  # fmt: skip


def ends(engine: str) -> tuple[made.Warehouse, t.Any, list[dict[str, t.Any]]]:
    """(warehouse, its layout, the records that are in it)."""
    house = made.Warehouse(engine)
    records = [(record if engine == "athena" else entry)(number, name) for number, name in enumerate(HOSTILE)]
    return house, house.cloudtrail(records) if engine == "athena" else house.gcp(records), records


def all_handles(layout: t.Any) -> list[Handle]:
    return [Handle(kind, f"{kind} {n}") for kind in question.KINDS if kind not in layout.lacks for n in range(3)]


@pytest.mark.parametrize("engine", ["athena", "bigquery"])
def test_every_kind_of_handle_is_strict_sql_of_the_dialect_and_of_duckdb_again(engine: str) -> None:
    house, layout, _records = ends(engine)
    wanted = all_handles(layout)
    assert {handle.kind for handle in wanted} == set(question.KINDS) - set(layout.lacks) and len(wanted) >= 24
    query = question.ask(layout, engine, wanted, SPAN)
    for text, of in ((query.sql, engine), (dialect.back(query.sql, engine), "duckdb")):
        (tree,) = sqlglot.parse(text, dialect=of, error_level=sqlglot.ErrorLevel.RAISE)
        assert tree is not None and isinstance(tree, sqlglot.exp.Select) and not list(tree.find_all(sqlglot.exp.Command))
    for one in wanted:
        assert one.value not in query.sql, "values are parameters"
        assert one.value in {value for _name, value in query.parameters}
    assert list(house.rows(query)) == []
    for one in wanted:  # each alone, too
        assert list(house.rows(question.ask(layout, engine, [one], SPAN))) == []


@pytest.mark.parametrize("engine", ["athena", "bigquery"])
def test_hostile_values_select_their_own_event_and_no_other(engine: str) -> None:
    house, layout, records = ends(engine)
    value = {
        "credential": lambda name: f"ASIA{name}" if engine == "athena" else f"//iam.googleapis.com/projects/p/serviceAccounts/s/keys/{name}",
        "address": lambda name: name,
        "actor": lambda name: f"arn:aws:sts::111122223333:assumed-role/r/{name}" if engine == "athena" else f"{name}@example.com",
        "issuer": lambda name: f"arn:aws:iam::111122223333:role/{name}",
        "request": lambda name: json.dumps(f"arn:aws:iam::1:role/{name}", ensure_ascii=False),
        "delegation": lambda name: json.dumps(f"through-{name}", ensure_ascii=False)[1:-1],
    }  # fmt: skip
    for kind, of in value.items():
        if kind in layout.lacks or (kind == "delegation" and engine == "athena"):
            continue
        for number, name in enumerate(HOSTILE):
            if not name:
                continue
            rows = [json.loads(layout.line(row)) for row in house.rows(question.ask(layout, engine, [Handle(kind, of(name))], SPAN))]
            ids = {row.get("eventID") or row.get("insertId") for row in rows}
            assert ids == {records[number].get("eventID") or records[number].get("insertId")}, (kind, name)


@pytest.mark.parametrize("engine", ["athena", "bigquery"])
def test_the_rows_are_those_of_the_local_table(engine: str, tmp_path: Path) -> None:
    """Through the parser of the loader: what came out of the warehouse and what came out of the files is one table."""
    house, layout, records = ends(engine)
    query = question.ask(layout, engine, [Handle("address", name) for name in HOSTILE if name], SPAN)
    got = [layout.line(row) for row in house.rows(query)]
    tables = {}
    for name, lines in (("files", [json.dumps(one) for one in records]), ("selected", got)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.jsonl").write_text("\n".join(lines), encoding="utf-8")
        case = stores.open_store(str(tmp_path / f"case-{name}"))
        folder.load(case, [formats.FORMATS[layout.source]], tmp_path / name, now="2026-12-01T00:00:00", threads=1)
        with parts.open_case(case, threads=1, keep=False) as database:
            tables[name] = database.rows("SELECT * EXCLUDE (raw, request, response), CAST(request AS JSON) AS request, CAST(response AS JSON) AS response"
                                         " FROM events WHERE src_ip <> '' ORDER BY event_uid")  # fmt: skip
    assert len(tables["files"]) == len(HOSTILE) - 1
    assert tables["selected"] == tables["files"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=40))
@pytest.mark.parametrize("engine", ["athena", "bigquery"])
def test_a_literal_of_any_text_means_that_text(engine: str, text: str) -> None:
    (tree,) = sqlglot.parse(f"SELECT {dialect.literal(text, engine)}", dialect=engine)
    assert isinstance(tree, sqlglot.exp.Select)
    (only,) = tree.expressions
    assert isinstance(only, sqlglot.exp.Literal) and only.is_string and only.this == text


def test_a_function_that_the_dialect_does_not_have_is_refused() -> None:
    """sqlglot hands on what it does not know: BigQuery has no SPLIT_PART, Athena's CONTAINS is about arrays."""
    for text, of in (
        ("split_part(a, '/', 3)", "bigquery"),
        ("contains(a, 'x')", "athena"),
        ("to_json(a)", "athena"),
        ("list_filter(a, lambda x: x)", "bigquery"),
    ):
        with pytest.raises(ValueError, match="has no function"):
            dialect.translate(f"SELECT {text} FROM t", of, {})  # noqa: S608
    with pytest.raises(sqlglot.errors.ParseError):
        dialect.translate("SELECT FROM WHERE", "athena", {})


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "sqlglot", None)
    with pytest.raises(MissingLibrary, match="sqlglot"):
        dialect.translate("SELECT 1", "athena", {})


def test_placeholders_without_names_come_in_the_order_of_the_text() -> None:
    text, values = dialect.translate("SELECT $b_1, $a_1 WHERE x = $b_1", "athena", {"a_1": "first", "b_1": "second"})
    assert text == "SELECT ?, ? WHERE x = ?" and values == (("b_1", "second"), ("a_1", "first"), ("b_1", "second"))


def test_partitions_are_plain_comparisons() -> None:
    since, until = moment("2026-10-30T00:00:00"), moment("2026-11-02T05:00:00")
    daily = Partitions.of(dict.fromkeys(["account", "region", "timestamp"], "string"), {})
    assert daily.prune(since, until, ["111122223333"], ["eu-west-1", "us-east-1"]) == [
        "\"account\" IN ('111122223333')", "\"region\" IN ('eu-west-1', 'us-east-1')", "\"timestamp\" >= '2026/10/30'", "\"timestamp\" <= '2026/11/03'"]  # fmt: skip
    assert daily.prune(since, until, [], [])[:1] == ["\"timestamp\" >= '2026/10/30'"]
    assert Partitions.of(dict.fromkeys(["dt"], "string"), {"date": "dt"}, "%Y-%m-%d").prune(since, until, ["1"], []) == [
        "\"dt\" >= '2026-10-30'",
        "\"dt\" <= '2026-11-03'",
    ]
    (parts_of,) = Partitions.of(dict.fromkeys(["region", "year", "month", "day"], "string"), {}).prune(since, until, [], [])
    assert parts_of == ("((\"year\" = '2026' AND \"month\" = '10' AND \"day\" IN ('30', '31')) OR "
                        "(\"year\" = '2026' AND \"month\" = '11' AND \"day\" IN ('01', '02', '03')))")  # fmt: skip
    assert Partitions.of(dict.fromkeys(["year", "month"], "string"), {}).prune(since, until, [], []) == [
        "((\"year\" = '2026' AND \"month\" = '10') OR (\"year\" = '2026' AND \"month\" = '11'))"
    ]
    typed = Partitions.of({"year": "int", "month": "int"}, {}).prune(since, since, [], [])
    assert typed == ['(("year" = 2026 AND "month" = 10))'], "a number is compared with a number"
    assert Partitions.of({"dt": "date"}, {}, "%Y-%m-%d").prune(since, until, [], [])[0] == "\"dt\" >= CAST('2026-10-30' AS DATE)"
    bare = Partitions.of({"year": "string", "month": "string"}, {}, unpadded=["month"])
    assert bare.values(moment("2026-01-05T00:00:00").date()) == {"year": "2026", "month": "1"}
    with pytest.raises(InvalidInput, match="not partitioned by it"):
        Partitions.of(dict.fromkeys(["region"], "string"), {"date": "dt"})
    with pytest.raises(ValueError, match="not a word"):
        daily.prune(since, until, ["1' OR '1"], [])
    query = question.ask(ends("athena")[1], "athena", [Handle("credential", "x")], SPAN, ["111122223333"], ["eu-west-1"])
    tests = " ".join(query.sql.partition("WHERE")[2].partition(")")[0].split())
    assert tests.startswith("\"account\" IN ('111122223333'"), query.sql


def test_a_table_that_is_not_laid_out_as_documented() -> None:
    with pytest.raises(InvalidInput, match="it has no eventid"):
        cloudtrail.layout("logs", "t", {"eventtime": "string"}, Partitions({}))
    with pytest.raises(InvalidInput, match="it has no insertid"):
        gcp_audit.layout("acme", "audit", "t", {"timestamp": "TIMESTAMP"})
    old = {
        **made.COLUMNS,
        "useridentity": made.COLUMNS["useridentity"].replace("onbehalfof:struct<userid:string,identitystorearn:string>,", ""),
    }
    layout = cloudtrail.layout("logs", "cloudtrail", old, Partitions({}))
    assert layout.lacks == {"delegation": "useridentity.onbehalfof.userid"}
    question.ask(layout, "athena", all_handles(layout), SPAN)
    assert "useridentity.sessioncontext.attributes.creationdate" in cloudtrail.leaves(old)
    trino = {"useridentity": "row(type varchar, sessioncontext row(sessionissuer row(arn varchar, username varchar)), arn varchar)"}
    assert {"useridentity.type", "useridentity.sessioncontext.sessionissuer.username", "useridentity.arn"} <= cloudtrail.leaves(trino)


def test_what_is_fetched_before_the_incident_is_the_first_of_each_kind() -> None:
    """A network of the owner shows by one event; of the incident itself every event is wanted."""
    house = made.Warehouse("athena")
    records = [record(n, "x", eventID=f"e{n}", eventTime=f"2026-11-{'01' if n < 50 else '20'}T00:{n % 50:02d}:00Z", sourceIPAddress=f"198.51.100.{n % 2}",
                      userAgent=f"aws-cli/{n % 3}") for n in range(100)]  # fmt: skip
    layout = house.cloudtrail(records)
    rows = [json.loads(layout.line(row)) for row in house.rows(question.ask(layout, "athena", [Handle("credential", "ASIAx")], SPAN))]
    before = [row for row in rows if row["eventTime"] < "2026-11-02"]
    assert len(rows) - len(before) == 50 and len(before) == 6
    assert {(row["sourceIPAddress"], row["userAgent"]) for row in before} == {(r["sourceIPAddress"], r["userAgent"]) for r in records}
    assert min(row["eventTime"] for row in before) == "2026-11-01T00:00:00Z"
    past = list(house.rows(question.ask(layout, "athena", [Handle("issuer_before", "arn:aws:iam::111122223333:role/x")], SPAN)))
    assert len(past) == 6
    first = [
        json.loads(layout.line(row))
        for row in house.rows(question.ask(layout, "athena", [Handle("address_first", f"198.51.100.{n}") for n in (0, 1)], SPAN))
    ]
    assert sorted(row["eventID"] for row in first) == ["e0", "e1"]

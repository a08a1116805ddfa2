"""BigQuery, against a stand-in that checks each request and answer by Google's discovery document: bytes before it runs, the ceiling, rows, and every fault."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError, EvictError
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse import question
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.engine import Query
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.layouts import gcp_audit
from ansible_collections.evict.cloud.plugins.module_utils.outside import bigquery, google_login, session
from ansible_collections.evict.cloud.plugins.module_utils.outside.bigquery import BigQuery
from tests.beds.vendors.bigquery import BigQuery as Google
from tests.beds.vendors.bigquery_duckdb import Runs

SQL = "SELECT n FROM `logs-1234.audit.events` WHERE actor = @actor"
WHEN = datetime.datetime.fromisoformat("2026-11-20T01:02:03.000004")
JOBS, INSERT = r"/bigquery/v2/projects/ir-1234/jobs", r"/jobs$"
GIB = 1024**3


class Clock:
    """``slept``: the pauses that were asked for, which pass at once."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(bigquery, "time", found)
    monkeypatch.setattr(session, "time", SimpleNamespace(sleep=lambda _seconds: None))
    return found


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: Clock) -> Iterator[Google]:
    google_login._credentials.cache_clear()
    with Google() as server:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(server.credentials(tmp_path / "sa.json")))
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        yield server
        assert server.violations == []


def engine(**more: Any) -> BigQuery:
    return BigQuery(more.pop("connection", {}), "ir-1234", more.pop("location", "EU"), **{"ceiling": GIB, **more})


def query(sql: str = SQL, *parameters: tuple[str, Any]) -> Query:
    return Query(sql, parameters or (("actor", "AKIAIOSFODNN7EXAMPLE"),), WHEN, WHEN, (), ())


def failure(run: Any) -> CloudError:
    with pytest.raises(CloudError) as caught:
        list(run)
    return caught.value


def estimated(asked: Query, **more: Any) -> Iterator[Any]:
    yield engine(**more).estimate(asked)


def field(name: str, kind: str, mode: str = "NULLABLE", *fields: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "type": kind, "mode": mode, **({"fields": list(fields)} if fields else {})}


# -- what it would read, and the ceiling ---------------------------------------------------------------------------------------------


def test_a_dry_run_says_the_bytes_and_makes_no_job(google: Google) -> None:
    google.scanned = 123_456_789_012
    found = engine().estimate(query())
    assert (found.scanned, found.how) == (123_456_789_012, "dry run")
    (asked,) = google.on("POST", JOBS)
    assert asked.body["configuration"]["dryRun"] is True and "maximumBytesBilled" not in asked.body["configuration"]["query"]
    assert google.jobs == {}


@pytest.mark.parametrize(("accuracy", "says"), [("LOWER_BOUND", "lower bound"), ("UNKNOWN", "does not know"), ("UPPER_BOUND", "dry run")])
def test_an_estimate_that_is_no_upper_bound_says_so(google: Google, accuracy: str, says: str) -> None:
    google.accuracy = accuracy
    assert says in engine().estimate(query()).how


def test_the_service_holds_the_ceiling_and_the_refusal_is_explained(google: Google) -> None:
    google.scanned = 3 * GIB
    error = failure(engine(ceiling=GIB).rows(query()))
    assert google.on("POST", JOBS)[0].body["configuration"]["query"]["maximumBytesBilled"] == str(GIB)
    assert error.code == "bytesBilledLimitExceeded" and not error.lost
    assert (
        "billed 3,221,225,472 bytes; 1,073,741,824 are left of the ceiling of 1,073,741,824" in error.message
        and "cost nothing" in error.message
    )
    assert "shorter window, fewer accounts or regions" in error.remedy and "raise the ceiling" in error.remedy
    assert len(google.jobs) == 1  # not tried again


def test_the_ceiling_is_for_all_queries_of_an_engine_together(google: Google) -> None:
    google.scanned, one = 600 * 1024**2, engine(ceiling=GIB)
    assert list(one.rows(query())) == [{"n": 1}]
    error = failure(one.rows(query()))
    assert error.code == "bytesBilledLimitExceeded" and "444,596,224 are left of the ceiling of 1,073,741,824" in error.message
    google.scanned = 400 * 1024**2
    assert list(one.rows(query())) == [{"n": 1}]
    google.scanned, one.ceiling = 0, one.billed
    error = failure(one.rows(query()))
    assert error.code == "bytesBilledLimitExceeded" and "0 are left" in error.message
    limits = [job["configuration"]["query"]["maximumBytesBilled"] for job in google.jobs.values()]
    assert limits == [str(GIB), str(GIB - 600 * 1024**2), str(GIB - 600 * 1024**2)]  # 0 would mean none


def test_the_ceiling_is_understood_at_any_status(google: Google) -> None:
    """Seen of the service as status 500, after which a request is sent again."""
    body = {"error": {"code": 500, "message": "Query exceeded limit for bytes billed: 1. 10485760 or higher required.",
                      "errors": [{"reason": "bytesBilledLimitExceeded", "message": "", "domain": "global"}]}}  # fmt: skip
    google.faults = [("POST", INSERT, (500, {}, body))] * 5
    error = failure(engine(ceiling=1).rows(query()))
    assert error.code == "bytesBilledLimitExceeded" and not error.lost and "10,485,760 bytes" in error.message


# -- parameters and rows -------------------------------------------------------------------------------------------------------------


def test_values_are_typed_parameters_and_never_text_of_the_statement(google: Google) -> None:
    hostile = "x' OR 1=1 --\n`\\ \u202e{{ 7*7 }}"
    given = (("actor", hostile), ("n", -5), ("since", WHEN), ("until", datetime.datetime.fromisoformat("2026-11-20T03:02:03.000004+02:00")))
    seen: dict[str, Any] = {}

    def runs(sql: str, values: dict[str, Any]) -> Any:
        seen.update(values)
        assert sql == "SELECT @actor, @n, @since, @until"
        return google.result

    google.runs = runs
    assert list(engine().rows(query("SELECT @actor, @n, @since, @until", *given))) == [{"n": 1}]
    moment = WHEN.replace(tzinfo=datetime.UTC)
    assert seen == {"actor": hostile, "n": -5, "since": moment, "until": moment}


ALL_FIELDS = [
    field("text", "STRING"), field("n", "INTEGER"), field("share", "FLOAT"), field("yes", "BOOLEAN"), field("at", "TIMESTAMP"), field("day", "DATE"),
    field("local", "DATETIME"), field("raw", "JSON"), field("keys", "STRING", "REPEATED"),
    field("who", "RECORD", "NULLABLE", field("arn", "STRING"), field("at", "TIMESTAMP")),
    field("seen", "RECORD", "REPEATED", field("ip", "STRING"), field("times", "TIMESTAMP", "REPEATED")),
]  # fmt: skip
FULL = (
    "é\u202e",
    -(2**63),
    0.25,
    False,
    WHEN,
    datetime.date(2026, 11, 20),
    WHEN,
    '{"a": 1}',
    ["x", ""],
    ("arn:x", WHEN),
    [("192.0.2.1", [WHEN]), (None, [])],
)
EMPTY = (None, None, None, None, None, None, None, None, [], None, [])
OLD = datetime.datetime.fromisoformat("1969-12-31T23:59:59.500000")


def test_every_type_null_nested_and_repeated(google: Google) -> None:
    google.result = (ALL_FIELDS, [FULL, EMPTY])
    full, empty = engine().rows(query())
    names = [one["name"] for one in ALL_FIELDS]
    assert full == dict(zip(names, FULL, strict=True)) | {
        "who": {"arn": "arn:x", "at": WHEN}, "seen": [{"ip": "192.0.2.1", "times": [WHEN]}, {"ip": None, "times": []}],
    }  # fmt: skip
    assert empty == dict(zip(names, EMPTY, strict=True))


@pytest.mark.parametrize("moment", [WHEN, OLD, datetime.datetime.fromisoformat("9999-12-31T23:59:59.999999")])
def test_a_timestamp_in_microseconds_or_in_seconds_is_the_same(google: Google, moment: Any) -> None:
    google.result = ([field("at", "TIMESTAMP")], [(moment,)])
    assert list(engine().rows(query())) == [{"at": moment}]
    asked = google.on("GET", "/queries/")[-1]
    assert asked.query["formatOptions.useInt64Timestamp"] == "true"
    google.knows_micros = False
    assert list(engine().rows(query())) == [{"at": moment}]


@pytest.mark.parametrize(
    ("fields", "cells"),
    [
        ([field("n", "INTEGER")], [{"v": "seven"}]),
        ([field("n", "INTEGER")], [{"v": 7}]),
        ([field("n", "INTEGER")], [{"v": "1"}, {"v": "2"}]),
        ([field("n", "INTEGER")], [{}]),
        ([field("n", "BOOLEAN")], [{"v": "perhaps"}]),
        ([field("n", "TIMESTAMP")], [{"v": "NaN"}]),
        ([field("n", "TIMESTAMP")], [{"v": "9" * 30}]),
        ([field("n", "GEOGRAPHY")], [{"v": "POINT(1 2)"}]),
        ([field("n", "RECORD", "NULLABLE", field("a", "STRING"))], [{"v": "text"}]),
        ([field("n", "STRING", "REPEATED")], [{"v": None}]),
    ],
)
def test_a_row_that_is_not_understood_is_an_error(google: Google, fields: Any, cells: Any) -> None:
    body = {"jobComplete": True, "totalRows": "1", "schema": {"fields": fields}, "rows": [{"f": cells}]}
    google.faults = [("GET", "/queries/", (200, {}, body))]
    assert failure(engine().rows(query())).code == "NotUnderstood"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", INSERT, {}),
        ("POST", INSERT, {"status": {"state": "MAYBE"}}),
        ("POST", INSERT, ["status"]),
        ("GET", "/queries/", {"jobComplete": False}),
        ("GET", "/queries/", {"jobComplete": True}),
        ("GET", "/queries/", {"jobComplete": True, "totalRows": "0"}),
        ("GET", "/queries/", {"jobComplete": True, "totalRows": "all", "schema": {"fields": []}}),
        ("GET", "/jobs/evict-", {"status": {"state": "DONE", "errorResult": ["?"]}}),
    ],
)
def test_an_answer_that_is_not_understood_is_an_error_and_no_empty_result(google: Google, method: str, path: str, body: Any) -> None:
    google.looks = 1
    google.faults = [(method, path, (200, {}, body))]
    error = failure(engine().rows(query()))
    assert error.code == "NotUnderstood" and error.lost and error.object == "ir-1234"


@pytest.mark.parametrize("body", [{}, {"statistics": {}}, {"statistics": {"totalBytesProcessed": "many"}}, {"statistics": None}])
def test_an_estimate_that_is_not_understood_is_an_error_and_no_zero(google: Google, body: Any) -> None:
    google.faults = [("POST", INSERT, (200, {}, body))]
    with pytest.raises(CloudError, match="could not be understood"):
        engine().estimate(query())


# -- pages ---------------------------------------------------------------------------------------------------------------------------


def test_pages_are_read_to_the_end(google: Google) -> None:
    google.page, google.result = 2, ([field("n", "INTEGER")], [(n,) for n in range(5)])
    assert [row["n"] for row in engine().rows(query())] == list(range(5))
    assert [asked.query.get("pageToken") for asked in google.on("GET", "/queries/")] == [None, "page-2", "page-4"]


def test_no_rows_are_no_error(google: Google) -> None:
    google.result = ([field("n", "INTEGER")], [])
    assert list(engine().rows(query())) == []


def test_rows_that_are_missing_at_the_end_are_an_error(google: Google) -> None:
    body = {"jobComplete": True, "totalRows": "3", "schema": {"fields": [field("n", "INTEGER")]}, "rows": [{"f": [{"v": "1"}]}]}
    google.faults = [("GET", "/queries/", (200, {}, body))]
    error = failure(engine().rows(query()))
    assert error.code == "Incomplete" and "1 of 3 rows" in error.message


def test_a_page_that_leads_back_to_itself_ends(google: Google) -> None:
    body = {"jobComplete": True, "totalRows": "9", "schema": {"fields": [field("n", "INTEGER")]}, "pageToken": "page-0"}
    google.faults = [("GET", "/queries/", (200, {}, body))] * 3
    assert failure(engine().rows(query())).code == "NotUnderstood"


def test_a_page_may_be_larger_than_other_answers(google: Google) -> None:
    long = "x" * 9_000_000
    google.result = ([field("raw", "STRING")], [(long,)])
    assert [len(row["raw"]) for row in engine().rows(query())] == [9_000_000]


# -- lost answers, and errors that pass -----------------------------------------------------------------------------------------------


def test_a_lost_answer_is_found_again_and_nothing_runs_twice(google: Google) -> None:
    google.faults = [("POST", INSERT, "lost")]
    google.hidden = 1  # and cannot be found at once
    assert list(engine().rows(query())) == [{"n": 1}]
    assert len(google.jobs) == 1 and len(google.on("POST", INSERT)) == 2


def test_when_every_answer_is_lost_the_job_is_looked_for(google: Google) -> None:
    google.faults = [("POST", INSERT, "lost")] * 5
    assert list(engine().rows(query())) == [{"n": 1}]
    assert len(google.jobs) == 1


def test_a_job_that_was_never_made_is_the_error_of_its_request(google: Google) -> None:
    google.faults = [("POST", INSERT, "reset")] * 5
    error = failure(engine().rows(query()))
    assert error.lost and "no answer" in error.message and "cancelled" not in error.message
    assert google.jobs == {}


@pytest.mark.parametrize(("method", "path"), [("POST", INSERT), ("GET", "/jobs/"), ("GET", "/queries/")])
def test_503_is_asked_again(google: Google, method: str, path: str) -> None:
    google.looks = 1
    google.faults = [(method, path, (503, {}, {"error": {"errors": [{"reason": "backendError"}]}}))] * 3
    assert list(engine().rows(query())) == [{"n": 1}]
    assert len(google.jobs) == 1


def test_a_503_that_stays_is_told_with_its_reason(google: Google) -> None:
    google.faults = [("GET", "/queries/", (503, {}, {"error": {"message": "Visibility", "errors": [{"reason": "backendError"}]}}))] * 9
    error = failure(engine().rows(query()))
    assert error.code == "backendError" and "Visibility" in error.message and "later" in error.remedy


def test_too_many_requests_are_slowed_down(google: Google, clock: Clock) -> None:
    refused = (403, {}, {"error": {"message": "Exceeded rate limits", "errors": [{"reason": "rateLimitExceeded"}]}})
    google.faults = [("POST", INSERT, refused)] * 2
    assert list(engine().rows(query())) == [{"n": 1}]
    assert clock.slept == [1.0, 2.0] and len(google.jobs) == 1


@pytest.mark.parametrize("reason", ["backendError", "jobBackendError", "jobInternalError", "rateLimitExceeded"])
def test_a_job_that_the_service_broke_off_is_run_again_under_another_id(google: Google, reason: str) -> None:
    google.ends = [(reason, "try again")] * 2
    assert list(engine().rows(query())) == [{"n": 1}]
    assert len(google.jobs) == 3


def test_a_job_that_is_broken_off_each_time_is_an_error(google: Google) -> None:
    google.ends = [("backendError", "try again")] * 3
    error = failure(engine().rows(query()))
    assert error.code == "backendError" and len(google.jobs) == 3


# -- what is explained -----------------------------------------------------------------------------------------------------------------


def test_who_may_not_run_jobs_is_told_which_permission(google: Google) -> None:
    google.may.remove("bigquery.jobs.create")
    for run in (engine().rows, estimated):
        error = failure(run(query()))
        assert (error.code, error.object, error.lost) == ("accessDenied", "ir-1234", False)
        assert "grant bigquery.jobs.create (roles/bigquery.jobUser) on ir-1234" in error.remedy
    assert google.on("POST", "/cancel") == []  # there is no job


def test_who_may_not_read_the_table_is_told_which_permission(google: Google) -> None:
    google.may.remove("bigquery.tables.getData")
    for run in (engine().rows, estimated):
        error = failure(run(query()))
        assert (error.code, error.object) == ("accessDenied", "logs-1234:audit.events")
        assert "grant bigquery.tables.getData (roles/bigquery.dataViewer) on logs-1234:audit.events" in error.remedy


def test_a_permission_that_the_service_names_is_the_one_that_is_said(google: Google) -> None:
    google.ends = [
        ("accessDenied", "Access Denied: Dataset a:b: Permission bigquery.datasets.get denied on dataset a:b (or it may not exist).")
    ]
    error = failure(engine().rows(query()))
    assert error.object == "a:b" and "grant bigquery.datasets.get on a:b" in error.remedy


def test_a_dataset_that_is_elsewhere(google: Google) -> None:
    for run in (engine(location="US").rows(query()), estimated(query(), location="US")):
        error = failure(run)
        assert (error.code, error.object) == ("notFound", "logs-1234:audit")
        assert "not found in location US" in error.message and "location is where the dataset lies" in error.remedy


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("quotaExceeded", "quota"),
        ("invalidQuery", "columns"),
        ("resourcesExceeded", "shorter window"),
        ("stopped", "cancelled"),
        ("newReason", ""),
    ],
)
def test_a_job_that_ends_with_an_error(google: Google, reason: str, remedy: str) -> None:
    google.looks, google.ends = 2, [(reason, "because \x1b[31m\u202e of it")]
    error = failure(engine().rows(query()))
    assert error.code == reason and remedy in error.remedy and "because \\x1b[31m\\u202e of it" in error.message
    assert len(google.jobs) == 1 and google.on("POST", "/cancel") == []


def test_a_refusal_without_a_reason_is_still_an_error(google: Google) -> None:
    google.faults = [("POST", INSERT, (401, {}, ["a proxy"]))]
    error = failure(engine().rows(query()))
    assert error.code == "Unauthorized" and "renew" in error.remedy


# -- time, and cancelling --------------------------------------------------------------------------------------------------------------


def test_a_job_is_looked_at_ever_more_rarely(google: Google, clock: Clock) -> None:
    google.looks = 12
    assert list(engine().rows(query())) == [{"n": 1}]
    assert clock.slept[:3] == [0.5, 0.75, 1.125] and max(clock.slept) == 8.0


def test_a_job_that_takes_too_long_is_cancelled_here_and_ended_by_the_service(google: Google) -> None:
    google.looks = 1000
    error = failure(engine(seconds=30.0).rows(query()))
    assert error.code == "Timeout" and "30 s" in error.message
    (job,) = google.jobs.values()
    assert job["configuration"]["jobTimeoutMs"] == "30000" and job["status"]["errorResult"]["reason"] == "stopped"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_whatever_comes_in_between_cancels_the_job(
    google: Google, clock: Clock, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    google.looks = 1000

    def sleep(_seconds: float) -> None:
        raise stop

    monkeypatch.setattr(clock, "sleep", sleep)
    with pytest.raises(stop):
        list(engine().rows(query()))
    assert [job["status"]["errorResult"]["reason"] for job in google.jobs.values()] == ["stopped"]


def test_a_reader_that_stops_early_leaves_no_job_that_runs(google: Google) -> None:
    google.looks, google.page, google.result = 2, 1, ([field("n", "INTEGER")], [(1,), (2,)])
    reading = engine().rows(query())
    assert next(reading) == {"n": 1}
    reading.close()
    assert google.states == ["DONE"] and len(google.on("GET", "/queries/")) == 1


def test_a_reader_that_never_starts_makes_no_job(google: Google) -> None:
    engine().rows(query()).close()
    assert google.jobs == {}


def test_a_job_that_cannot_be_cancelled_is_named(google: Google) -> None:
    google.looks = 1000
    google.faults = [("POST", "/cancel", (503, {}, {"error": {"errors": [{"reason": "backendError"}]}}))] * 5
    error = failure(engine(seconds=30.0).rows(query()))
    (name,) = google.jobs
    assert error.code == "Timeout" and f"job {name} could not be cancelled (backendError); it ends by itself" in error.message


# -- who asks, and where ---------------------------------------------------------------------------------------------------------------


def test_another_project_may_pay_and_the_address_is_checked(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    list(engine(connection={"quota_project": "pays-1234"}).rows(query()))
    assert {asked.headers["x-goog-user-project"] for asked in google.on("GET", "/bigquery/")} == {"pays-1234"}
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://bigquery.example.com")
    with pytest.raises(EvictError, match="no https URL"):
        engine()


def test_the_token_is_in_no_error(google: Google) -> None:
    google.ends = [("invalidQuery", "no")]
    error = failure(engine().rows(query()))
    assert google.tokens and not any(token in error.message + error.remedy for token in google.tokens)


# -- the question, run by DuckDB behind the service's face ----------------------------------------------------------------------------

_ENTRY = """
CREATE TABLE "logs-1234".audit.cloudaudit_googleapis_com_activity AS SELECT insertId, CAST(moment AS TIMESTAMPTZ) AS "timestamp", {
  'methodName': method, 'serviceName': 'iam.googleapis.com', 'authenticationInfo': {
    'principalEmail': email, 'serviceAccountKeyName': key,
    'serviceAccountDelegationInfo': CAST([{'principalSubject': delegated}] AS STRUCT(principalSubject VARCHAR)[])}
} AS protopayload_auditlog FROM (VALUES
  ('1', '2026-11-20 01:00:00+00', 'SignBlob', 'ci@p.iam.gserviceaccount.com', '//iam/keys/k1', 'nobody'),
  ('2', '2026-11-20 02:00:00+00', 'ListRoles', 'o''neill@example.com', NULL, 'serviceAccount:ci@p.iam.gserviceaccount.com'),
  ('3', '2026-11-20 03:00:00+00', 'Delete', 'bystander@example.com', '//iam/keys/k2', 'nobody'),
  ('4', '2026-12-20 01:00:00+00', 'SignBlob', 'ci@p.iam.gserviceaccount.com', '//iam/keys/k1', 'nobody')
) AS t (insertId, moment, method, email, key, delegated)
"""


def test_the_question_of_the_warehouse_gets_its_rows_by_the_way_of_the_api(google: Google) -> None:
    """Its fields, an estimate, two pages: the entries of the key and of who it was handed on to, in the span, and nobody else's."""
    database = duckdb.connect()
    database.execute("ATTACH ':memory:' AS \"logs-1234\"")
    database.execute('CREATE SCHEMA "logs-1234".audit')
    database.execute(_ENTRY)
    google.runs, google.page = Runs(database), 1
    since, until = (datetime.datetime.fromisoformat(f"2026-{month}-01T00:00:00") for month in ("11", "12"))
    paths = {
        row["field_path"]: row["data_type"] for row in engine().rows(gcp_audit.fields("logs-1234", "audit", gcp_audit.TABLES[0], since))
    }
    layout = gcp_audit.layout("logs-1234", "audit", gcp_audit.TABLES[0], paths)
    handles = [
        question.Handle("key_name", "k1"),
        question.Handle("actor", "o'neill@example.com"),
        question.Handle("delegation", "' OR 1=1 --"),
    ]
    asked = question.ask(layout, "bigquery", handles, question.Span(since, since, until))
    assert engine().estimate(asked).scanned == google.scanned
    entries = [json.loads(gcp_audit.line(row)) for row in engine().rows(asked)]
    assert sorted(entry["insertId"] for entry in entries) == ["1", "2"]
    assert "k1" not in google.runs.statements[-1] and "o'neill" not in google.runs.statements[-1]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"maximumBytesBilled": 5}, "no int64"),
        ({"maximumBytesBiled": "5"}, "unknown"),
        ({"useLegacySql": "false"}, "no boolean"),
        ({"queryParameters": [{"name": "a", "type": "STRING"}]}, "unknown"),
        ({"useLegacySql": True}, "legacy"),
        ({"query": 1}, "no string"),
    ],
)
def test_the_stand_in_refuses_what_the_discovery_document_does_not_have(google: Google, change: dict[str, Any], why: str) -> None:
    form = {"query": "SELECT 1", "useLegacySql": False, "parameterMode": "NAMED", "queryParameters": [], **change}
    with pytest.raises(CloudError):
        engine()._ask(
            "jobs.insert", "POST", "/jobs", {}, {"jobReference": {"projectId": "ir-1234", "jobId": "x"}, "configuration": {"query": form}}
        )
    (violation,) = google.violations
    assert why in violation and google.jobs == {}
    google.violations.clear()

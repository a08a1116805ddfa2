"""BigQuery's jobs as its discovery document (v2) has them: each request and each answer is checked against it. Errors and their texts: from Google's
documentation and what its client libraries look for.

Rows are given, or come from a DuckDB that runs the statement (``runs``)."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable
from typing import Any, ClassVar

from . import Asked, Problem, Route
from .discovery import Discovery
from .google import Google

_JOB, _PROJECT = r"([A-Za-z0-9_-]{1,1024})", r"([a-z0-9.:%A-Z-]+)"
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_MB = 1024 * 1024
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

Result = tuple[list[dict[str, Any]], list[tuple[Any, ...]]]  # the fields of the schema, and rows in their order


def refusal(status: int, reason: str, message: str) -> Problem:
    error = {"code": status, "message": message, "errors": [{"message": message, "domain": "global", "reason": reason}]}
    return Problem(status, {"error": error})


class BigQuery(Google):
    """``result``: what every query finds, unless ``runs`` (statement, {name: value}) is given. ``scanned``: bytes that a query reads (of the schema: ten megabytes, the least).

    ``looks``: so often a job is not over yet. ``ends``: [(reason, message)], what the next jobs end with; ``hidden``: so often a job is "not found" after it
    was made. ``may``: the caller's permissions.
    """

    ROUTES: ClassVar[list[Route]] = [
        ("POST", r"/token", "token", set()),
        ("POST", rf"/bigquery/v2/projects/{_PROJECT}/jobs", "insert", set()),
        ("GET", rf"/bigquery/v2/projects/{_PROJECT}/jobs/{_JOB}", "get", {"location"}),
        ("POST", rf"/bigquery/v2/projects/{_PROJECT}/jobs/{_JOB}/cancel", "cancel", {"location"}),
        ("GET", rf"/bigquery/v2/projects/{_PROJECT}/queries/{_JOB}", "results",
         {"location", "pageToken", "maxResults", "startIndex", "timeoutMs", "formatOptions.useInt64Timestamp"}),
    ]  # fmt: skip

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.discovery = Discovery("bigquery_v2.json")
        self.result: Result = ([{"name": "n", "type": "INTEGER", "mode": "NULLABLE"}], [(1,)])
        self.runs: Callable[[str, dict[str, Any]], Result] | None = None
        self.scanned, self.accuracy, self.looks, self.hidden, self.page = 1_000, "PRECISE", 0, 0, 100_000
        self.location, self.knows_micros = "EU", True
        self.may = {"bigquery.jobs.create", "bigquery.tables.getData"}
        self.ends: list[tuple[str, str]] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        self._left: dict[str, list[int]] = {}  # looks, and looks that do not find it
        self.found: dict[str, Result] = {}

    @property
    def states(self) -> list[str]:
        """Of the jobs, in the order in which they were made."""
        return [job["status"]["state"] for job in self.jobs.values()]

    def _checked(self, schema: str, body: dict[str, Any]) -> tuple[int, Any]:
        problems = self.discovery.problems(schema, body, asked=False)
        assert not problems, problems  # this file is wrong
        return 200, body

    def insert(self, asked: Asked, project: str) -> tuple[int, Any]:
        body = self.takes(asked, {"configuration"}, {"jobReference"})
        if problems := self.discovery.problems("Job", body, asked=True):
            raise self.wrong(asked, "; ".join(problems))
        reference, configuration = body.get("jobReference", {}), body["configuration"]
        if reference.get("projectId", project) != project or set(configuration) - {"query", "dryRun", "jobTimeoutMs"}:
            raise self.wrong(asked, "another project, or a configuration that is not here")
        if "bigquery.jobs.create" not in self.may:
            raise refusal(
                403,
                "accessDenied",
                f"Access Denied: Project {project}: User does not have bigquery.jobs.create permission in project {project}.",
            )
        query, dry = configuration["query"], configuration.get("dryRun", False)
        if query.get("useLegacySql", True):
            raise self.wrong(asked, "legacy SQL")
        values = self._values(asked, query)
        if missing := set(re.findall(r"@([A-Za-z_]\w*)", query["query"])) - set(values):
            raise refusal(400, "invalidQuery", f"Query parameter '{min(missing)}' not found at [1:1]")
        read = str(self._read(query["query"]))
        statistics: dict[str, Any] = {"totalBytesProcessed": read, "query": {"totalBytesProcessed": read, "statementType": "SELECT"}}
        location = reference.get("location", "US")
        job = {"kind": "bigquery#job", "configuration": {**configuration, "jobType": "QUERY"}, "statistics": statistics}
        if dry:
            self._run(query["query"], values, location)
            statistics["query"] |= {"totalBytesProcessedAccuracy": self.accuracy}
            return self._checked("Job", {**job, "jobReference": {"projectId": project, "location": location}, "status": {"state": "DONE"}})
        name = reference["jobId"]
        if name in self.jobs:
            raise refusal(409, "duplicate", f"Already Exists: Job {project}:{location}.{name}")
        full = {**job, "jobReference": {"projectId": project, "jobId": name, "location": location}, "status": {"state": "PENDING"}}
        self.jobs[name] = full
        self._left[name] = [self.looks, self.hidden]
        if not self.looks:
            self._over(name)
        return self._checked("Job", full)

    def _values(self, asked: Asked, query: dict[str, Any]) -> dict[str, Any]:
        """{name: value} of the parameters, each of the type that it says."""
        if query.get("parameterMode") != "NAMED":
            raise self.wrong(asked, "parameters by their order are not here")
        found: dict[str, Any] = {}
        for one in query.get("queryParameters", []):
            name, kind, text = one["name"], one["parameterType"], one["parameterValue"]["value"]
            if kind == {"type": "STRING"}:
                found[name] = text
            elif kind == {"type": "INT64"} and text.removeprefix("-").isdigit():
                found[name] = int(text)
            elif kind == {"type": "TIMESTAMP"} and _TIMESTAMP.fullmatch(text):
                found[name] = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
            else:
                raise self.wrong(asked, f"a parameter that is not what it says: {one}")
        return found

    def _run(self, sql: str, values: dict[str, Any], location: str) -> Result:
        if location != self.location:
            raise refusal(404, "notFound", f"Not found: Dataset logs-1234:audit was not found in location {location}")
        if "bigquery.tables.getData" not in self.may:
            raise refusal(403, "accessDenied", "Access Denied: Table logs-1234:audit.events: User does not have permission to query table "
                          "logs-1234:audit.events, or perhaps it does not exist.")  # fmt: skip
        return self.runs(sql, values) if self.runs else self.result

    def _read(self, sql: str) -> int:
        return 10 * _MB if "INFORMATION_SCHEMA" in sql else self.scanned

    def _over(self, name: str) -> None:
        """Run it: what fails now is the job's error, not the request's."""
        job = self.jobs[name]
        query = job["configuration"]["query"]
        if self.ends:
            reason, message = self.ends.pop(0)
            job["status"] = {"state": "DONE", "errorResult": {"reason": reason, "message": message}}
            return
        billed = max(10, -(-self._read(query["query"]) // _MB)) * _MB
        if int(query.get("maximumBytesBilled", billed)) < billed:
            message = f"Query exceeded limit for bytes billed: {query['maximumBytesBilled']}. {billed} or higher required."
            job["status"] = {"state": "DONE", "errorResult": {"reason": "bytesBilledLimitExceeded", "message": message}}
            return
        try:
            job["statistics"]["query"]["totalBytesBilled"] = str(billed)
            self.found[name] = self._run(query["query"], self._values(self.asked[-1], query), job["jobReference"]["location"])
            job["status"] = {"state": "DONE"}
        except Problem as problem:
            first = problem.body["error"]["errors"][0]
            job["status"] = {"state": "DONE", "errorResult": {"reason": first["reason"], "message": first["message"]}}

    def _job(self, asked: Asked, project: str, name: str) -> dict[str, Any]:
        job = self.jobs.get(name)
        if job and self._left[name][1]:
            self._left[name][1] -= 1
            job = None
        if not job or job["jobReference"]["location"] != asked.query.get("location", "US") or job["jobReference"]["projectId"] != project:
            raise refusal(404, "notFound", f"Not found: Job {project}:{name}")
        return job

    def get(self, asked: Asked, project: str, name: str) -> tuple[int, Any]:
        job = self._job(asked, project, name)
        if job["status"]["state"] != "DONE":
            job["status"] = {"state": "RUNNING"}
            self._left[name][0] -= 1
            if self._left[name][0] <= 0:
                self._over(name)
        return self._checked("Job", job)

    def cancel(self, asked: Asked, project: str, name: str) -> tuple[int, Any]:
        if asked.raw:
            raise self.wrong(asked, "a body")
        job = self._job(asked, project, name)
        if job["status"]["state"] != "DONE":
            message = "Job execution was cancelled: User requested cancellation"
            job["status"] = {"state": "DONE", "errorResult": {"reason": "stopped", "message": message}}
        return self._checked("JobCancelResponse", {"kind": "bigquery#jobCancelResponse", "job": job})

    def results(self, asked: Asked, project: str, name: str) -> tuple[int, Any]:
        job = self._job(asked, project, name)
        if job["status"]["state"] != "DONE":
            return self._checked(
                "GetQueryResultsResponse",
                {"kind": "bigquery#getQueryResultsResponse", "jobReference": job["jobReference"], "jobComplete": False},
            )
        if error := job["status"].get("errorResult"):
            raise refusal(400, error["reason"], error["message"])
        fields, rows = self.found[name]
        start = int(asked.query.get("pageToken", "page-0").removeprefix("page-"))
        end = start + min(self.page, int(asked.query.get("maxResults", self.page)))
        micros = self.knows_micros and asked.query.get("formatOptions.useInt64Timestamp") == "true"
        answer = {
            "kind": "bigquery#getQueryResultsResponse", "jobReference": job["jobReference"], "schema": {"fields": fields}, "jobComplete": True,
            "totalRows": str(len(rows)), "totalBytesProcessed": job["statistics"]["totalBytesProcessed"], "cacheHit": False,
        }  # fmt: skip
        if rows[start:end]:
            answer["rows"] = [_row(fields, row, micros) for row in rows[start:end]]
        return self._checked("GetQueryResultsResponse", answer | ({"pageToken": f"page-{end}"} if end < len(rows) else {}))


def _row(fields: list[dict[str, Any]], row: tuple[Any, ...], micros: bool) -> dict[str, Any]:
    return {"f": [{"v": _cell(field, value, micros)} for field, value in zip(fields, row, strict=True)]}


def _cell(field: dict[str, Any], value: Any, micros: bool) -> Any:
    """As the service writes it: everything is text, arrays hold cells, records are rows."""
    if field.get("mode") == "REPEATED":
        return [{"v": _cell({**field, "mode": "NULLABLE"}, item, micros)} for item in value or []]
    if value is None:
        return None
    if field["type"] == "RECORD":
        return _row(field["fields"], value, micros)
    if field["type"] == "TIMESTAMP":
        passed = (value.replace(tzinfo=datetime.UTC) - _EPOCH) // datetime.timedelta(microseconds=1)
        return str(passed) if micros else f"{decimal.Decimal(passed) / 1_000_000:E}".replace("E+", "E")
    return {"BOOLEAN": lambda v: "true" if v else "false", "DATETIME": lambda v: v.isoformat()}.get(field["type"], str)(value)

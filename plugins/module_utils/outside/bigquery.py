# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries of logs that lie in BigQuery (REST API v2): what one would read, before it runs; a ceiling that the service itself holds; rows."""

from __future__ import annotations

import contextlib
import time
import typing as t
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping

from ..common.errors import CloudError, EvictError
from ..common.plan import Call, Target
from ..common.warehouse.engine import Estimate
from . import bigquery_errors, session
from .bigquery_errors import Said
from .bigquery_forms import NOT_UNDERSTOOD, parameter, rows
from .kind import Connection, override, server

if t.TYPE_CHECKING:
    from ..common.warehouse.engine import Query

URL = "https://bigquery.googleapis.com"
_OVERRIDE = "BIGQUERY_EMULATOR_HOST"  # of Google's own client libraries
SECONDS = 600.0  # for one query
_FIRST, _LONGEST = 0.5, 8.0  # seconds between two looks at a job
_SLOWER = (1.0, 2.0, 4.0, 8.0)  # seconds before a request is sent again that came too fast
_FINDING = (1.0, 2.0, 4.0)  # seconds: a job that exists can be "not found" for a moment
_CANCELLING = 5.0  # seconds for the answer to a cancellation
_BROKEN_OFF = (2.0, 8.0)  # seconds before a query that the service broke off is run again
_ROWS = 10_000  # of a page; the service cuts it earlier where they are large
_BYTES = 64 * 1024 * 1024  # of a page as JSON


class BigQuery:
    """``warehouse.engine.Engine``. ``connection``: ``connection.gcp`` of the incident; ``project`` runs the jobs and pays; ``location``: of the dataset;

    ``ceiling``: bytes that all queries of it together may be billed; ``billed``: what they were so far; ``seconds``: for one query.
    """

    name = dialect = "bigquery"

    def __init__(self, connection: Connection, project: str, location: str, ceiling: int, seconds: float = SECONDS) -> None:
        self.connection, self.project, self.location, self.ceiling, self.seconds = connection, project, location, ceiling, seconds
        self.billed = 0
        self.url = override(connection, _OVERRIDE, project) or URL

    def estimate(self, query: Query) -> Estimate:
        """A dry run: it costs nothing, and reads nothing. Raises ``CloudError``."""
        reference = {"projectId": self.project, "location": self.location}
        answer = self._ask(
            "jobs.insert", "POST", "/jobs", {}, {"jobReference": reference, "configuration": {"dryRun": True, "query": _form(query)}}
        )
        with self._understood("jobs.insert"):
            statistics = answer["statistics"]
            exactness = str((statistics.get("query") or {}).get("totalBytesProcessedAccuracy"))
            how = {
                "LOWER_BOUND": "dry run, which the service calls a lower bound",
                "UNKNOWN": "dry run, whose exactness the service does not know",
            }
            return Estimate(int(statistics["totalBytesProcessed"]), how.get(exactness, "dry run"))

    def rows(self, query: Query) -> Iterator[dict[str, t.Any]]:
        """The job is over before the first row comes, so nothing has to be cancelled once there are rows. Raises ``CloudError``; all rows, or an error."""
        until = time.monotonic() + self.seconds
        for pause in (*_BROKEN_OFF, None):
            job = f"evict-{uuid.uuid4()}"  # another one each time: a job that failed stays failed
            failure = self._run(job, query, until)
            if failure is None:
                break
            if pause is None or failure.code not in bigquery_errors.BROKEN_OFF:
                raise failure
            time.sleep(pause)
        yield from self._pages(job)

    def _run(self, job: str, query: Query, until: float) -> CloudError | None:
        """Start it and wait until it is over; what it failed of. An exception cancels it; if we are killed, it ends after its time and within its ceiling."""
        if self.billed >= self.ceiling:
            raise self._explained("jobs.insert", "bytesBilledLimitExceeded", "")  # a limit of 0 would be none
        form = {**_form(query), "maximumBytesBilled": str(self.ceiling - self.billed)}
        reference = {"projectId": self.project, "location": self.location, "jobId": job}
        body = {"jobReference": reference, "configuration": {"jobTimeoutMs": str(int(self.seconds * 1000)), "query": form}}
        pause, started = _FIRST, True
        try:
            try:
                found = self._ask("jobs.insert", "POST", "/jobs", {}, body)
            except CloudError as error:
                started = error.lost or error.code == "duplicate"  # the id is ours alone: the answer to its first request was lost
                if not started:
                    raise
                found = self._find(job, error)
            while (status := self._status(found))["state"] != "DONE":
                if time.monotonic() > until:
                    raise CloudError(f"bigquery:jobs.get on {self.project}: the query took longer than {self.seconds:.0f} s", code="Timeout",
                                     object=self.project, operation="jobs.get", remedy=bigquery_errors.NARROW)  # fmt: skip
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST)
                found = self._get(job)
        except BaseException as error:
            if started:
                self._cancel(job, error)
            raise
        with self._understood("jobs.get"):
            self.billed += int(found.get("statistics", {}).get("query", {}).get("totalBytesBilled", 0))
        if not (result := status.get("errorResult")):
            return None
        with self._understood("jobs.get"):
            return self._explained("jobs.get", result["reason"], result.get("message") or "")

    def _find(self, job: str, error: CloudError) -> dict[str, t.Any]:
        """The job whose answer was lost. Raises ``error`` where there is none."""
        for pause in (*_FINDING, None):
            try:
                return self._get(job)
            except CloudError as missing:
                if missing.code != "notFound":
                    raise
            if pause:
                time.sleep(pause)
        raise error

    def _get(self, job: str) -> dict[str, t.Any]:
        return self._ask("jobs.get", "GET", f"/jobs{session.quoted(job)}", {"location": self.location})

    def _status(self, found: Mapping[str, t.Any]) -> dict[str, t.Any]:
        with self._understood("jobs.get"):
            status: dict[str, t.Any] = found["status"]
            if status["state"] not in ("PENDING", "RUNNING", "DONE"):
                raise ValueError("no such state")
            return status

    def _cancel(self, job: str, error: BaseException) -> None:
        try:
            self._ask("jobs.cancel", "POST", f"/jobs{session.quoted(job)}/cancel", {"location": self.location}, seconds=_CANCELLING)
        except EvictError as failed:
            code = getattr(failed, "code", "")
            if code == "notFound":  # it was never started
                return
            said = f"job {job} could not be cancelled ({code or 'error'}); it ends by itself after {self.seconds:.0f} s at most"
            if isinstance(error, EvictError):
                error.message += f"; {said}"
            else:
                error.add_note(said)

    def _pages(self, job: str) -> Iterator[dict[str, t.Any]]:
        query = {"location": self.location, "formatOptions.useInt64Timestamp": "true", "maxResults": str(_ROWS)}
        count, tokens = 0, {""}
        while True:
            answer = self._ask("jobs.getQueryResults", "GET", f"/queries{session.quoted(job)}", query)
            with self._understood("jobs.getQueryResults"):
                if answer["jobComplete"] is not True:
                    raise ValueError("a job that was over is not complete")
                page, total = rows(answer["schema"]["fields"], answer.get("rows", [])), int(answer["totalRows"])
                token = str(answer.get("pageToken") or "")
                if token in tokens and token:
                    raise ValueError("a page that leads back to itself")
            count += len(page)
            yield from page
            if not token:
                break
            tokens.add(token)
            query["pageToken"] = token
        if count != total:
            raise CloudError(f"bigquery:jobs.getQueryResults on project {self.project}: {count} of {total} rows came", code="Incomplete",
                             object=self.project, operation="jobs.getQueryResults", remedy="run the same command again")  # fmt: skip

    def _ask(
        self, operation: str, method: str, path: str, query: Mapping[str, str], body: t.Any = None, seconds: float = session.SECONDS
    ) -> dict[str, t.Any]:
        """One request. The same job is never made twice, so all of them may be repeated. An error has Google's reason as its code, where it gives one."""
        from . import google_login  # slow to import

        call = Call(Target("gcp", self.project), "bigquery", operation, {})
        at = f"/bigquery/v2/projects{session.quoted(self.project)}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        for pause in (*_SLOWER, None):
            headers = {"Authorization": f"Bearer {google_login.token(self.connection.get('impersonate_service_account'))}"}
            if self.connection.get("quota_project"):
                headers["x-goog-user-project"] = str(self.connection["quota_project"])
            said = Said()
            try:
                to = server(self.connection, self.project, headers, self.url)
                answer = session.request(
                    to, call, method, at, json_body=body, subject=self.project, explain=said, seconds=seconds, most=_BYTES
                )
            except CloudError as error:
                if pause is not None and said.reason == "rateLimitExceeded" and error.code == "Forbidden":  # the session repeats the others
                    time.sleep(pause)
                    continue
                if not said.reason:
                    raise
                raise self._explained(operation, said.reason, said.message, error.lost) from None
            with self._understood(operation):
                return answer.json()
        raise AssertionError("not reached")

    def _explained(self, operation: str, reason: str, message: str, lost: bool = False) -> CloudError:
        return bigquery_errors.explained(operation, self.project, reason, message, ceiling=self.ceiling, billed=self.billed, lost=lost)

    @contextlib.contextmanager
    def _understood(self, operation: str) -> Iterator[None]:
        """What cannot be read is no answer: nothing may be concluded from it."""
        try:
            yield
        except NOT_UNDERSTOOD as error:
            raise CloudError(f"bigquery:{operation} on {self.project}: could not be understood ({type(error).__name__})", code="NotUnderstood", lost=True,
                             object=self.project, operation=operation, remedy="check the address and what answers there, then run again") from None  # fmt: skip


def _form(query: Query) -> dict[str, t.Any]:
    """``JobConfigurationQuery``. Values are parameters, never text of the statement."""
    given = [parameter(name, value) for name, value in query.parameters]
    return {"query": query.sql, "useLegacySql": False, "parameterMode": "NAMED", "queryParameters": given}

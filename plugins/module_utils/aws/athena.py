# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Athena as an engine of a warehouse: a query is started, waited for and read page by page, and whatever happens here, it does not run on there."""

from __future__ import annotations

import contextlib
import time
import typing as t
from collections.abc import Iterator, Mapping

from ..common.errors import CloudError, EvictError, InvalidInput
from ..common.plan import Call, Target
from ..common.warehouse import dialect
from ..common.warehouse.engine import Estimate, Query
from . import athena_table
from .athena_table import Table
from .session import Aws

READS = ("athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults", "athena:StopQueryExecution")
ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "database": {"type": "str", "required": True},
    "table": {"type": "str", "required": True},
    "workgroup": {"type": "str", "default": "primary"},
    "output": {"type": "str"},
    "account": {"type": "str"},
    "region": {"type": "str"},
    "partitions": {"type": "dict", "default": {}},
    "date_format": {"type": "str"},
    "seconds": {"type": "int", "default": 1800},
}
_FIRST, _LONGEST = 0.5, 5.0  # seconds between two looks
_ROWS = 1000  # of a page: the most that Athena gives
_TEXT = 262_144  # bytes of a query
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
# What Athena says -> what to do about it.
_REMEDIES = (
    ("bytes scanned limit", "the workgroup's own limit of bytes for a query is lower than ceiling: narrow accounts, regions, start and end, or use another"
                            " workgroup"),
    ("output location", "give athena.output (s3://bucket/prefix/), or a workgroup that has a location for results"),
    ("output bucket", "give athena.output (s3://bucket/prefix/) in a bucket that exists and that the responder may write to"),
    ("workgroup", "check athena.workgroup: it has to exist in this account and region, and be enabled"),
    ("access denied", "the responder needs s3:GetObject on the log's bucket and s3:PutObject on the output, and the keys of both; see docs/permissions"),
    ("hive_cursor_error", "an object in the table's place cannot be read: restore it if it is archived, or narrow start and end"),
    ("exhausted resources", "narrow accounts, regions, start and end"),
)  # fmt: skip


class Athena:
    """``warehouse.engine.Engine``. ``options``: those of ARGUMENTS, of the module's option ``athena``."""

    name = dialect = "athena"

    def __init__(self, aws: Aws, options: Mapping[str, t.Any]) -> None:
        if problems := athena_table.names((options["database"], options["table"])):
            raise InvalidInput("athena", problems)
        self._aws, self._options = aws, options
        self._target = Target("aws", options["account"] or "", options["region"] or "")
        self.table = Table(aws, self._target, options["database"], options["table"], options["partitions"], options["date_format"] or "")

    def estimate(self, query: Query) -> Estimate:
        return self.table.estimate(query)

    def rows(self, query: Query) -> Iterator[dict[str, t.Any]]:
        """Raises ``CloudError``; what it fails of is explained."""
        execution = self._start(query)
        ended = False
        try:
            status = self._wait(execution)
            ended = True
            if status["State"] != "SUCCEEDED":
                raise self._failed(execution, status)
            yield from self._pages(execution)
        finally:
            if not ended:
                with contextlib.suppress(EvictError):
                    self._send(Call(self._target, "athena", "StopQueryExecution", {"QueryExecutionId": execution}))

    def _start(self, query: Query) -> str:
        if len(query.sql.encode()) > _TEXT:
            raise CloudError(
                f"a query of more than {_TEXT} bytes", code="TooLong", object=self._options["table"], operation="athena:StartQueryExecution"
            )
        asked: dict[str, t.Any] = {
            "QueryString": query.sql, "QueryExecutionContext": {"Database": self._options["database"]}, "WorkGroup": self._options["workgroup"],
            "ExecutionParameters": [dialect.literal(value, self.dialect) for _name, value in query.parameters],
        }  # fmt: skip
        if self._options["output"]:
            asked["ResultConfiguration"] = {"OutputLocation": self._options["output"]}
        return str(self._send(Call(self._target, "athena", "StartQueryExecution", asked))["QueryExecutionId"])

    def _wait(self, execution: str) -> dict[str, t.Any]:
        deadline, pause = time.monotonic() + self._options["seconds"], _FIRST
        while True:
            status: dict[str, t.Any] = self._send(Call(self._target, "athena", "GetQueryExecution", {"QueryExecutionId": execution}))[
                "QueryExecution"
            ]["Status"]
            if status["State"] in _ENDED:
                return status
            if time.monotonic() + pause > deadline:
                raise CloudError(f"athena: query {execution} took longer than {self._options['seconds']} s and was stopped", code="Timeout",
                                 object=execution, operation="athena:GetQueryExecution", remedy="narrow accounts, regions, start and end, or give it more"
                                 " time (athena.seconds)")  # fmt: skip
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST)

    def _failed(self, execution: str, status: Mapping[str, t.Any]) -> CloudError:
        said = str((status.get("AthenaError") or {}).get("ErrorMessage") or status.get("StateChangeReason") or "no reason given")[:500]
        state = str(status["State"]).lower()
        return CloudError(f"athena: query {execution} was {state}: {said}", code=str(status["State"]), object=execution, operation="athena:StartQueryExecution",
                          remedy=_remedy(said))  # fmt: skip

    def _pages(self, execution: str) -> Iterator[dict[str, t.Any]]:
        asked: dict[str, t.Any] = {"QueryExecutionId": execution, "MaxResults": _ROWS}
        first, tokens = True, {""}
        while True:
            answer = self._send(Call(self._target, "athena", "GetQueryResults", asked))
            found = answer["ResultSet"]
            names = [str(one["Name"]) for one in found["ResultSetMetadata"]["ColumnInfo"]]
            rows = [[cell.get("VarCharValue") for cell in row.get("Data", [])] for row in found.get("Rows", [])]
            for row in rows[1:] if first and rows and rows[0] == names else rows:  # the first row of all are the names
                yield dict(zip(names, row, strict=True))
            first, token = False, str(answer.get("NextToken") or "")
            if not token:
                return
            if token in tokens:
                raise CloudError(f"athena: a page of query {execution} leads back to itself: not all rows came", code="NotUnderstood", object=execution,
                                 operation="athena:GetQueryResults", remedy="run the same command again")  # fmt: skip
            tokens.add(token)
            asked["NextToken"] = token

    def _send(self, call: Call) -> dict[str, t.Any]:
        try:
            return self._aws.call(call)
        except CloudError as error:
            if not error.remedy:
                error.remedy = _remedy(error.message)
            raise


def _remedy(said: str) -> str:
    return next((remedy for words, remedy in _REMEDIES if words in said.lower()), "")

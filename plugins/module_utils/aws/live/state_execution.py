# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Step Functions executions (T1648): they run under the state machine's role, for up to a year. Only the log says who started one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..each import each
from .kind import Event, Live, Suspects, ended, named, states

KIND = "state_execution"
NOUN = "Step Functions executions"
ACCESS = "Step Functions execution"
LISTED = False
EVENTS: frozenset[tuple[str, str]] = frozenset({("states.amazonaws.com", "StartExecution"), ("states.amazonaws.com", "RedriveExecution")})
READS: tuple[str, ...] = ("stepfunctions:DescribeExecution",)
_RUNNING = ("RUNNING", "PENDING_REDRIVE")
_ABSENT = ("ExecutionDoesNotExist",)


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Executions that the log names and that have not ended; those of express workflows end within five minutes and cannot be described."""
    logged = named(who, started, "executionArn")

    def one(name: str) -> Iterator[Live]:
        try:
            answer = reader.get(Call(target, "stepfunctions", "DescribeExecution", {"executionArn": name}))
        except CloudError as error:
            if error.code in _ABSENT or ":express:" in name:
                return
            raise
        if answer.get("status") in _RUNNING:
            yield Live(target, name, logged[name].arn, f"execution {name}")

    return each(logged, one)


def steps(live: Live) -> Iterator[Step]:
    """Stopped; what it has set going by then goes on by itself."""
    one = Call(live.target, "stepfunctions", "DescribeExecution", {"executionArn": live.id})
    probe = Probe(one, (states("executionArn", live.id, "status", _RUNNING), "executionArn"), _ABSENT)
    do = Call(live.target, "stepfunctions", "StopExecution", {"executionArn": live.id, "cause": "incident response"})
    yield ended(live, KIND, do, probe, "a stopped execution is started anew, not resumed")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Step Functions executions (T1648): they run under the state machine's role, for up to a year. Only the log says who started one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .. import began
from ..each import each
from ..principal import Principal
from .kind import Event, Live, Suspects, ended, field, named, states

KIND = "state_execution"
NOUN = "Step Functions executions"
ACCESS = "Step Functions execution"
LISTED = False
_START, _REDRIVE = "StartExecution", "RedriveExecution"
EVENTS: frozenset[tuple[str, str]] = frozenset(("states.amazonaws.com", name) for name in (_START, _REDRIVE))
READS: tuple[str, ...] = ("stepfunctions:DescribeExecution",)
_RUNNING = ("RUNNING", "PENDING_REDRIVE")
_ABSENT = ("ExecutionDoesNotExist",)
_OTHER = (
    "a suspect redrove it once, and what runs did not begin then; if it is the suspect's all the same: aws stepfunctions stop-execution"
)


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Executions that the log names and that have not ended; those of express workflows end within five minutes and cannot be described.

    The answer to a redrive does not name the execution. One that somebody else started is the suspect's while the suspect's redrive runs.
    """
    events = [event for event in started if not event.get("errorCode")]
    logged = named(who, (event for event in events if event.get("eventName") == _START), "executionArn")
    redriven: dict[str, list[tuple[Event, Principal]]] = {}
    for event in events:
        name, caller = field(event.get("requestParameters"), "executionArn"), who.caller(event)
        if event.get("eventName") == _REDRIVE and name and caller:
            redriven.setdefault(name, []).append((event, caller))

    def one(name: str) -> Iterator[Live]:
        try:
            answer = reader.get(Call(target, "stepfunctions", "DescribeExecution", {"executionArn": name}))
        except CloudError as error:
            if error.code in _ABSENT or ":express:" in name:
                return
            raise
        if answer.get("status") not in _RUNNING:
            return
        if name in logged:
            yield Live(target, name, logged[name].arn, f"execution {name}")
            return
        since = answer.get("redriveDate")
        whose = next((caller for event, caller in redriven[name] if began.with_call(event, since)), None)
        mine = {"redriveDate": since} if whose else {}
        yield Live(target, name, (whose or redriven[name][-1][1]).arn, f"execution {name}", mine, "" if whose else _OTHER)

    return each(dict.fromkeys([*logged, *redriven]), one)


def steps(live: Live) -> Iterator[Step]:
    """Stopped; what it has set going by then goes on by itself. A redrive that somebody else begins later is not what the probe sees."""
    one = Call(live.target, "stepfunctions", "DescribeExecution", {"executionArn": live.id})
    since = {"redriveDate": live.data["redriveDate"]} if "redriveDate" in live.data else {}
    running = [{**state, **since} for state in states("executionArn", live.id, "status", _RUNNING)]
    probe = Probe(one, (running, "executionArn"), _ABSENT)
    do = Call(live.target, "stepfunctions", "StopExecution", {"executionArn": live.id, "cause": "incident response"})
    yield ended(live, KIND, do, probe, "a stopped execution is started anew, not resumed")

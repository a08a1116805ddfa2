# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudFormation StackSet operations (T1648): they write into many accounts, with the execution roles there. Only the log says who began one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..each import each
from .kind import Event, Live, Suspects, ended, field, states

KIND = "stack_set"
NOUN = "StackSet operations"
ACCESS = "StackSet operation"
LISTED = False
EVENTS: frozenset[tuple[str, str]] = frozenset(
    ("cloudformation.amazonaws.com", name)
    for name in ("CreateStackInstances", "UpdateStackInstances", "DeleteStackInstances", "UpdateStackSet", "ImportStacksToStackSet")
)
READS: tuple[str, ...] = ("cloudformation:DescribeStackSetOperation",)
_RUNNING = ("QUEUED", "RUNNING")
_ABSENT = ("StackSetNotFoundException", "OperationNotFoundException")


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Operations that the log names and that have not ended."""

    def one(event: Event) -> Iterator[Live]:
        given, run = event.get("requestParameters"), field(event.get("responseElements"), "operationId")
        name, principal = field(given, "stackSetName"), who.caller(event)
        if not (name and run and principal):
            return
        asked = {"set": name, "as": field(given, "callAs")}
        if reader.read(_probe(target, run, asked)):
            yield Live(target, run, principal.arn, f"operation {run} of StackSet {name} in {target.region}", asked)

    return each(started, one)


def _one(run: str, asked: Mapping[str, str]) -> dict[str, str]:
    """As whom it was begun: a delegated administrator has to say so each time."""
    return {"StackSetName": asked["set"], "OperationId": run} | ({"CallAs": asked["as"]} if asked["as"] else {})


def _probe(target: Target, run: str, asked: Mapping[str, str]) -> Probe:
    path = ("StackSetOperation", states("OperationId", run, "Status", _RUNNING), "OperationId")
    return Probe(Call(target, "cloudformation", "DescribeStackSetOperation", _one(run, asked)), path, _ABSENT)


def steps(live: Live) -> Iterator[Step]:
    """Stopped: what has not begun is not begun. Stacks that it has written by then stay."""
    do = Call(live.target, "cloudformation", "StopStackSetOperation", _one(live.id, live.data))
    yield ended(live, KIND, do, _probe(live.target, live.id, live.data), "a stopped operation is begun anew, not resumed")

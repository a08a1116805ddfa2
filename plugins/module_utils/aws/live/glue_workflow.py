# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue workflow runs (T1648): a run starts job after job, also when the first has been stopped. AWS does not say who started one, so the log has to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..each import each
from .kind import Event, Live, Suspects, ended, field, states

KIND = "glue_workflow"
NOUN = "Glue workflow runs"
ACCESS = "Glue workflow run"
LISTED = False
EVENTS: frozenset[tuple[str, str]] = frozenset({("glue.amazonaws.com", "StartWorkflowRun")})
READS: tuple[str, ...] = ("glue:GetWorkflowRun",)
_RUNNING = ("RUNNING",)
_ABSENT = ("EntityNotFoundException",)


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Runs that the log names and that have not ended."""

    def one(event: Event) -> Iterator[Live]:
        name, run = field(event.get("requestParameters"), "name"), field(event.get("responseElements"), "runId")
        principal = who.caller(event)
        if name and run and principal and reader.read(_probe(target, name, run)):
            yield Live(target, run, principal.arn, f"Glue workflow run {name}/{run} in {target.region}", {"workflow": name})

    return each(started, one)


def _probe(target: Target, name: str, run: str) -> Probe:
    path = ("Run", states("WorkflowRunId", run, "Status", _RUNNING), "WorkflowRunId")
    return Probe(Call(target, "glue", "GetWorkflowRun", {"Name": name, "RunId": run}), path, _ABSENT)


def steps(live: Live) -> Iterator[Step]:
    """Stopped: nothing further is started. What it has started is ended where the log or its service names it."""
    one = {"Name": live.data["workflow"], "RunId": live.id}
    do, probe = Call(live.target, "glue", "StopWorkflowRun", one), _probe(live.target, live.data["workflow"], live.id)
    yield ended(live, KIND, do, probe, "a stopped workflow run is started anew, not resumed")

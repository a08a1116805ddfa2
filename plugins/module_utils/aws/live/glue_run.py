# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue job runs (T1648): AWS does not say who started one, so the log has to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..each import each
from .kind import Event, Live, Suspects, ended, field, states

KIND = "glue_run"
NOUN = "Glue job runs"
ACCESS = "Glue job run"
LISTED = False
EVENTS: frozenset[tuple[str, str]] = frozenset({("glue.amazonaws.com", "StartJobRun")})
READS: tuple[str, ...] = ("glue:GetJobRun",)
_RUNNING = ("STARTING", "RUNNING", "WAITING")
_ABSENT = ("EntityNotFoundException",)  # its job has been deleted since


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Runs that the log names and that have not ended."""

    def one(event: Event) -> Iterator[Live]:
        job, run, principal = (
            field(event.get("requestParameters"), "jobName"),
            field(event.get("responseElements"), "jobRunId"),
            who.caller(event),
        )
        if not (job and run and principal):
            return
        state = reader.read(Probe(Call(target, "glue", "GetJobRun", {"JobName": job, "RunId": run}), ("JobRun", "JobRunState"), _ABSENT))
        if state in _RUNNING:
            yield Live(target, run, principal.arn, f"Glue job run {job}/{run} in {target.region}", {"job": job})

    return each(started, one)


def steps(live: Live) -> Iterator[Step]:
    """Stopped; what it has written by then stays."""
    one = {"JobName": live.data["job"], "RunId": live.id}
    probe = Probe(Call(live.target, "glue", "GetJobRun", one), ("JobRun", states("Id", live.id, "JobRunState", _RUNNING), "Id"), _ABSENT)
    do = Call(live.target, "glue", "BatchStopJobRun", {"JobName": live.data["job"], "JobRunIds": [live.id]})
    yield ended(live, KIND, do, probe, "a stopped run is started anew, not resumed")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Batch jobs (T1496.001): AWS does not say who submitted one, so the log has to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import Event, Live, Suspects, ended, named, states

KIND = "batch_job"
NOUN = "Batch jobs"
ACCESS = "Batch job"
LISTED = False
EVENTS: frozenset[tuple[str, str]] = frozenset({("batch.amazonaws.com", "SubmitJob")})
READS: tuple[str, ...] = ("batch:DescribeJobs",)
_RUNNING = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
_ENDED = ("isTerminated", "isCancelled")  # a job keeps its status until its container has stopped, which takes 30 s or so


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> list[Live]:
    """Jobs that the log names and that have not ended."""
    logged = named(who, started, "jobId")
    names, lives = sorted(logged), []
    for start in range(0, len(names), 100):
        for job in reader.get(Call(target, "batch", "DescribeJobs", {"jobs": names[start : start + 100]})).get("jobs", []):
            name = str(job.get("jobId"))
            if name in logged and job.get("status") in _RUNNING and not any(job.get(flag) for flag in _ENDED):
                lives.append(Live(target, name, logged[name].arn, f"Batch job {name} ({job.get('jobName', '?')}) in {target.region}"))
    return lives


def steps(live: Live) -> Iterator[Step]:
    """Terminated, or cancelled where it has not begun. That AWS has taken the order counts: the container is given its time to stop."""
    running = [
        {**one, _ENDED[0]: terminated, _ENDED[1]: cancelled}
        for one in states("jobId", live.id, "status", _RUNNING)
        for terminated in (False, None)  # None: AWS did not say
        for cancelled in (False, None)
    ]
    probe = Probe(Call(live.target, "batch", "DescribeJobs", {"jobs": [live.id]}), ("jobs", running, "jobId"))
    do = Call(live.target, "batch", "TerminateJob", {"jobId": live.id, "reason": "incident response"})
    yield ended(live, KIND, do, probe, "its container has some 30 s to stop in; a terminated job is submitted anew, not resumed")

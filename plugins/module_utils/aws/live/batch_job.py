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


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> list[Live]:
    """Jobs that the log names and that have not ended."""
    logged = named(who, started, "jobId")
    names, lives = sorted(logged), []
    for start in range(0, len(names), 100):
        for job in reader.get(Call(target, "batch", "DescribeJobs", {"jobs": names[start : start + 100]})).get("jobs", []):
            name = str(job.get("jobId"))
            if name in logged and job.get("status") in _RUNNING:
                lives.append(Live(target, name, logged[name].arn, f"Batch job {name} ({job.get('jobName', '?')}) in {target.region}"))
    return lives


def steps(live: Live) -> Iterator[Step]:
    """Terminated, or cancelled where it has not begun."""
    probe = Probe(
        Call(live.target, "batch", "DescribeJobs", {"jobs": [live.id]}), ("jobs", states("jobId", live.id, "status", _RUNNING), "jobId")
    )
    do = Call(live.target, "batch", "TerminateJob", {"jobId": live.id, "reason": "incident response"})
    yield ended(live, KIND, do, probe, "a terminated job is submitted anew, not resumed")

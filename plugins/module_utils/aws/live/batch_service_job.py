# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Batch service jobs (T1496.001): Batch starts them in SageMaker. AWS does not say who submitted one, so the log has to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..each import each
from .kind import Event, Live, Suspects, ended, named, states

KIND = "batch_service_job"
NOUN = "Batch service jobs"
ACCESS = "Batch service job"
LISTED = False
EVENTS: frozenset[tuple[str, str]] = frozenset({("batch.amazonaws.com", "SubmitServiceJob")})
READS: tuple[str, ...] = ("batch:DescribeServiceJob",)
_RUNNING = ("SUBMITTED", "PENDING", "RUNNABLE", "SCHEDULED", "STARTING", "RUNNING")


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Jobs that the log names and that have not ended."""
    logged = named(who, started, "jobId")

    def one(name: str) -> Iterator[Live]:
        if reader.read(_probe(target, name)):
            yield Live(target, name, logged[name].arn, f"Batch service job {name} in {target.region}")

    return each(logged, one)


def _probe(target: Target, name: str) -> Probe:
    """It keeps its status until SageMaker has stopped; a job that has been told to terminate is ended. None: AWS did not say."""
    running = [{**one, "isTerminated": told} for one in states("jobId", name, "status", _RUNNING) for told in (False, None)]
    return Probe(Call(target, "batch", "DescribeServiceJob", {"jobId": name}), (running, "jobId"))


def steps(live: Live) -> Iterator[Step]:
    """Terminated, or cancelled where it has not begun."""
    do = Call(live.target, "batch", "TerminateServiceJob", {"jobId": live.id, "reason": "incident response"})
    yield ended(live, KIND, do, _probe(live.target, live.id), "a terminated job is submitted anew, not resumed")

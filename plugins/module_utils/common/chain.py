# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of work: phases within one principal, no barrier between principals, fences before everything."""

from __future__ import annotations

import dataclasses
import threading
import typing as t
from collections.abc import Callable, Iterable

from . import plan
from .errors import EvictError
from .plan import Phase, Step
from .reader import Reader

if t.TYPE_CHECKING:
    from .run import Runner

FENCE_FIRST = 0  # priority of what leads to a fence; everything else queues behind it
READ_BACK = 90


@dataclasses.dataclass(frozen=True)
class Job:
    """A verb applied to one principal: ``make`` reads live state through the Reader and yields Steps. ``priority`` defaults to the phase."""

    phase: Phase
    make: Callable[[Reader], Iterable[Step]]
    name: str = ""


class Chain:
    """The jobs of one principal, phase after phase."""

    def __init__(
        self, runner: Runner, principal: str, account: str, phases: list[list[Job]], finished: Callable[[Reader], None] | None
    ) -> None:
        self.runner, self.principal, self.account, self.phases, self.finished = runner, principal, account, phases, finished
        self.reader = Reader(runner.clouds)
        self.steps: list[Step] = []
        self._open = 0
        self._lock = threading.Lock()

    def next(self) -> None:
        if not self.phases:
            self.runner.pool.submit(READ_BACK, self.account, self._read_back)
            return
        jobs, self.phases = self.phases[0], self.phases[1:]
        self._open = len(jobs)
        for job in jobs:
            self.runner.pool.submit(self._priority(job), self.account, lambda job=job: self._plan(job))  # type: ignore[misc]

    @staticmethod
    def _priority(job: Job) -> int:
        return FENCE_FIRST + 1 if job.phase == Phase.FENCE else int(job.phase)

    def _plan(self, job: Job) -> None:
        try:
            steps = self.runner.begin(list(job.make(self.reader)))
        except EvictError as error:
            self.runner.fail(error, self.principal)
            steps = []
        with self._lock:
            self.steps += steps
            self._open += len(steps)
        self._schedule(steps, self._priority(job))
        self._closed_one()

    def _schedule(self, steps: list[Step], priority: int) -> None:
        """Independent steps side by side; one that needs another of this job comes after it, in the same task."""
        tasks: list[list[Step]] = []
        for step in steps:
            needed = {*step.needs, *(ref.step for action in step.do for ref in plan.refs(action))}
            before = [task for task in tasks if any(s.id in needed for s in task)]
            tasks = [task for task in tasks if task not in before] + [[*(s for task in before for s in task), step]]
        for task in tasks:
            self.runner.pool.submit(priority, self.account, lambda task=task: self._do(task))  # type: ignore[misc]

    def _do(self, task: list[Step]) -> None:
        for step in task:
            self.runner.run_step(step)
            self._closed_one()

    def _closed_one(self) -> None:
        with self._lock:
            self._open -= 1
            last = self._open == 0
        if last:
            self.next()

    def _read_back(self) -> None:
        reader = self.runner.read_back(self.steps)
        if self.finished:
            self.finished(reader)

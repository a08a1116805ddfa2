# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds a principal where no service control policy does, or its own deny found no space: AWSDenyAll, attached or as its boundary."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Callable, Iterable

from ..common.chain import Job
from ..common.plan import Step
from ..common.reader import Reader
from ..common.run import STANDS, Done
from . import deny_all
from .principal import Principal
from .space import FULL
from .tag_fence import BESIDE

if t.TYPE_CHECKING:
    from .respond import Response


class NextBest:
    """One run's. ``whole``: whether a principal is denied everything; to whom less is denied, AWSDenyAll is never given."""

    def __init__(self, run: Response, whole: Callable[[Principal], bool]) -> None:
        self._runner, self._incident, self._whole = run.runner, run.incident, whole
        self._lock = threading.Lock()
        self._given: set[str] = set()

    def again(self) -> None:
        """Whoever is given it from now on is looked at anew."""
        with self._lock:
            self._given.clear()

    def inline_full(self, principal: Principal) -> bool:
        """Whether there was no space for its own deny."""
        done = self._runner.done.get(f"{principal.arn}#policy/{self._incident.policy_name('quarantine')}")
        return bool(done and done.status == "failed" and done.code == FULL)

    def give(self, principal: Principal) -> None:
        """Once."""
        with self._lock:
            if principal.arn in self._given or not self._whole(principal):
                return
            self._given.add(principal.arn)
        full = self.inline_full(principal)  # then nothing of ours is in it, and two things to remove are two of these

        def attach(reader: Reader) -> Iterable[Step]:
            room = not deny_all.full(principal, reader)
            if room:
                yield from deny_all.attach(principal, self._incident.id, reader)
            if full or not room:
                yield from self._boundary(principal, reader)

        def attached(_reader: Reader) -> None:
            done = self._runner.done.get(deny_all.attached_id(principal))
            if done and done.status == "failed" and done.code == FULL:
                self._runner.add(principal.arn, principal.account, [Job(BESIDE, lambda r: self._boundary(principal, r))])

        self._runner.add(principal.arn, principal.account, [Job(BESIDE, attach)], attached)

    def _boundary(self, principal: Principal, reader: Reader) -> Iterable[Step]:
        return deny_all.boundary(principal, self._incident.id, reader)

    def done_of(self, principal: Principal) -> list[Done]:
        """The Steps of it that stand."""
        done = [self._runner.done.get(i) for i in (deny_all.attached_id(principal), deny_all.boundary_id(principal))]
        return [d for d in done if d and d.status in STANDS]

    def controls(self, principal: Principal) -> list[str]:
        """AWSDenyAll | boundary."""
        names = {deny_all.attached_id(principal): deny_all.NAME, deny_all.boundary_id(principal): "boundary"}
        return [names[done.step.id] for done in self.done_of(principal)]

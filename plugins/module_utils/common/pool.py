# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thread pool with priorities and a bound per account, since clouds throttle per account and fences may not queue behind snapshots."""

from __future__ import annotations

import heapq
import itertools
import threading
import typing as t
from collections.abc import Callable, Mapping

from .errors import InvalidInput

Task = Callable[[], None]


def at_least_one(params: Mapping[str, t.Any], *names: str) -> None:
    """``InvalidInput`` for a number of threads with which nothing would ever be done."""
    if problems := [
        (name, f"must be 1 or more, not {params[name]}") for name in names if params.get(name) is not None and params[name] < 1
    ]:
        raise InvalidInput("an option was refused", problems)


class Pool:
    """``threads`` workers; the lowest priority number runs first; at most ``per_account`` tasks of one account at a time.

    One account alone may use every thread: the bound only keeps accounts from starving each other.
    A task that raises stops nothing; the first such error (a bug: expected errors are handled inside tasks) is raised by ``wait``.
    """

    def __init__(self, threads: int = 16, per_account: int = 8) -> None:
        self._per_account = per_account
        self._waiting: dict[str, list[tuple[int, int, Task]]] = {}
        self._running: dict[str, int] = {}
        self._count = itertools.count()
        self._lock = threading.Lock()
        self._ready, self._idle = threading.Condition(self._lock), threading.Condition(self._lock)
        self._pending = 0
        self._error: BaseException | None = None
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"evict-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, priority: int, account: str, task: Task) -> None:
        with self._lock:
            self._pending += 1
            heapq.heappush(self._waiting.setdefault(account, []), (priority, next(self._count), task))
            self._ready.notify()

    def wait(self) -> None:
        """Until every task, and every task that they submitted, has ended."""
        with self._lock:
            self._idle.wait_for(lambda: self._pending == 0)
            if self._error:
                raise self._error

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._ready.notify_all()

    def _next(self) -> tuple[str, Task] | None:
        alone = len(self._waiting.keys() | self._running.keys()) == 1
        free = [(q[0], account) for account, q in self._waiting.items() if alone or self._running.get(account, 0) < self._per_account]
        if not free:
            return None
        account = min(free)[1]
        queue = self._waiting[account]
        task = heapq.heappop(queue)[2]
        if not queue:
            del self._waiting[account]
        self._running[account] = self._running.get(account, 0) + 1
        return account, task

    def _work(self) -> None:
        while True:
            with self._lock:
                while not (found := self._next()):
                    if self._closed:
                        return
                    self._ready.wait()
            account, task = found
            try:
                task()
            except BaseException as error:  # kept, and raised in wait(): a dead worker would hang the run
                with self._lock:
                    self._error = self._error or error
            finally:
                with self._lock:
                    self._pending -= 1
                    self._running[account] -= 1
                    if not self._running[account]:
                        del self._running[account]
                    self._ready.notify()  # this account has a place again
                    if not self._pending:
                        self._idle.notify_all()

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool: priorities, a bound per account, and no error that hangs or gets lost."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.pool import Pool

WAIT = 20  # seconds that nothing takes unless it hangs


@pytest.fixture
def pools() -> Iterator[Callable[..., Pool]]:
    made: list[Pool] = []

    def make(threads: int = 4, per_account: int = 2) -> Pool:
        made.append(Pool(threads, per_account))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


class Meter:
    """How many tasks of an account run at once."""

    def __init__(self) -> None:
        self.now: collections.Counter[str] = collections.Counter()
        self.most: collections.Counter[str] = collections.Counter()
        self.lock = threading.Lock()

    def task(self, account: str, gate: threading.Event, started: threading.Semaphore) -> Callable[[], None]:
        def run() -> None:
            with self.lock:
                self.now[account] += 1
                self.most[account] = max(self.most[account], self.now[account])
            started.release()
            assert gate.wait(WAIT)
            with self.lock:
                self.now[account] -= 1

        return run


def test_the_lowest_number_first_and_equal_ones_in_their_order(pools: Callable[..., Pool]) -> None:
    pool, gate, order = pools(1), threading.Event(), []
    pool.submit(0, "a", lambda: gate.wait(WAIT) and None)  # type: ignore[func-returns-value]
    for priority, name in ((30, "x"), (10, "y"), (10, "z"), (20, "w")):
        pool.submit(priority, "a", lambda name=name: order.append(name))  # type: ignore[misc]
    gate.set()
    pool.wait()
    assert order == ["y", "z", "w", "x"]


def test_priorities_count_across_accounts(pools: Callable[..., Pool]) -> None:
    pool, gate, order = pools(1), threading.Event(), []
    pool.submit(0, "a", lambda: gate.wait(WAIT) and None)  # type: ignore[func-returns-value]
    for number in range(3):
        pool.submit(20, "a", lambda n=number: order.append(f"a{n}"))  # type: ignore[misc]
    pool.submit(1, "b", lambda: order.append("b-fence"))
    gate.set()
    pool.wait()
    assert order == ["b-fence", "a0", "a1", "a2"]


def test_one_account_among_others_gets_no_more_than_its_share(pools: Callable[..., Pool]) -> None:
    pool, gate, started, meter = pools(4, 2), threading.Event(), threading.Semaphore(0), Meter()
    full, taken = threading.Event(), threading.Semaphore(0)
    for _ in range(4):
        pool.submit(0, "x", meter.task("x", full, taken))
    for _ in range(4):
        assert taken.acquire(timeout=WAIT)
    for account in ("a", "b"):
        for _ in range(6):
            pool.submit(5, account, meter.task(account, gate, started))
    full.set()
    for _ in range(4):
        assert started.acquire(timeout=WAIT)
    assert (meter.most["a"], meter.most["b"]) == (2, 2)
    gate.set()
    pool.wait()


def test_a_throttled_account_leaves_threads_for_the_others(pools: Callable[..., Pool]) -> None:
    pool, gate, started, meter = pools(4, 2), threading.Event(), threading.Semaphore(0), Meter()
    hold = threading.Event()
    pool.submit(0, "b", lambda: hold.wait(WAIT) and None)  # type: ignore[func-returns-value]
    for _ in range(8):
        pool.submit(5, "a", meter.task("a", gate, started))
    for _ in range(2):
        assert started.acquire(timeout=WAIT)
    done = threading.Event()
    pool.submit(5, "b", done.set)
    assert done.wait(WAIT), "the other account got no thread"
    assert meter.most["a"] == 2
    hold.set()
    gate.set()
    pool.wait()


def test_an_account_that_is_alone_may_use_every_thread(pools: Callable[..., Pool]) -> None:
    pool, gate, started, meter = pools(4, 2), threading.Event(), threading.Semaphore(0), Meter()
    for _ in range(6):
        pool.submit(5, "a", meter.task("a", gate, started))
    for _ in range(4):
        assert started.acquire(timeout=WAIT), "threads lie idle"
    gate.set()
    pool.wait()
    assert meter.most["a"] == 4


def test_waiting_includes_what_tasks_submit(pools: Callable[..., Pool]) -> None:
    pool, seen = pools(2), []

    def deeper(level: int) -> None:
        seen.append(level)
        if level < 20:
            pool.submit(level, "a", lambda: deeper(level + 1))

    pool.submit(0, "a", lambda: deeper(0))
    pool.wait()
    assert seen == list(range(21))


def test_a_task_that_raises_stops_no_other_and_is_raised_at_the_end(pools: Callable[..., Pool]) -> None:
    pool, seen = pools(2), []

    def broken() -> None:
        raise KeyError("first")

    pool.submit(0, "a", broken)
    for number in range(5):
        pool.submit(1, "a", lambda n=number: seen.append(n))  # type: ignore[misc]
    with pytest.raises(KeyError, match="first"):
        pool.wait()
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_waiting_for_nothing_returns(pools: Callable[..., Pool]) -> None:
    pool = pools()
    pool.wait()
    pool.submit(0, "a", lambda: None)
    pool.wait()
    pool.wait()


def test_closed_threads_end(pools: Callable[..., Pool]) -> None:
    pool = pools(3)
    pool.submit(0, "a", lambda: None)
    pool.wait()
    pool.close()
    for thread in pool._threads:
        thread.join(WAIT)
    assert not any(thread.is_alive() for thread in pool._threads)


def test_many_accounts_and_tasks_all_run_once(pools: Callable[..., Pool]) -> None:
    pool, seen, lock = pools(8, 3), collections.Counter(), threading.Lock()

    def note(key: tuple[int, int]) -> None:
        with lock:
            seen[key] += 1

    for account in range(20):
        for number in range(50):
            pool.submit(number % 3, str(account), lambda key=(account, number): note(key))  # type: ignore[misc]
    pool.wait()
    assert len(seen) == 1000 and set(seen.values()) == {1}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease: one run at a time changes a case, containment never waits, and the dead hold nothing."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, lease, ledger, process, store

ROOT = Path(__file__).parents[3]
ELSEWHERE = {"host": "other", "boot": "b", "namespace": "n", "pid": 7, "started": "1"}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.datetime(2026, 11, 22, 9, 0, tzinfo=datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += datetime.timedelta(seconds=seconds)


@pytest.fixture
def case(tmp_path: Path) -> store.Store:
    return store.case_store(str(tmp_path / "cases"), "IR-1")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(lease, "_LOOK", 0.0)
    return Clock()


def take(case: store.Store, run: str, clock: Clock, **more: t.Any) -> lease.Lease:
    return lease.Lease.acquire(case, run=run, verb="recover", holder=f"{run}@desk", clock=clock, **more)


def older(case: store.Store, seconds: float) -> None:
    """The leases that are there were written that much earlier, by the store's time."""
    for path in case.list("lease"):
        then = time.time() - seconds
        with contextlib.suppress(FileNotFoundError):  # it was renewed meanwhile
            os.utime(Path(case.url) / path, (then, then))


def objects(case: store.Store) -> list[dict[str, t.Any]]:
    return [json.loads(case.get(path)) for path in case.list("lease")]


def test_one_run_holds_it_and_the_next_is_told_who_and_until_when(case: store.Store, clock: Clock) -> None:
    first = take(case, "one", clock)
    assert first.held()
    clock.move(10)
    with pytest.raises(errors.Refused) as caught:
        take(case, "two", clock)
    for part in ("recover", "one@desk", process.identity()["host"], "2026-11-22T09:00:00Z", "2026-11-22T09:02:00Z", case.url):
        assert part in caught.value.message
    assert "takeover=true" in caught.value.remedy
    first.release()
    first.release()
    assert not first.held()
    second = take(case, "two", clock)
    assert second.held()
    assert second.takeover_of == ""
    second.release()


@pytest.mark.parametrize("skew", [-3600, -125, 70, 3600])
def test_the_clock_of_its_machine_makes_no_lease_older(case: store.Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, skew: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(process, "identity", lambda: ELSEWHERE)
        far = Clock()
        far.move(skew)
        take(case, "far", far)
    assert lease.live_runs(case, clock, ask=True) == {"far"}
    assert lease.live_runs(case, clock) == ({"far"} if abs(skew) < lease.SKEW else set())
    with pytest.raises(errors.Refused, match="on other"):
        take(case, "two", clock)
    assert [path for path in case.list("lease") if "now-" in path] == []
    older(case, 121)
    assert take(case, "two", clock).takeover_of == ""


def test_containment_gives_way_to_nobody_but_who_was_told_to_take_over(case: store.Store, clock: Clock) -> None:
    def contain(run: str, **more: t.Any) -> lease.Lease:
        return lease.Lease.acquire(case, run=run, verb="contain", holder=run, clock=clock, never_wait=True, **more)

    one = contain("one")
    two = contain("two", takeover=True)
    assert (one.yields(), two.yields(), two.taken_from) == (
        "",
        "",
        f"contain by one on {process.identity()['host']}, since 2026-11-22T09:00:00Z",
    )
    third = take(case, "third", clock, takeover=True)
    told = f"the case was taken over by third@desk on {process.identity()['host']}, since 2026-11-22T09:00:00Z"
    assert (one.yields(), two.yields()) == (told, told)
    third.release()
    assert two.yields() == told
    late = contain("late")
    assert late.yields() == ""
    later = lease.Lease.acquire(case, run="later", verb="recover", holder="later", clock=clock, never_wait=True)  # nobody asked it to
    assert late.yields() == ""
    assert later.held()


@pytest.mark.parametrize("how", ["never_wait", "takeover"])
def test_a_takeover_always_succeeds_and_the_other_stops(case: store.Store, clock: Clock, how: str) -> None:
    slow = take(case, "slow", clock)
    fast = take(case, "fast", clock, **{how: True})
    assert (slow.held(), fast.held(), fast.takeover_of) == (False, True, "slow")
    slow.release()  # of no effect on the new holder
    assert fast.held()
    with pytest.raises(errors.Refused, match="fast@desk"):
        take(case, "third", clock)
    fast.release()


def test_an_overtaken_run_counts_as_alive_until_its_term_ends(case: store.Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "identity", lambda: ELSEWHERE)
    slow = take(case, "slow", clock)
    fast = take(case, "fast", clock, never_wait=True)
    assert lease.live_runs(case, clock) == {"slow", "fast"}
    fast.release()
    assert lease.live_runs(case, clock, ask=True) == {"slow"}
    older(case, 121)
    clock.move(121)
    assert lease.live_runs(case, clock, ask=True) == set()
    assert lease.live_runs(case, clock) == {"slow"}  # who must not write does not know the store's time, and allows for clocks that differ
    assert not slow.held()
    clock.move(lease.SKEW)
    assert lease.live_runs(case, clock) == set()
    take(case, "next", clock).release()
    assert len(case.list("lease")) == 1  # what is over was deleted


def contain(case: store.Store, run: str, clock: lease.Clock) -> lease.Lease:
    return lease.Lease.acquire(case, run=run, verb="contain", holder=f"{run}@desk", clock=clock, never_wait=True)


def waits(condition: t.Callable[[], object]) -> None:
    for _look in range(2000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("not within ten seconds")


@pytest.mark.parametrize("locked", [False, True])
def test_an_overtaken_containment_holds_a_release_off_until_it_ends(
    case: store.Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """The run that overtook it ends first, and its own lease is long over: it renews in objects of its own."""
    monkeypatch.setattr(process, "identity", lambda: ELSEWHERE)
    monkeypatch.setattr(lease, "RENEWAL", 0.01)
    if locked:
        monkeypatch.setattr(case, "delete", lambda path: (_ for _ in ()).throw(store.StoreUnavailable(f"{path}: object lock")))
    slow = contain(case, "slow", clock)
    contain(case, "fast", clock).release()
    waits(lambda: any(path.startswith("lease/beside/slow/") for path in case.list("lease")))
    clock.move(lease.TERM + lease.SKEW + 61)
    older(case, 121)
    waits(lambda: lease.live_runs(case, clock) == {"slow"})
    assert lease.live_runs(case, clock, ask=True) == {"slow"}
    for refused in (lambda: take(case, "release", clock), lambda: lease.refuse_if_held(case, clock)):
        with pytest.raises(errors.Refused, match="contain by slow@desk on other") as caught:
            refused()
        assert "takeover=true" in caught.value.remedy
    assert contain(case, "third", clock).takeover_of == ""  # containment waits for nobody
    assert slow.yields() == ""
    slow.release()
    assert "slow" not in lease.live_runs(case, clock)
    assert locked or not any("slow" in path and "released" not in path for path in case.list("lease"))


def test_nobody_settles_what_an_overtaken_containment_is_about(case: store.Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "identity", lambda: ELSEWHERE)
    monkeypatch.setattr(lease, "RENEWAL", 0.01)
    slow = ledger.Ledger.open(case, incident="IR-1", module="contain", contain=True)
    with contain(case, slow.run, lease._utcnow):
        slow.intent([{"id": "a"}])
        contain(case, "fast", lease._utcnow).release()
        waits(lambda: any(path.startswith("lease/beside/") for path in case.list("lease")))
        for path in case.list("lease"):
            if "beside" not in path:
                os.utime(Path(case.url) / path, (1, 1))
        assert ledger.Ledger.open(case, incident="IR-1", module="contain").open_intents() == []
    assert ledger.Ledger.open(case, incident="IR-1", module="contain").open_intents() == [{"id": "a"}]  # it ended without a word


def test_who_has_ended_by_what_the_ledger_says_holds_nobody_off(case: store.Store, clock: Clock) -> None:
    """Its store was lost, so that it could not give its lease back, and another containment has come since."""
    contain(case, "slow", clock)
    contain(case, "fast", clock).release()
    with pytest.raises(errors.Refused, match="slow@desk"):
        take(case, "next", clock)
    lease.refuse_if_held(case, clock, ended={"slow"})
    last = take(case, "next", clock, ended={"slow"})
    with pytest.raises(errors.Refused, match="next@desk"):  # whoever has it gives it back
        take(case, "other", clock, ended={"slow", "next"})
    last.release()


def test_a_release_may_take_the_case_over_from_all_containments(case: store.Store, clock: Clock) -> None:
    both = [contain(case, name, clock) for name in ("slow", "fast")]
    both[1].release()
    release = take(case, "release", clock, takeover=True)
    assert release.held() and all("taken over by release@desk" in run.yields() for run in both[:1])


def test_an_overtaken_release_holds_nobody_off(case: store.Store, clock: Clock) -> None:
    """It stops before its next change."""
    slow = take(case, "slow", clock)
    contain(case, "fast", clock).release()
    take(case, "next", clock).release()
    slow.release()
    assert not any("beside" in path for path in case.list("lease"))


def test_a_lease_renewed_while_it_is_read_is_seen(case: store.Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "identity", lambda: ELSEWHERE)
    far = take(case, "far", clock)
    reader = store.open_store(case.url)
    get, renewed = reader.get, []

    def late(path: str) -> bytes:
        if not renewed:
            with far._lock:
                renewed.append(far._create(far._number + 1))
        return get(path)

    monkeypatch.setattr(reader, "get", late)
    assert lease.live_runs(reader, clock) == {"far"}
    assert renewed == [True]


def test_it_runs_out(case: store.Store, clock: Clock) -> None:
    first = take(case, "one", clock)
    clock.move(119)
    assert first.held()
    with pytest.raises(errors.Refused):
        take(case, "two", clock)
    clock.move(2)
    assert not first.held()
    second = take(case, "two", clock)
    assert second.held()
    assert not first.held()


def test_it_is_renewed(case: store.Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWAL", 0.01)
    first = take(case, "one", clock)
    for _term in range(3):
        clock.move(100)
        until = clock.now + datetime.timedelta(seconds=lease.TERM)
        for _look in range(2000):
            with contextlib.suppress(store.NotFound):  # renewed between the listing and the reading
                if objects(case)[-1]["until"] == lease._text(until):
                    break
            threading.Event().wait(0.005)
        assert first.held()
    first.release()
    assert len(case.list("lease")) == 1
    assert objects(case)[0]["released"]


def test_a_lost_lease_is_not_renewed(case: store.Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWAL", 0.01)
    slow = take(case, "slow", clock)
    monkeypatch.setattr(lease, "RENEWAL", 40.0)
    fast = take(case, "fast", clock, never_wait=True)
    slow._thread.join(10)
    assert not slow._thread.is_alive()
    assert fast.held()
    assert not slow.held()


def test_a_dead_process_holds_nothing(case: store.Store, clock: Clock) -> None:
    code = """
import datetime, os, signal, sys
from ansible_collections.evict.cloud.plugins.module_utils.common import lease, store
now = datetime.datetime.fromisoformat(sys.argv[2])
lease.Lease.acquire(store.open_store(sys.argv[1]), run="child", verb="recover", holder="child", clock=lambda: now)
if sys.argv[3] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
print("ready", flush=True)
sys.stdin.read()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}

    def child(what: str) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", code, case.url, clock.now.isoformat(), what]
        return subprocess.Popen(arguments, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    with child("live") as living:
        assert living.stdout
        assert living.stdout.readline() == "ready\n"
        with pytest.raises(errors.Refused, match="child"):
            take(case, "two", clock)
        living.kill()
    second = take(case, "two", clock)
    assert second.takeover_of == ""
    second.release()
    child("die").wait()
    take(case, "three", clock).release()


def test_a_process_elsewhere_may_be_alive(case: store.Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(process, "identity", lambda: ELSEWHERE)
        take(case, "far", clock)
    with pytest.raises(errors.Refused, match="on other"):
        take(case, "two", clock)


def test_one_of_many_wins(case: store.Store, clock: Clock) -> None:
    results: list[object] = []
    barrier = threading.Barrier(12)

    def contend(number: int) -> None:
        barrier.wait()
        try:
            results.append(take(case, f"run{number}", clock))
        except errors.Refused as error:
            results.append(error)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [result for result in results if isinstance(result, lease.Lease)]
    assert len(winners) == 1
    assert winners[0].held()
    assert len(results) == 12


def test_a_number_that_was_free_again_wins_nothing(case: store.Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The late run has read that 1 is the highest; before it writes 2, others took 2, renewed to 3 and deleted 2."""
    old = take(case, "old", clock)
    old._stop.set()
    clock.move(121)
    put = case.put
    done: list[lease.Lease] = []

    def late(path: str, data: bytes) -> None:
        if not done:
            done.append(take(store.open_store(case.url), "quick", clock))
            with done[0]._lock:
                assert done[0]._create(3)
            assert case.list("lease") == ["lease/00000003.json"]
        put(path, data)

    monkeypatch.setattr(case, "put", late)
    with pytest.raises(errors.Refused, match="quick"):
        take(case, "late", clock)
    assert done[0].held()


def test_a_store_that_forbids_deleting(case: store.Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(path: str) -> None:
        raise store.StoreUnavailable(f"cannot delete {path}: object lock")

    monkeypatch.setattr(case, "delete", locked)
    for number in range(40):
        holder = take(case, f"run{number}", clock)
        assert holder.held()
        holder.release()
    assert len(case.list("lease")) == 80
    assert lease.live_runs(case, clock) == set()


def test_a_store_that_is_away(case: store.Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    first = take(case, "one", clock)

    def away(*_arguments: object) -> t.Any:
        raise store.StoreUnavailable("unreachable")

    with monkeypatch.context() as patch:
        patch.setattr(case, "list", away)
        assert not first.held()  # not known: no step may begin
        assert first.lost() == "whether another run took the case over is not known: unreachable"
        assert first.yields() == ""
    assert first.held()
    with monkeypatch.context() as patch:
        patch.setattr(case, "put", away)
        with pytest.raises(store.StoreUnavailable):
            take(case, "two", clock, never_wait=True)
        first.release()
    assert objects(case)[-1]["run"] == "one"


GOOD = {
    "n": 1,
    "run": "x",
    "verb": "v",
    "holder": "h",
    "process": ELSEWHERE,
    "since": "",
    "until": "2026-11-22T09:01:00Z",
    "released": False,
    "takeover_of": "",
}


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"\xff", b"[" * 100_000, b"{}"]
    + [
        json.dumps({**GOOD, **wrong}).encode()
        for wrong in ({"until": "soon"}, {"until": "2026-11-22T09:01:00"}, {"released": 1}, {"run": 7}, {"process": []})
    ],
)
def test_a_damaged_lease_is_refused_by_name_and_containment_goes_on(case: store.Store, clock: Clock, data: bytes) -> None:
    case.put("lease/00000001.json", data)
    case.put("lease/notes.txt", b"x")
    with pytest.raises(errors.Refused, match=r"lease/00000001\.json is not a lease") as caught:
        take(case, "one", clock)
    assert "takeover=true" in caught.value.remedy
    assert lease.live_runs(case, clock) == set()
    assert take(case, "one", clock, never_wait=True).held()


def test_a_lease_without_an_end_in_sight_is_not_believed(case: store.Store, clock: Clock) -> None:
    case.put("lease/00000001.json", json.dumps({**GOOD, "until": "2099-01-01T00:00:00Z"}).encode())
    assert lease.live_runs(case, clock) == set()
    older(case, 121)
    assert take(case, "one", clock).held()


def test_fate_of_processes() -> None:
    me = process.identity()
    assert process.fate(me) == "alive"
    assert process.fate({**me, "started": "1"}) == "dead"  # the number was given to another process
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert process.fate({**me, "pid": ended.pid}) == "dead"
    zombie = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert zombie.stdout
    identity = {**me, "pid": zombie.pid, "started": process._started(zombie.pid) or "x"}
    zombie.stdout.read()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert process.fate(identity) == "dead"
    zombie.wait()
    for other in (
        {**me, "boot": "x"},
        {**me, "namespace": "x"},
        {**me, "host": "x"},
        {**me, "pid": -1},
        {**me, "pid": True},
        {**me, "pid": "1"},
        {},
        None,
        [7],
    ):
        assert process.fate(other) == "unknown"
    assert process.fate({**me, "pid": 2**70}) in ("alive", "dead")

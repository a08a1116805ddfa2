# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: what intent() returned for survives anything, and what was tampered with is found."""

from __future__ import annotations

import collections
import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.common import (
    errors,
    ledger,
    ledger_read,
    ledger_record,
    ledger_state,
    process,
    store,
)

ROOT = Path(__file__).parents[3]
HEAD = """
import os, signal, sys, threading, time
from ansible_collections.evict.cloud.plugins.module_utils.common import ledger, store
case = store.open_store(sys.argv[1])
def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def case(tmp_path: Path) -> store.Store:
    return store.case_store(str(tmp_path / "cases"), "IR-1")


def begin(case: store.Store, **more: t.Any) -> ledger.Ledger:
    return ledger.Ledger.open(case, incident="IR-1", module="test", **more)


def work(case: store.Store, *names: str, status: str = "ok") -> str:
    """A whole run that does some steps; returns its head."""
    run = begin(case)
    for name in names:
        run.intent([{"id": name, "before": run.run}], urgent=True)
        run.outcome([{"id": name, "status": "done"}])
    return run.end(status, changed=len(names))


def start(code: str, case: store.Store) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}
    return subprocess.Popen([sys.executable, "-c", HEAD + code, case.url], text=True, stdout=subprocess.PIPE, env=environment)


def records(case: store.Store) -> list[dict[str, t.Any]]:
    return [json.loads(case.get(path)) for path in case.list("ledger") if "/checkpoint/" not in path]


def whys(case: store.Store, head: str = "") -> list[str]:
    found = ledger.verify(case, head)
    assert found["verified"] == (not found["problems"])
    return [problem["why"] for problem in found["problems"]]


# ------------------------------------------------------------------------------------------------------------ one run


def test_a_run_is_one_chain_with_start_and_end(case: store.Store) -> None:
    run = begin(case, caller="arn:aws:iam::111122223333:user/jo")
    assert case.list() == []  # nothing before the first record
    run.intent([{"id": "a", "before": {"x": 1}}, {"id": "b"}], urgent=True)
    run.outcome([{"id": "a", "status": "done", "answer": [["Key", "k"]]}])
    run.note("opened", {"by": "jo"})
    run.flush()
    assert run.state.steps["a"]["outcome"]["status"] == "done"
    head = run.end("partial", changed=1)
    assert run.end("partial") == head
    kinds = [record["kind"] for record in records(case)]
    assert kinds == ["start", "steps", "steps", "end"]
    first, *_middle, last = records(case)
    assert first["prev"] == ""
    assert (first["incident"], first["module"], first["caller"]) == ("IR-1", "test", "arn:aws:iam::111122223333:user/jo")
    assert (last["status"], last["counts"]) == ("partial", {"changed": 1})
    assert datetime.datetime.fromisoformat(first["time"]).tzinfo is not None
    assert ledger_record.digest(case.get(case.list()[-1])) == head
    again = begin(case)
    assert again.state.steps["a"]["first"] == {"id": "a", "before": {"x": 1}}
    assert again.state.steps["a"]["answered"]["answer"] == [["Key", "k"]]
    assert again.state.notes["opened"][0]["data"] == {"by": "jo"}
    assert again.open_intents() == [{"id": "b"}]
    found = ledger.verify(case, head)
    assert (found["verified"], found["records"], found["head"]) == (True, 4, head)
    assert found["steps"] == {"done": 1, "open": 1}


def test_a_run_without_work_writes_start_and_end_only(case: store.Store) -> None:
    begin(case).end("ok")
    assert [record["kind"] for record in records(case)] == ["start", "end"]


def test_a_run_that_dies_before_its_first_record_leaves_nothing(case: store.Store) -> None:
    begin(case)
    assert case.list() == []


def test_check_mode_writes_nothing_anywhere(case: store.Store, tmp_path: Path) -> None:
    run = begin(case, check=True)
    run.intent([{"id": "a"}])
    run.outcome([{"id": "a", "status": "done"}])
    run.note("opened", {})
    run.flush()
    assert run.end("ok") == ""
    assert list(tmp_path.iterdir()) == []
    head = work(case, "a")
    before = {path: case.get(path) for path in case.list()}
    assert begin(case, check=True).end("ok") == head
    assert {path: case.get(path) for path in case.list()} == before


def test_nothing_follows_the_end(case: store.Store) -> None:
    run = begin(case)
    run.end("ok")
    for call in (lambda: run.intent([{"id": "a"}]), lambda: run.outcome([{"id": "a"}]), lambda: run.note("x", {})):
        with pytest.raises(errors.EvictError, match="ended"):
            call()


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({1: "x"}, "intent[0].before"), ({"a": [datetime.datetime(2026, 1, 1)]}, "intent[0].before.a[0]"), (b"x", "bytes"), ({1, 2}, "set"),  # noqa: DTZ001
        (float("nan"), "float"), (float("inf"), "float"), (object(), "object"),
    ],
)  # fmt: skip
def test_what_is_not_json_is_named_and_nothing_is_written(case: store.Store, value: t.Any, where: str) -> None:
    run = begin(case)
    with pytest.raises(errors.EvictError) as caught:
        run.intent([{"id": "a", "before": value}])
    assert where in caught.value.message
    deep: list[t.Any] = []
    for _level in range(100_000):
        deep = [deep]
    with pytest.raises(errors.EvictError, match="deeply"):
        run.outcome([{"id": "a", "x": deep}])
    for wrong in ({}, {"id": 7}, {"$step": {}}):
        with pytest.raises(errors.EvictError, match="no id"):
            run.intent([wrong])
    assert case.list() == []
    run.intent([{"id": "a"}])
    run.end("ok")


def test_tagged_steps_keep_their_form(case: store.Store) -> None:
    step = {"$step": {"id": "a", "resource": "user/x", "action": "fence"}}
    begin(case).intent([step], urgent=True)
    run = begin(case)
    assert run.state.steps["a"]["first"] == step
    head = run.end("ok")
    found = ledger.verify(case, head)
    assert found["open_intents"] == []  # this process, which wrote it, is alive
    assert found["chains"][0]["state"] == "alive"


def test_what_is_queued_is_a_copy(case: store.Store) -> None:
    run = begin(case)
    outcome = {"id": "a", "status": "done", "list": [1]}
    run.outcome([outcome])
    outcome["status"], outcome["list"] = "changed", [2]
    run.end("ok")
    assert begin(case).state.steps["a"]["outcome"] == {"id": "a", "status": "done", "list": [1]}


def test_hostile_text_comes_back_as_it_was(case: store.Store) -> None:
    texts = ["\ud800", "\x00", "{{ lookup('pipe', 'id') }}", "\u2028", "é" * 300, "</script>", '"}],"kind":"end"', "\x1b[2J"]
    run = begin(case)
    run.intent([{"id": text, "before": {text: text}} for text in texts])
    run.end("ok")
    again = begin(case)
    assert [again.state.steps[text]["first"]["before"] for text in texts] == [{text: text} for text in texts]
    assert whys(case) == []


# ------------------------------------------------------------------------------------------------------- group commit


def test_intents_of_many_threads_share_records(case: store.Store) -> None:
    run = begin(case)
    seen: collections.Counter[str] = collections.Counter()

    def worker(number: int) -> None:
        for step in range(200):
            name = f"{number}-{step}"
            run.intent([{"id": name}])
            assert name in run.state.steps
            run.outcome([{"id": name, "status": "done"}])
            seen[name] += 1

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    head = run.end("ok")
    assert len(seen) == 3200
    found = records(case)
    assert len(found) < 3200 / 4
    assert max(len(record.get("intents", [])) + len(record.get("outcomes", [])) for record in found) <= 200
    again = begin(case)
    assert len(again.state.steps) == 3200
    assert all(entry["outcome"] for entry in again.state.steps.values())
    assert ledger.verify(case, head)["steps"] == {"done": 3200}


def test_a_call_with_many_steps_is_cut_into_records(case: store.Store) -> None:
    run = begin(case)
    run.intent([{"id": str(number)} for number in range(501)])
    assert [len(record["intents"]) for record in records(case) if record["kind"] == "steps"] == [200, 200, 101]
    assert len(run.state.steps) == 501


def test_urgent_does_not_wait_for_company(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "INTENT_WAIT", 3600.0)
    monkeypatch.setattr(ledger, "QUEUE_WAIT", 3600.0)
    run = begin(case)
    run.outcome([{"id": "x", "status": "done"}])
    waiting = threading.Thread(target=run.intent, args=([{"id": "a"}],))
    waiting.start()
    while not any(entry.field == "intents" for entry in run._queue):
        time.sleep(0.001)
    assert not any(record["kind"] == "steps" for record in records(case))
    run.intent([{"id": "b"}], urgent=True)
    waiting.join(10)
    assert [[step["id"] for step in record["intents"]] for record in records(case) if record["kind"] == "steps"] == [["a", "b"]]
    run.outcome([{"id": "a", "status": "done"}])
    run.flush()
    assert run.state.steps["a"]["outcome"]


def test_outcomes_are_written_without_further_calls(case: store.Store) -> None:
    run = begin(case)
    run.outcome([{"id": "a", "status": "done"}])
    until = time.monotonic() + 20
    while "a" not in begin(case, check=True).state.steps and time.monotonic() < until:
        time.sleep(0.01)
    assert "a" in begin(case, check=True).state.steps


def test_intent_returns_only_after_the_put(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, returned = threading.Event(), threading.Event()
    put = case.put

    def slow(path: str, data: bytes) -> None:
        if b'"intents"' in data:
            gate.wait(10)
        put(path, data)

    monkeypatch.setattr(case, "put", slow)
    run = begin(case)
    thread = threading.Thread(target=lambda: (run.intent([{"id": "a"}], urgent=True), returned.set()))
    thread.start()
    assert not returned.wait(0.1)
    gate.set()
    thread.join(10)
    assert returned.is_set()


def test_a_store_that_fails_stops_everything_from_then_on(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(case)
    run.intent([{"id": "a"}], urgent=True)

    def full(path: str, data: bytes) -> None:
        raise store.StoreUnavailable(f"cannot write {path}: No space left on device", object=path, operation="write", remedy="free some space")

    with monkeypatch.context() as patch:
        patch.setattr(case, "put", full)
        caught: list[errors.EvictError] = []

        def worker(number: int) -> None:
            try:
                run.intent([{"id": f"b{number}"}])
            except errors.EvictError as error:
                caught.append(error)

        threads = [threading.Thread(target=worker, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(caught) == 8
        assert {type(error) for error in caught} == {store.StoreUnavailable}
        assert {error.remedy for error in caught} == {"free some space"}
    calls = (lambda: run.intent([{"id": "c"}]), lambda: run.outcome([{"id": "a"}]), lambda: run.note("x", {}), run.flush, lambda: run.end("ok"))
    for call in calls:  # although the store works again
        with pytest.raises(store.StoreUnavailable):
            call()
    assert [entry["id"] for entry in begin(case).state.unsettled()] == ["a"]


def test_an_unknown_error_of_the_committer_reaches_the_caller(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(case)
    monkeypatch.setattr(case, "put", lambda _path, _data: 1 / 0)
    with pytest.raises(errors.EvictError, match="ZeroDivisionError"):
        run.intent([{"id": "a"}])


def test_a_put_whose_answer_was_lost_and_that_was_sent_again_is_ours(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put = case.put

    def twice(path: str, data: bytes) -> None:
        put(path, data)
        put(path, data)

    monkeypatch.setattr(case, "put", twice)
    work(case, "a")
    assert whys(case) == []


def test_a_record_of_somebody_else_in_our_chain_stops_the_run(case: store.Store) -> None:
    run = begin(case)
    run.intent([{"id": "a"}], urgent=True)
    case.put(ledger_record.path(run.run, 3), b"{}")
    with pytest.raises(errors.EvictError, match="somebody else"):
        run.intent([{"id": "b"}], urgent=True)


# ------------------------------------------------------------------------------------------------------------ crashes


def test_what_intent_returned_for_survives_kill_9(case: store.Store) -> None:
    code = """
run = ledger.Ledger.open(case, incident="IR-1", module="child")
def worker(number):
    for step in range(100000):
        run.intent([{"id": f"{number}-{step}", "before": "x" * 50}], urgent=step % 3 == 0)
        os.write(1, f"{number}-{step}\\n".encode())
        run.outcome([{"id": f"{number}-{step}", "status": "done"}])
for number in range(4):
    threading.Thread(target=worker, args=(number,)).start()
"""
    promised: set[str] = set()
    for lines in (1, 5, 17, 60):
        child = start(code, case)
        assert child.stdout
        for _line in range(lines):
            promised.add(child.stdout.readline().strip())
        child.send_signal(signal.SIGKILL)
        promised |= {line for line in child.stdout.read().splitlines() if line}
        child.wait()
    run = begin(case)
    assert promised <= set(run.state.steps)
    assert run.problems == []
    left = {step["id"] for step in run.open_intents()}
    assert left
    assert left <= {f"{number}-{step}" for number in range(4) for step in range(1000)}
    run.end("ok")
    found = ledger.verify(case)
    assert found["problems"] == []  # the four cut chains have been seen by a run
    assert [chain["state"] for chain in found["chains"]] == ["crashed"] * 4 + ["ended"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_killed_around_each_put(case: store.Store, nth: int, when: str) -> None:
    code = f"""
real, count = case.put, 0
def put(path, data):
    global count
    count += 1
    if count == {nth} and {when!r} == "before": die()
    real(path, data)
    if count == {nth}: die()
case.put = put
run = ledger.Ledger.open(case, incident="IR-1", module="child")
run.intent([{{"id": "a"}}], urgent=True)   # puts 1 and 2
os.write(1, b"a")
run.outcome([{{"id": "a", "status": "done"}}])
run.flush()                                # put 3
os.write(1, b"b")
run.end("ok")                              # put 4
os.write(1, b"c")
"""
    child = start(code, case)
    said, _error = child.communicate(timeout=60)
    assert child.returncode == -9
    run = begin(case)
    written = nth - (when == "before")
    assert set(run.state.steps) == ({"a"} if written >= 2 else set())
    assert ("a" in said) <= (written >= 2)
    assert [step["id"] for step in run.open_intents()] == (["a"] if written == 2 else [])
    assert [run.state.steps[name]["outcome"]["status"] for name in run.state.steps if written >= 3] == (["done"] if written >= 3 else [])
    if 0 < written < 4:
        assert any("no end record" in why for why in whys(case))
    run.end("ok")
    assert whys(case) == []


def test_a_run_at_work_is_no_crash_and_a_dead_one_is(case: store.Store) -> None:
    code = """
run = ledger.Ledger.open(case, incident="IR-1", module="child")
run.intent([{"id": "a"}], urgent=True)
print("ready", flush=True)
time.sleep(60)
"""
    child = start(code, case)
    assert child.stdout
    assert child.stdout.readline()
    assert begin(case).open_intents() == []
    found = ledger.verify(case)
    assert (found["chains"][0]["state"], found["open_intents"], found["verified"]) == ("alive", [], True)
    child.kill()
    child.wait()
    assert begin(case).open_intents() == [{"id": "a"}]
    found = ledger.verify(case)
    assert (found["chains"][0]["state"], found["open_intents"][0]["id"], found["verified"]) == ("crashed", "a", False)


def test_a_run_on_another_machine_is_alive_as_long_as_its_lease(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.evict.cloud.plugins.module_utils.common import lease

    elsewhere = {**process.identity(), "host": "other", "boot": "other"}
    with monkeypatch.context() as patch:
        patch.setattr(process, "identity", lambda: elsewhere)
        run = begin(case)
        run.intent([{"id": "a"}], urgent=True)
        hold = lease.Lease.acquire(case, run=run.run, verb="recover", holder="jo")
    assert begin(case).open_intents() == []
    hold.release()
    assert begin(case).open_intents() == [{"id": "a"}]


def test_an_interrupted_step_is_open_until_a_later_run_settles_it(case: store.Store) -> None:
    code = """
run = ledger.Ledger.open(case, incident="IR-1", module="child")
run.intent([{"id": "a"}, {"id": "b"}, {"id": "c"}], urgent=True)
die()
"""
    start(code, case).wait()
    run = begin(case)
    assert [step["id"] for step in run.open_intents()] == ["a", "b", "c"]
    run.outcome([{"id": "a", "status": "failed", "message": "interrupted run: was not carried out"}])  # found out
    run.intent([{"id": "b"}], urgent=True)  # done again
    run.outcome([{"id": "b", "status": "done"}])
    run.flush()
    assert [step["id"] for step in run.open_intents()] == ["c"]
    run.end("ok")
    assert [step["id"] for step in begin(case).open_intents()] == ["c"]


def test_two_processes_on_one_case_keep_apart(case: store.Store) -> None:
    code = """
run = ledger.Ledger.open(case, incident="IR-1", module="child")
print("ready", flush=True)
sys.stdin.readline()
for step in range(60):
    run.intent([{"id": f"{os.getpid()}-{step}"}, {"id": "shared", "before": os.getpid()}], urgent=True)
    run.outcome([{"id": f"{os.getpid()}-{step}", "status": "done"}, {"id": "shared", "status": "done"}])
print(run.end("ok"))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}
    children = [
        subprocess.Popen([sys.executable, "-c", HEAD + code, case.url], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) for _n in range(2)
    ]
    for child in children:
        assert child.stdout
        child.stdout.readline()
    outputs = [child.communicate("go\n", timeout=60)[0].strip() for child in children]
    found = ledger.verify(case)
    assert found["problems"] == []
    assert found["head"] in outputs
    assert all(ledger.verify(case, head)["verified"] for head in outputs)
    state = begin(case).state
    assert len(state.steps) == 121
    assert state.unsettled() == []
    first = min((record for record in records(case) if record.get("intents")), key=lambda record: (record["order"], record["run"]))
    assert state.steps["shared"]["first"]["before"] == first["intents"][1]["before"]


# ------------------------------------------------------------------------------------------------------------- folding


def test_a_clock_that_is_behind_does_not_change_what_came_first(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(case)
    run.intent([{"id": "a", "before": "true pre-image"}], urgent=True)
    run.outcome([{"id": "a", "status": "done"}])
    run.end("ok")
    now = time.time_ns()
    monkeypatch.setattr(ledger.time, "time_ns", lambda: now - 3600 * 10**9)
    later = begin(case)
    later.intent([{"id": "a", "before": "what we wrote"}], urgent=True)
    monkeypatch.undo()
    state = begin(case).state
    assert (state.steps["a"]["first"]["before"], state.steps["a"]["step"]["before"]) == ("true pre-image", "what we wrote")
    assert [entry["id"] for entry in state.unsettled()] == ["a"]


def test_an_outcome_of_an_overtaken_run_does_not_settle_the_later_run(case: store.Store) -> None:
    slow = begin(case)
    slow.intent([{"id": "a"}], urgent=True)
    fast = begin(case)
    fast.intent([{"id": "a"}], urgent=True)
    slow.outcome([{"id": "a", "status": "done"}])
    slow.outcome([{"id": "a", "status": "unverified"}])
    slow.flush()
    assert [entry["run"] for entry in begin(case).state.unsettled()] == [fast.run]


NAMES = st.sampled_from(["a", "b", "c"])
RUNS = [f"00000000-0000-7000-8000-{number:012}" for number in range(3)]


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, t.Any]]:
    """Records of three chains, in an order in which their writers could have made them; clocks may be equal."""
    found = []
    seqs: collections.Counter[str] = collections.Counter()
    orders: collections.Counter[str] = collections.Counter()
    for _number in range(draw(st.integers(0, 25))):
        run = draw(st.sampled_from(RUNS))
        seqs[run] += 1
        orders[run] += draw(st.integers(1, 3))
        record: dict[str, t.Any] = {"run": run, "seq": seqs[run], "order": orders[run], "time": str(orders[run]), "kind": "steps"}
        record |= dict.fromkeys(("module", "host", "caller"), "x")
        if seqs[run] == 1:
            record |= {"kind": "start", "heads": {other: {"seq": seqs[other]} for other in RUNS if seqs[other] and other != run}, "process": {}}
        elif draw(st.integers(0, 9)) == 0:
            record |= {"kind": "end", "status": "ok"}
        else:
            record["intents"] = draw(st.lists(NAMES.map(lambda name: {"id": name, "before": draw(st.integers(0, 9))}), max_size=3))
            outcomes = st.builds(lambda name, answer: {"id": name, "status": "done", "answer": answer}, NAMES, st.sampled_from([None, [1]]))
            record["outcomes"] = draw(st.lists(outcomes, max_size=3))
            record["notes"] = draw(st.lists(st.just({"kind": "opened", "data": draw(st.integers())}), max_size=2))
        found.append(record)
    return found


def text(state: ledger_state.State) -> bytes:
    return ledger_record.canonical(ledger_state.to_data(state))


@given(histories(), st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_checkpoint_and_the_tail_are_the_same_as_all(history: list[dict[str, t.Any]], data: st.DataObject) -> None:
    whole = ledger_state.fold_all(ledger_state.State(), history)
    cut = {run: data.draw(st.integers(0, 30)) for run in RUNS}
    early = [record for record in history if record["seq"] <= cut[record["run"]]]
    late = [record for record in history if record["seq"] > cut[record["run"]]]
    checkpoint = text(ledger_state.fold_all(ledger_state.State(), early))
    assert text(ledger_state.fold_all(ledger_state.from_data(json.loads(checkpoint)), late)) == text(whole)
    runs = data.draw(st.permutations(RUNS))
    assert text(ledger_state.fold_all(ledger_state.State(), [record for run in runs for record in history if record["run"] == run])) == text(whole)
    one_by_one = ledger_state.State()
    for record in history:
        before = text(one_by_one)
        after = ledger_state.fold(one_by_one, record)
        assert text(one_by_one) == before  # pure
        one_by_one = after
    assert text(one_by_one) == text(whole)


def many(case: store.Store, count: int = 70) -> str:
    run = begin(case)
    for number in range(count):
        run.intent([{"id": f"s{number}", "before": number}], urgent=True)
    run.note("opened", {"by": "jo"})
    return run.end("ok")


def test_a_checkpoint_saves_reading_and_changes_nothing(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    many(case)
    assert len(case.list("ledger/checkpoint")) == 1
    work(case, "s0", "t")
    assert len(case.list("ledger/checkpoint")) == 1  # too little is new
    read: list[str] = []
    get = case.get
    monkeypatch.setattr(case, "get", lambda path: (read.append(path), get(path))[1])
    short = begin(case)
    assert len(read) < 12
    monkeypatch.setattr(ledger_read, "_load", lambda *_arguments: (_ for _ in ()).throw(ValueError))
    full = begin(case)
    assert text(short.state) == text(full.state)
    assert short._chains.heads == full._chains.heads
    assert (short._chains.head, short._chains.order) == (full._chains.head, full._chains.order)


@pytest.mark.parametrize("damage", ["gone", "empty", "changed", "forged", "other"])
def test_a_damaged_checkpoint_only_costs_time(case: store.Store, damage: str) -> None:
    head = many(case)
    (path,) = case.list("ledger/checkpoint")
    wanted = text(begin(case).state)
    data = case.get(path)
    if damage == "gone":
        case.delete(path)
    elif damage == "other":
        case.put(path.replace("checkpoint/0", "checkpoint/f"), data.replace(b'"before":0', b'"before":9'))
    else:
        forged = json.loads(data)
        forged["state"]["steps"]["s0"]["first"]["before"] = "an attacker's policy"
        case.replace(path, {"empty": b"", "changed": data[:-9], "forged": ledger_record.canonical(forged)}[damage])
    assert text(begin(case).state) == wanted
    found = ledger.verify(case, head)
    assert found["verified"] == (damage in ("gone", "other"))
    assert damage in ("gone", "other") or "checkpoint" in found["problems"][0]["why"]


def test_few_checkpoints_are_kept_and_a_store_that_forbids_deleting_is_no_obstacle(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for _round in range(4):
        many(case)
    assert len(case.list("ledger/checkpoint")) == 2

    def forbidden(path: str) -> None:
        raise store.StoreUnavailable("object lock")

    monkeypatch.setattr(case, "delete", forbidden)
    many(case)
    assert len(case.list("ledger/checkpoint")) == 3
    assert whys(case) == []


def test_heads_do_not_grow_with_the_number_of_runs(case: store.Store) -> None:
    for _number in range(60):
        begin(case).end("ok")
    assert all(len(record.get("heads", {})) <= 1 for record in records(case))
    assert whys(case) == []


# ------------------------------------------------------------------------------------------------------- verification


def tamper_change(case: store.Store, path: str) -> None:
    case.replace(path, case.get(path).replace(b'"caller":""', b'"caller":"x"'))


def tamper_delete(case: store.Store, path: str) -> None:
    case.delete(path)


def tamper_garbage(case: store.Store, path: str) -> None:
    case.replace(path, b"\xff{")


@pytest.mark.parametrize("tamper", [tamper_change, tamper_delete, tamper_garbage])
@pytest.mark.parametrize("seq", [1, 2, 3, 4])
def test_a_changed_or_missing_record_is_found(case: store.Store, tamper: t.Callable[[store.Store, str], None], seq: int) -> None:
    work(case, "a")
    (run,) = ledger_record.layout(case.list("ledger")).chains
    head = work(case, "b")
    assert whys(case, head) == []
    tamper(case, ledger_record.path(run, seq))
    found = ledger.verify(case, head)
    assert not found["verified"]
    assert {problem["chain"] for problem in found["problems"]} == {run}


def test_every_single_byte_counts(case: store.Store) -> None:
    work(case, "a")
    head = work(case, "b")
    for path in case.list("ledger"):
        data = case.get(path)
        for place in range(0, len(data), 37):
            case.replace(path, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            assert not ledger.verify(case, head)["verified"], (path, place)
        case.replace(path, data)
    assert ledger.verify(case, head)["verified"]


def test_a_removed_chain_is_found_by_a_later_run_or_by_the_head(case: store.Store) -> None:
    work(case, "a")
    (first,) = ledger_record.layout(case.list("ledger")).chains
    head = work(case, "b")
    for path in case.list(f"ledger/{first}"):
        case.delete(path)
    assert any("the chain is missing" in why for why in whys(case))
    for path in case.list("ledger"):
        case.delete(path)
    assert any("there is no ledger" in why for why in whys(case))
    work(case, "c")
    assert whys(case) == []  # a new story, whole in itself
    assert any("expected head" in why for why in whys(case, head))


def test_records_cut_off_the_end_are_found(case: store.Store) -> None:
    head = work(case, "a", "b")
    kept = {path: case.get(path) for path in case.list("ledger")}
    for path in sorted(kept, reverse=True)[:3]:
        case.delete(path)
    assert [chain["state"] for chain in ledger.verify(case)["chains"]] == ["alive"]  # of this very process
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "fate", lambda _who: "dead")
        assert any("no end record" in why for why in whys(case))
    assert any("expected head" in why for why in whys(case, head))
    for path, data in kept.items():
        with contextlib.suppress(store.Exists):
            case.put(path, data)
    assert whys(case, head.upper() + "\n") == []


def test_a_shortened_chain_that_a_later_run_named_is_found(case: store.Store) -> None:
    work(case, "a")
    (run,) = ledger_record.layout(case.list("ledger")).chains
    work(case, "b")
    case.delete(case.list(f"ledger/{run}")[-1])
    assert any("this record is missing, named by record 1 of" in why for why in whys(case))


def test_a_replayed_end_and_records_after_the_end_are_found(case: store.Store) -> None:
    work(case, "a")
    (run,) = ledger_record.layout(case.list("ledger")).chains
    last = json.loads(case.get(ledger_record.path(run, 4)))
    data = ledger_record.canonical({**last, "seq": 5, "prev": ledger_record.digest(case.get(ledger_record.path(run, 4)))})
    case.put(ledger_record.path(run, 5), data)
    assert any("after the end" in why for why in whys(case))


def test_a_chain_of_another_case_and_foreign_files_are_found(case: store.Store, tmp_path: Path) -> None:
    work(case, "a")
    other = store.case_store(str(tmp_path / "cases"), "IR-2")
    run = ledger.Ledger.open(other, incident="IR-2", module="test")
    run.end("ok")
    for path in other.list("ledger"):
        case.put(path, other.get(path))
    assert any("belongs to incident 'IR-2'" in why for why in whys(case))
    for name in ("ledger/notes.txt", f"ledger/{run.run}/1.json", "ledger/checkpoint/x", "ledger/{{ 7*7 }}/00000001.json"):
        case.put(name, b"{}")
    assert sum("does not belong" in why for why in whys(case)) == 4


HOSTILE = [
    b"", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b"1" * 10_000, b'{"version":1}',
    b'{"version":1,"run":"%s","seq":1,"prev":"","time":"t","kind":"start","incident":"IR-1","host":"","caller":"","module":"","order":true}',
    b'{"version":1,"run":"%s","seq":1,"prev":"","time":"t","kind":"start","incident":"IR-1","host":"","caller":"","module":"","order":1,"heads":[]}',
    b'{"version":1,"run":"%s","seq":1,"prev":"","time":"t","kind":"start","incident":"IR-1","host":"","caller":"","module":"","order":1,"heads":{"x":{}}}',
    b'{"version":1,"run":"%s","seq":1,"prev":"","time":"t","kind":"start","incident":"IR-1","host":"","caller":"","module":"","order":1,"intents":["x"]}',
    b'{"version":1,"run":"%s","seq":1,"prev":"","time":"t","kind":"start","incident":"IR-1","host":"","caller":"","module":"","order":1,"intents":[{"$s":{}}]}',
    b'{"version":1,"run":"%s","seq":1,"prev":"","time":"t","kind":"start","incident":"IR-1","host":"","caller":"","module":"","order":1,"notes":[{"kind":7}]}',
    b'{"version":1,"run":"%s","seq":1,"prev":"","time":"t","kind":"end","incident":"IR-1","host":"","caller":"","module":"","order":1}',
    b'{"version":1,"run":"%s","seq":1,"prev":"","time":"t","kind":"start","incident":"IR-1","host":"","caller":"","module":"","order":1,"process":[7]}',
    b'{"version":1,"run":"%s","seq":1,"prev":"","time":"t","kind":"start","incident":"\\ud800","host":"","caller":"","module":"","order":1,"checkpoint":{"path":"../x"}}',
]  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_records_are_reported_and_stop_nothing(case: store.Store, data: bytes) -> None:
    work(case, "a")
    forged = ledger_record.new_id()
    case.put(ledger_record.path(forged, 1), data.replace(b"%s", forged.encode()))
    found = ledger.verify(case)
    assert not found["verified"]
    assert any(problem["chain"] == forged for problem in found["problems"])
    json.dumps(found).encode("ascii")
    run = begin(case)
    assert run.state.steps["a"]["outcome"]["status"] == "done"
    run.intent([{"id": "b"}], urgent=True)
    run.end("ok")


def test_opening_a_damaged_case_works_and_says_so(case: store.Store) -> None:
    work(case, "a", "b")
    (run,) = ledger_record.layout(case.list("ledger")).chains
    tamper_change(case, ledger_record.path(run, 2))
    opened = begin(case)
    assert [problem["seq"] for problem in opened.problems] == [3]
    assert "b" in opened.state.steps


def test_a_ledger_folder_that_is_a_link_is_reported(case: store.Store, tmp_path: Path) -> None:
    work(case, "a")
    assert case.root
    (case.root / "ledger").rename(tmp_path / "elsewhere")
    (case.root / "ledger").symlink_to(tmp_path / "elsewhere")
    assert any("leads out" in why for why in whys(case))


def test_a_read_that_fails_is_not_an_absent_record(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    work(case, "a")
    get = case.get

    def flaky(path: str) -> bytes:
        if path.endswith("2.json"):
            raise store.StoreUnavailable("timed out", object=path)
        return get(path)

    monkeypatch.setattr(case, "get", flaky)
    with pytest.raises(store.StoreUnavailable):
        begin(case)
    assert any("cannot be read: timed out" in why for why in whys(case))


def test_an_end_written_while_another_run_works_names_it(case: store.Store) -> None:
    slow = begin(case)
    slow.intent([{"id": "a"}], urgent=True)
    work(case, "b")
    slow.end("ok")
    last = max(records(case), key=lambda record: record["order"])
    assert list(last["heads"]) == [run for run in ledger_record.layout(case.list("ledger")).chains if run != slow.run]


def test_five_thousand_steps_stay_small(case: store.Store) -> None:
    tracemalloc.start()
    try:
        run = begin(case)
        for start_at in range(0, 5000, 100):
            run.intent([{"id": f"s{number}", "before": {"x": "y" * 500}, "after": {"x": "z" * 500}} for number in range(start_at, start_at + 100)], urgent=True)
            run.outcome([{"id": f"s{number}", "status": "done", "at": "now"} for number in range(start_at, start_at + 100)])
        run.end("ok")
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60e6
    assert len(begin(case).state.steps) == 5000

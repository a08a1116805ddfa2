# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What intent() returned for survives anything, and a crash is told from a run at work."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import (
    ledger,
    process,
    store,
)
from tests.unit.common.ledger_cases import HEAD, ROOT, begin, records, start, whys


@pytest.fixture
def case(tmp_path: Path) -> store.Store:
    return store.case_store(str(tmp_path / "cases"), "IR-1")


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


@pytest.mark.parametrize("skew", [0, 70, -125, 3600])
def test_a_run_on_another_machine_is_alive_as_long_as_its_lease(case: store.Store, monkeypatch: pytest.MonkeyPatch, skew: int) -> None:
    from ansible_collections.evict.cloud.plugins.module_utils.common import lease

    elsewhere = {**process.identity(), "host": "other", "boot": "other"}
    with monkeypatch.context() as patch:
        patch.setattr(process, "identity", lambda: elsewhere)
        run = begin(case)
        run.intent([{"id": "a"}], urgent=True)
        now = datetime.datetime.now(datetime.UTC)
        hold = lease.Lease.acquire(case, run=run.run, verb="recover", holder="jo", clock=lambda: now + datetime.timedelta(seconds=skew))
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
        subprocess.Popen(
            [sys.executable, "-c", HEAD + code, case.url], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        for _n in range(2)
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

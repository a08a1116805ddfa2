# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run writes its chain: what it promises, and how threads share records."""

from __future__ import annotations

import collections
import datetime
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import (
    errors,
    ledger,
    ledger_record,
    store,
)
from tests.unit.common.ledger_cases import begin, records, whys, work


@pytest.fixture
def case(tmp_path: Path) -> store.Store:
    return store.case_store(str(tmp_path / "cases"), "IR-1")


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


def test_a_full_record_does_not_wait_for_company(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "INTENT_WAIT", 3600.0)
    run = begin(case)
    full = threading.Thread(target=run.intent, args=([{"id": str(number)} for number in range(200)],), daemon=True)
    full.start()
    full.join(20)
    assert not full.is_alive()


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
        raise store.StoreUnavailable(
            f"cannot write {path}: No space left on device", object=path, operation="write", remedy="free some space"
        )

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
    calls = (
        lambda: run.intent([{"id": "c"}]),
        lambda: run.outcome([{"id": "a"}]),
        lambda: run.note("x", {}),
        run.flush,
        lambda: run.end("ok"),
    )
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

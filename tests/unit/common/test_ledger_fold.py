# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A case folds to the same state, from a checkpoint or from all records, whoever wrote them."""

from __future__ import annotations

import collections
import itertools
import json
import time
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.common import (
    ledger,
    ledger_read,
    ledger_record,
    ledger_state,
    store,
)
from tests.unit.common.ledger_cases import begin, records, whys, work


@pytest.fixture
def case(tmp_path: Path) -> store.Store:
    return store.case_store(str(tmp_path / "cases"), "IR-1")


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


def test_an_outcome_of_an_overtaken_run_does_not_settle_the_later_run(case: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(time.time_ns(), 10**9)
    monkeypatch.setattr(ledger.time, "time_ns", lambda: next(ticks))
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
            record |= {
                "kind": "start",
                "heads": {other: {"seq": seqs[other]} for other in RUNS if seqs[other] and other != run},
                "process": {},
            }
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
    assert text(
        ledger_state.fold_all(ledger_state.State(), [record for run in runs for record in history if record["run"] == run])
    ) == text(whole)
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


def test_few_checkpoints_are_kept_and_a_store_that_forbids_deleting_is_no_obstacle(
    case: store.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
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

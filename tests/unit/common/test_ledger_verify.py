# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was tampered with is found, and damage stops nobody."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
import typing as t
from pathlib import Path

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import (
    ledger,
    ledger_record,
    process,
    store,
)
from tests.unit.common.ledger_cases import begin, records, whys, work


@pytest.fixture
def case(tmp_path: Path) -> store.Store:
    return store.case_store(str(tmp_path / "cases"), "IR-1")


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


def test_a_chain_begins_with_a_start_and_has_one(case: store.Store) -> None:
    work(case, "a")
    (run,) = ledger_record.layout(case.list("ledger")).chains
    start = json.loads(case.get(ledger_record.path(run, 1)))
    for kinds, why in ((("steps", "end"), "does not begin with a start"), (("start", "start", "end"), "a start in the middle")):
        forged, prev = ledger_record.new_id(), ""
        for seq, kind in enumerate(kinds, 1):
            data = ledger_record.canonical({**start, "run": forged, "seq": seq, "prev": prev, "kind": kind, "status": "ok"})
            case.put(ledger_record.path(forged, seq), data)
            prev = ledger_record.digest(data)
        assert [(problem["chain"], why in problem["why"]) for problem in ledger.verify(case)["problems"]][-1] == (forged, True)


def test_a_chain_copied_under_another_name_is_found(case: store.Store) -> None:
    work(case, "a")
    (run,) = ledger_record.layout(case.list("ledger")).chains
    copy = ledger_record.new_id()
    for path in case.list(f"ledger/{run}"):
        case.put(path.replace(run, copy), case.get(path))
    found = ledger.verify(case)
    assert [problem["seq"] for problem in found["problems"] if problem["chain"] == copy and "another place" in problem["why"]] == [
        1,
        2,
        3,
        4,
    ]
    assert begin(case).state.runs.keys() == {run}


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
            run.intent(
                [{"id": f"s{number}", "before": {"x": "y" * 500}, "after": {"x": "z" * 500}} for number in range(start_at, start_at + 100)],
                urgent=True,
            )
            run.outcome([{"id": f"s{number}", "status": "done", "at": "now"} for number in range(start_at, start_at + 100)])
        run.end("ok")
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60e6
    assert len(begin(case).state.steps) == 5000

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo from the ledger: three-way, back to the incident's first state, and never what somebody else has changed."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import plan, restore, run
from ansible_collections.evict.cloud.plugins.module_utils.common.chain import Job
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import Ledger
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Phase, Step
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Runner
from ansible_collections.evict.cloud.plugins.module_utils.common.store import case_store
from tests.unit.common.fake_cloud import HERE, KEY_ID, FakeCloud, create, probe, put

Keep = Any
NOTHING: Keep = lambda _step: None  # noqa: E731


class Room:
    """A cloud and a ledger on disk; every call of `do` and `undo` is a run of its own."""

    def __init__(self, folder: Path, **things: Any) -> None:
        self.cloud = FakeCloud(**things)
        self.store = case_store(str(folder), "IR-1")

    def open(self) -> Ledger:
        return Ledger.open(self.store, incident="IR-1", module="test")

    def _run(self, ledger: Ledger, steps: list[Step], check: bool = False) -> Runner:
        history = {i: {"outcome": h["answered"]} for i, h in ledger.state.steps.items() if h.get("answered")}
        runner = Runner({"fake": self.cloud}, None if check else ledger, check=check, history=history, threads=2)
        runner.recover(ledger.open_intents())
        runner.add("p", HERE.account, [Job(phase, lambda _r, phase=phase: [s for s in steps if s.phase == phase]) for phase in Phase])
        runner.wait()
        runner.close()
        if not check:
            ledger.end("ok")
        return runner

    def do(self, *steps: Step) -> Runner:
        return self._run(self.open(), list(steps))

    def verdicts(self, ledger: Ledger, keep: Keep = NOTHING) -> list[restore.Verdict]:
        reader = Reader({"fake": self.cloud})
        return [v for first, latest in restore.standing(ledger.state.steps) if (v := restore.judge(first, latest, reader, keep))]

    def undo(self, keep: Keep = NOTHING, check: bool = False) -> tuple[list[restore.Verdict], Runner]:
        ledger = self.open()
        found = self.verdicts(ledger, keep)
        return [v for v in found if not v.step], self._run(ledger, [v.step for v in found if v.step], check)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_READ_BACK_TRIES", (0.0, 0.01))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_undo_after_do_is_the_identity(room: Room) -> None:
    room.cloud.things = {"b": "old"}
    room.do(put("a"), put("b", before="old"))
    assert room.cloud.things == {"a": "new", "b": "new"}
    left, runner = room.undo()
    assert left == [] and room.cloud.things == {"b": "old"} and runner.changed == 2 and runner.failures == []
    left, runner = room.undo()
    assert left == [] and runner.changed == 0 and runner.done == {}


def test_back_to_what_the_incident_found_first_not_last(room: Room) -> None:
    room.cloud.things = {"a": "first"}
    room.do(put("a", after="one", before="first"))
    room.do(put("a", after="two", before="one"))
    room.undo()
    assert room.cloud.things == {"a": "first"}


def test_done_undone_done_undone(room: Room) -> None:
    room.cloud.things = {"a": "first"}
    for _ in range(2):
        room.do(put("a", before="first"))
        assert room.cloud.things == {"a": "new"}
        room.undo()
        assert room.cloud.things == {"a": "first"}
    assert restore.standing(room.open().state.steps) == []


def test_what_somebody_changed_since_is_a_conflict_and_left(room: Room) -> None:
    room.do(put("a"), put("b"))
    room.cloud.things["a"] = "theirs"
    (left,), runner = room.undo()
    assert left.kind == "conflict" and left.resource == "thing a" and room.cloud.things == {"a": "theirs"} and runner.changed == 1


def test_what_somebody_put_back_already_is_nothing_to_do(room: Room) -> None:
    room.cloud.things = {"a": "old"}
    room.do(put("a", before="old"))
    room.cloud.things["a"] = "old"
    left, runner = room.undo()
    assert left == [] and runner.done == {}


def test_what_was_so_before_is_never_undone(room: Room) -> None:
    room.cloud.things = {"a": "new"}
    room.do(put("a", before="new"))
    left, _runner = room.undo()
    assert left == [] and room.cloud.things == {"a": "new"}


def test_a_failed_step_is_not_undone(room: Room) -> None:
    room.cloud.faults = {"Put": [("AccessDenied", "no")]}
    room.do(put("a"))
    room.cloud.things["a"] = "new"  # somebody else's
    left, _runner = room.undo()
    assert left == [] and room.cloud.things == {"a": "new"}


def test_a_later_attempt_that_failed_does_not_take_back_what_was_done(room: Room) -> None:
    room.cloud.things = {"a": "old"}
    room.do(put("a", after="one", before="old"))
    room.cloud.faults = {"Put": [("AccessDenied", "no")]}
    assert room.do(put("a", after="two", before="one")).done["p#a"].status == "failed"
    left, runner = room.undo()
    assert left == [] and room.cloud.things == {"a": "old"} and runner.changed == 1


@pytest.mark.parametrize("there", ["one", "two", "old"])
def test_two_dead_runs_at_the_same_thing(room: Room, there: str) -> None:
    """Whatever of the two was carried out is found and undone; nothing is undone when neither was."""
    room.cloud.things = {"a": "old"}
    for after in ("one", "two"):
        dead = room.open()
        dead.intent([plan.encode(put("a", after=after, before="old", phase=Phase.CREDENTIAL))], urgent=True)
    room.cloud.things["a"] = there
    ledger = room.open()
    runner = Runner({"fake": room.cloud}, ledger, threads=2)
    found = runner.recover([entry["step"] for entry in ledger.state.unsettled()])
    runner.close()
    ledger.end("ok")
    assert len(found) == 2 and room.open().state.unsettled() == []
    left, _ = room.undo()
    assert left == [] and room.cloud.things == {"a": "old"}


def test_a_step_that_was_written_but_never_seen_is_undone(room: Room) -> None:
    room.cloud.blind = {"a"}
    assert room.do(put("a")).done["p#a"].status == "unverified"
    room.cloud.blind = set()
    room.undo()
    assert room.cloud.things == {}


def test_what_cannot_be_undone_says_why(room: Room) -> None:
    room.cloud.things = {"a": "old"}
    room.do(put("a", before="old", undo=(), irreversible="the cloud keeps no copy"))
    (left,), runner = room.undo()
    assert (left.kind, left.why) == ("irreversible", "the cloud keeps no copy") and runner.done == {}


@pytest.mark.parametrize("kind", ["due", "kept"])
def test_a_rule_of_the_cloud_may_keep_it(room: Room, kind: str) -> None:
    room.do(put("a", expires="2030-01-01T00:00:00Z"))
    (left,), _ = room.undo(lambda step: (kind, "why", step.expires))
    assert (left.kind, left.why, left.due) == (kind, "why", "2030-01-01T00:00:00Z") and room.cloud.things == {"a": "new"}
    assert room.undo()[0] == [] and room.cloud.things == {}


def test_what_cannot_be_read_is_unknown_and_left(room: Room) -> None:
    room.do(put("a"), put("b"))
    room.cloud.faults = {"Get": [("AccessDenied", "no")]}
    (left,), runner = room.undo()
    assert left.kind == "unknown" and "AccessDenied" in left.why and len(room.cloud.things) == 1 and runner.changed == 1


def test_a_rule_is_asked_before_a_conflict_is_told(room: Room) -> None:
    """What stays for good is no conflict for a human."""
    room.do(put("a"))
    room.cloud.things["a"] = "theirs"
    (left,), _ = room.undo(lambda _step: ("kept", "compromised", None))
    assert left.kind == "kept"


def test_check_mode_undoes_nothing(room: Room) -> None:
    room.do(put("a"))
    before = room.store.list()
    _left, runner = room.undo(check=True)
    assert runner.done["undo:p#a"].status == "would" and room.cloud.things == {"a": "new"} and room.store.list() == before
    assert runner.diff() == [{"before_header": "thing a", "after_header": "thing a", "before": "new\n", "after": ""}]


def test_undo_goes_backwards(room: Room) -> None:
    room.do(put("a"))
    room.do(put("b"))
    assert [latest.id for _first, latest in restore.standing(room.open().state.steps)] == ["p#b", "p#a"]


# -- creations ---------------------------------------------------------------------------------------------------------


def test_a_creation_is_undone_by_the_id_that_it_got(room: Room) -> None:
    room.cloud.keys = {"OLD": "x"}
    room.do(create(["OLD"]))
    room.cloud.keys["THEIRS"] = "y"
    left, runner = room.undo()
    assert left == [] and set(room.cloud.keys) == {"OLD", "THEIRS"} and runner.changed == 1
    left, runner = room.undo()
    assert left == [] and runner.done == {} and runner.failures == []


def test_a_creation_that_is_gone_already_is_nothing_to_do(room: Room) -> None:
    room.do(create())
    room.cloud.keys.clear()
    left, runner = room.undo()
    assert left == [] and runner.done == {} and runner.failures == []


def test_a_step_whose_after_is_a_reference_is_undone_and_a_conflict_is_still_seen(room: Room) -> None:
    name = put("name", after=KEY_ID, phase=Phase.CREDENTIAL, do=(Call(HERE, "fake", "Put", {"Name": "name", "Value": KEY_ID}),))
    room.do(create(), name)
    assert room.cloud.things == {"name": "KEY1"}
    room.cloud.things["name"] = "theirs"
    (left,) = [v for v in room.verdicts(room.open()) if not v.step]
    assert left.kind == "conflict"
    room.cloud.things["name"] = "KEY1"
    left_over, runner = room.undo()
    assert left_over == [] and runner.failures == [] and room.cloud.things == {} and room.cloud.keys == {}


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_undoing_a_creation_the_next_run_finishes(room: Room, when: str) -> None:
    room.do(create())
    ledger = room.open()
    (verdict,) = room.verdicts(ledger)
    assert verdict.step is not None
    ledger.intent([plan.encode(verdict.step)], urgent=True)
    ledger.flush()  # killed here: no outcome, no end
    if when == "after":
        room.cloud.keys.clear()
    ledger._thread = None
    runner = _as_dead(room, ledger)
    assert room.cloud.keys == {} and runner.failures == []
    assert restore.standing(room.open().state.steps) == [] and room.open().open_intents() == []


def _as_dead(room: Room, dead: Ledger) -> Runner:
    """The next undo, for which the run `dead` is over (its process is ours, so it has to be told)."""
    ledger = room.open()
    left = [entry["step"] for entry in ledger.state.unsettled() if entry["run"] == dead.run]
    ledger.open_intents = lambda: left  # type: ignore[method-assign]
    history = {i: {"outcome": h["answered"]} for i, h in ledger.state.steps.items() if h.get("answered")}
    runner = Runner({"fake": room.cloud}, ledger, history=history, threads=2)
    runner.recover(left)
    ledger.flush()
    steps = [v.step for v in room.verdicts(ledger) if v.step]
    runner.add("p", HERE.account, [Job(Phase.CREDENTIAL, lambda _r: steps)])
    runner.wait()
    runner.close()
    ledger.end("ok")
    return runner


@pytest.mark.parametrize("done", [False, True])
def test_killed_while_undoing_the_next_run_finishes(room: Room, done: bool) -> None:
    room.cloud.things = {"a": "old"}
    room.do(put("a", before="old", phase=Phase.CREDENTIAL))
    ledger = room.open()
    (verdict,) = room.verdicts(ledger)
    assert verdict.step is not None
    ledger.intent([plan.encode(verdict.step)], urgent=True)
    if done:
        room.cloud.things["a"] = "old"
    runner = _as_dead(room, ledger)
    assert room.cloud.things == {"a": "old"} and runner.failures == [] and restore.standing(room.open().state.steps) == []


def test_a_document_edited_elsewhere_is_restored_in_our_part_only(room: Room) -> None:
    """`owns`/probe see our statement; what others wrote beside it is no conflict."""
    from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Edit

    ours = {"Sid": "E", "Effect": "Deny"}
    room.cloud.things = {"doc": {"Statement": [{"Sid": "theirs"}]}}
    seen = dataclasses.replace(probe("doc"), path=("Value", "Statement", {"Sid": "E"}))
    doc = {"Name": "doc"}
    room.do(put("doc", before=None, after=ours, probe=seen, do=(Edit(HERE, doc, "add_statement", {"statement": ours}),),
                undo=(Edit(HERE, doc, "remove_statement", {"sid": "E"}),)))  # fmt: skip
    room.cloud.things["doc"]["Statement"].append({"Sid": "late"})
    left, _ = room.undo()
    assert left == [] and room.cloud.things["doc"]["Statement"] == [{"Sid": "theirs"}, {"Sid": "late"}]


def test_every_order_of_two_incidents_steps_ends_where_it_began(tmp_path: Path) -> None:
    """Different resources, done and undone in every order."""
    for number, order in enumerate(itertools.permutations(("a", "b", "c"))):
        room = Room(tmp_path / str(number), a="1", b="2", c="3")
        for name in order:
            room.do(put(name, before=room.cloud.things[name]))
        room.undo()
        assert room.cloud.things == {"a": "1", "b": "2", "c": "3"}

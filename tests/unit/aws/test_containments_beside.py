# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two containments of one case at once: neither gives the attacker back what the other took away, and neither takes the other for the attacker."""

from __future__ import annotations

import json
import threading
import time
import types
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import account_state, answers, comparison, own, put_back
from ansible_collections.evict.cloud.plugins.module_utils.aws.account_state import Change
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.common import ledger_record, plan
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import EvictError
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import identity
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import Ledger
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Phase, Step, Target
from ansible_collections.evict.cloud.plugins.module_utils.common.store import Store, StoreUnavailable, case_store

A = "111122223333"
CI = f"arn:aws:iam::{A}:role/ci"
EVE = f"arn:aws:iam::{A}:user/eve"
ADM = f"arn:aws:iam::{A}:policy/adm"
HERE = Target("aws", A)


def held(arn: str, facet: str, before: Any, after: Any) -> Step:
    """What puts ``before`` back, once somebody has made ``after`` of it."""
    (step,) = put_back.steps(Change(arn, facet, before, after), HERE)
    return step


def fence(arn: str, before: Any, after: Any) -> Step:
    call = Call(HERE, "iam", "PutRolePolicy", {})
    return Step(
        id=f"{arn}#policy/evict-quarantine-IR-1", principal=arn, resource=arn, action="deny everything", phase=Phase.FENCE,
        before=before, after=after, do=(call,), probe=None, undo=(),
    )  # fmt: skip


class Answers:
    """Notes what is to be answered."""

    def __init__(self) -> None:
        self.asked: list[Change] = []
        self.unsure = False
        self.left = types.SimpleNamespace(
            left=lambda _account: [], changes=lambda *_a: {}, reverts=lambda _account: [], over=lambda *_a: None
        )
        self.hostile = None

    def begin(self, *_: Any) -> None:
        pass

    def answer(self, change: Change, _ours: Any, _authors: Any, _entry: Any = None, *, unsure: bool = False) -> None:
        self.asked.append(change)
        self.unsure = unsure


def compare(
    monkeypatch: pytest.MonkeyPatch,
    before: account_state.State,
    now: account_state.State,
    mine: list[Step],
    beside: list[Step] | EvictError,
) -> list[Any]:
    """What one pass asks about, (ARN, facet, what is there now); then why it is not sure."""

    def meanwhile(_case: Any) -> list[Step]:
        if isinstance(beside, EvictError):
            raise beside
        return beside

    monkeypatch.setattr(account_state, "read", lambda *_a, **_k: ({arn: dict(facets) for arn, facets in now.items()}, []))
    monkeypatch.setattr(own, "meanwhile", meanwhile)
    said: set[str] = set()
    run = types.SimpleNamespace(
        aws=types.SimpleNamespace(partition="aws"), principals={}, former={}, incident=None, trusted=set(),
        moving=types.SimpleNamespace(made_by_us=lambda _change: False),
    )  # fmt: skip
    runner = types.SimpleNamespace(clouds={}, undone=[], done={})
    hold = types.SimpleNamespace(
        on=True, saved={}, run=run, runner=runner, case=types.SimpleNamespace(history={}), before={A: before}, since={}, start=lambda: "2026-11-22T08:59:00Z",
        compared=lambda _account, gaps: said.update(gaps), lock=threading.RLock(),
    )  # fmt: skip
    monkeypatch.setattr(comparison, "Authors", lambda *_a: types.SimpleNamespace(gaps=[]))
    monkeypatch.setattr(comparison.credentials, "Asked", types.SimpleNamespace(by=lambda _incident: types.SimpleNamespace(since="")))
    asked = Answers()
    comparison.Comparison(hold, asked).account(A, mine)  # type: ignore[arg-type]
    assert asked.unsure is bool(said)
    return [*((change.arn, change.facet, change.after) for change in asked.asked), *said]


GIVEN = [(CI, f"attached/{ADM}", True), (EVE, "group/Admins", True), (CI, "boundary", ADM), (CI, "inline/all", {"Statement": []})]


@pytest.mark.parametrize(("arn", "facet", "value"), GIVEN)
def test_what_a_containment_beside_took_away_is_not_given_back(monkeypatch: pytest.MonkeyPatch, arn: str, facet: str, value: Any) -> None:
    """The attacker had added it before this run began; the one beside, which began earlier, takes it away."""
    before, now = {arn: {"created": "a", facet: value}}, {arn: {"created": "a"}}
    assert compare(monkeypatch, before, now, [], [held(arn, facet, None, value)]) == []
    assert compare(monkeypatch, before, now, [], []) == [(arn, facet, None)]


@pytest.mark.parametrize(("arn", "facet", "value"), GIVEN)
def test_what_this_run_took_away_stays_away_whoever_writes_it_again(
    monkeypatch: pytest.MonkeyPatch, arn: str, facet: str, value: Any
) -> None:
    before, now = {arn: {"created": "a"}}, {arn: {"created": "a", facet: value}}
    mine, beside = held(arn, facet, None, value), held(arn, facet, value, None)
    assert compare(monkeypatch, before, now, [mine], [beside]) == [(arn, facet, value)]
    assert compare(monkeypatch, before, now, [], [beside]) == []
    # The other one, which sees it taken away, leaves it at that: they do not fight.
    assert compare(monkeypatch, now, before, [beside], [mine]) == []


def test_a_control_of_ours_that_is_gone_is_written_again_whoever_took_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    deny, place = {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}, "inline/evict-quarantine-IR-1"
    before = {CI: {"created": "a"}}
    assert compare(monkeypatch, before, before, [fence(CI, None, deny)], [held(CI, place, None, deny)]) == [(CI, place, None)]


def test_a_fence_that_a_containment_beside_wrote_otherwise_is_no_attack(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "inline/evict-quarantine-IR-1"
    mine, other = ({"Statement": [{"Sid": sid, "Effect": "Deny", "Action": "*", "Resource": "*"}]} for sid in ("mine", "other"))
    before, now = {CI: {"created": "a"}}, {CI: {"created": "a", place: other}}
    assert compare(monkeypatch, before, now, [fence(CI, None, mine)], [fence(CI, mine, other)]) == []
    assert compare(monkeypatch, before, now, [fence(CI, None, mine)], []) == [(CI, place, other)]


# -- what the ledger says of them ------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return case_store(str(tmp_path / "cases"), "IR-1")


def begin(store: Store) -> Ledger:
    return Ledger.open(store, incident="IR-1", module="aws_contain", contain=True)


def of(store: Store) -> Any:
    """A case that a run opens now."""
    return types.SimpleNamespace(store=store, ledger=begin(store))


def write(ledger: Ledger, *facets: str, status: str = "done") -> None:
    steps = [held(CI, facet, None, True) for facet in facets]
    ledger.intent([plan.encode(step) for step in steps])
    if status:
        ledger.outcome([{"id": step.id, "status": status} for step in steps])
        ledger.flush()


def facets(case: Any) -> list[str]:
    return sorted(step.fragment.removeprefix("held/attached/") for step in own.meanwhile(case))


@pytest.mark.parametrize("slow", [-7200, -120, 0, 7200])
def test_what_a_run_beside_did_is_told_by_its_place_in_the_ledger(store: Store, monkeypatch: pytest.MonkeyPatch, slow: int) -> None:
    """Whatever the clock of its machine says."""
    monkeypatch.setattr(ledger_record, "now", lambda: ledger_record.rfc3339(time.time_ns() // 1_000_000 + slow * 1000))
    ended, beside = begin(store), begin(store)
    write(ended, "attached/ended")
    ended.end("ok")
    write(beside, "attached/before")
    write(beside, "attached/begun", status="")
    case = of(store)
    assert facets(case) == ["begun"]  # it may be carried out now
    write(beside, "attached/later")
    late = begin(store)
    write(late, "attached/last")
    late.end("ok")
    write(case.ledger, "attached/mine", "attached/begun")
    assert facets(case) == ["begun", "last", "later"]


def test_a_record_that_nobody_of_ours_wrote_hides_none(store: Store) -> None:
    beside, case = begin(store), of(store)
    write(beside, "attached/one")
    store.put(ledger_record.path(ledger_record.new_id(), 1), b"[]")
    store.put(ledger_record.path(beside.run, 99), b'{"version": 1')
    record = json.loads(store.get(ledger_record.path(beside.run, 2)))
    strange = {**record, "seq": 98, "intents": [{"$step": {"id": "x", "phase": "NO SUCH"}}]}
    store.put(ledger_record.path(beside.run, 98), ledger_record.canonical(strange))
    assert facets(case) == ["one"]


@pytest.mark.parametrize("what", ["list", "get"])
def test_what_cannot_be_read_is_not_nothing(store: Store, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    beside, case = begin(store), of(store)
    write(beside, "attached/one")

    def away(*_: Any) -> Any:
        raise StoreUnavailable("unreachable")

    with monkeypatch.context() as patch:
        patch.setattr(store, what, away)
        with pytest.raises(StoreUnavailable):
            own.meanwhile(case)
    assert facets(case) == ["one"]


def test_while_it_is_not_known_what_a_run_beside_did_nothing_is_undone_of_which_nobody_knows_the_author(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = Principal(A, "user", "eve", "AIDAEVE", EVE, EVE)
    kept: list[Any] = []
    left = types.SimpleNamespace(event=lambda *_: None, keep=lambda *a, **k: kept.append((a, k)))
    case = types.SimpleNamespace(history={})
    run = types.SimpleNamespace(principals={identity(EVE): user}, former={}, case=case)
    hold = types.SimpleNamespace(run=run, runner=None, case=case, passes=0, since={})
    monkeypatch.setattr(answers, "Unanswered", lambda _run: left)
    made = answers.Answers(hold)  # type: ignore[arg-type]
    undone: list[Any] = []
    monkeypatch.setattr(made, "_undo", lambda *a: undone.append(a))
    made.begin(A, "2026-11-22T09:00:00Z")
    change, authors = Change(EVE, "group/Admins", None, True), types.SimpleNamespace(of=lambda _change: None)
    made.answer(change, None, authors, unsure=True)  # type: ignore[arg-type]
    assert (len(kept), undone) == (1, []) and kept[0][1]["meanwhile"] is True  # a later pass may undo it
    made.answer(change, None, authors)  # type: ignore[arg-type]
    assert len(undone) == 1

    before = {CI: {"created": "a"}}
    found = compare(monkeypatch, before, {CI: {"created": "a", "boundary": ADM}}, [], StoreUnavailable("unreachable"))
    assert found == [(CI, "boundary", ADM), f"account {A}: what runs beside this one did: unreachable"]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two containments of one case at once: neither gives the attacker back what the other took away, and neither takes the other for the attacker."""

from __future__ import annotations

import threading
import types
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import account_state, comparison, own, put_back
from ansible_collections.evict.cloud.plugins.module_utils.aws.account_state import Change
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Phase, Step, Target

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
        self.left = types.SimpleNamespace(
            left=lambda _account: [], changes=lambda *_a: {}, reverts=lambda _account: [], over=lambda *_a: None
        )
        self.hostile = None

    def begin(self, *_: Any) -> None:
        pass

    def answer(self, change: Change, _ours: Any, _authors: Any, _entry: Any = None) -> None:
        self.asked.append(change)


def compare(
    monkeypatch: pytest.MonkeyPatch, before: account_state.State, now: account_state.State, mine: list[Step], beside: list[Step]
) -> list[tuple[str, str, Any]]:
    """What one pass asks about, (ARN, facet, what is there now); a second pass over the same asks nothing more of it."""
    monkeypatch.setattr(account_state, "read", lambda *_a, **_k: ({arn: dict(facets) for arn, facets in now.items()}, []))
    monkeypatch.setattr(own, "meanwhile", lambda *_a: beside)
    run = types.SimpleNamespace(
        aws=types.SimpleNamespace(partition="aws"), principals={}, former={}, incident=None, trusted=set(),
        moving=types.SimpleNamespace(made_by_us=lambda _change: False),
    )  # fmt: skip
    runner = types.SimpleNamespace(clouds={}, undone=[], done={})
    hold = types.SimpleNamespace(
        run=run, runner=runner, case=types.SimpleNamespace(history={}), before={A: before}, since={}, start=lambda: "2026-11-22T08:59:00Z",
        compared=lambda *_a: None, lock=threading.RLock(),
    )  # fmt: skip
    monkeypatch.setattr(comparison, "Authors", lambda *_a: types.SimpleNamespace(gaps=[]))
    monkeypatch.setattr(comparison.credentials, "Asked", types.SimpleNamespace(by=lambda _incident: types.SimpleNamespace(since="")))
    answers = Answers()
    comparison.Comparison(hold, answers).account(A, mine)  # type: ignore[arg-type]
    return [(change.arn, change.facet, change.after) for change in answers.asked]


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

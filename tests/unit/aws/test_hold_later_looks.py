# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A later look, pass by pass, over accounts that are data: what it takes for an attack, and what it does not."""

from __future__ import annotations

import dataclasses
import datetime
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import comparison, policy, put_back
from ansible_collections.evict.cloud.plugins.module_utils.aws.account_state import Change, State
from ansible_collections.evict.cloud.plugins.module_utils.aws.answers import Answers
from ansible_collections.evict.cloud.plugins.module_utils.aws.comparison import Comparison
from ansible_collections.evict.cloud.plugins.module_utils.aws.hold import Hold
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import identity
from ansible_collections.evict.cloud.plugins.module_utils.common.incident import validate
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger_state import State as Folded
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger_state import fold
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Phase, Step, Target, encode
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Done

A = "111122223333"
USERS, ROLES = f"arn:aws:iam::{A}:user/", f"arn:aws:iam::{A}:role/"
INCIDENT = validate({"id": "IR-1", "opened": "2026-01-01T00:00:00Z", "suspects": [{"cloud": "aws", "arn": f"{USERS}mallory"}]}, "incident")
DENY = policy.deny_all("EvictX")
FENCE = "inline/evict-quarantine-IR-1"


def user(name: str) -> Principal:
    return Principal(A, "user", name, f"AIDA{name.upper()}", f"{USERS}{name}", f"{USERS}{name}")


def fence(name: str, before: Any = None) -> Step:
    return policy.inline_step(user(name), INCIDENT, "quarantine", DENY, before, "deny everything", Phase.FENCE)


def event(by: str, name: str, when: str) -> dict[str, Any]:
    return {
        "eventName": name,
        "eventTime": when,
        "userIdentity": {"type": "IAMUser", "arn": f"{USERS}{by}", "accountId": A, "userName": by},
    }


class Case:
    """A ledger in memory, folded as the real one."""

    def __init__(self) -> None:
        self.state, self._records = Folded(), 0
        self.check = False
        self.ledger = self
        self.run = "earlier"

    def _add(self, **content: Any) -> None:
        self._records += 1
        place = {"run": self.run, "seq": self._records, "order": self._records, "time": "2026-01-01T10:00:00Z", "kind": "steps"}
        self.state = fold(self.state, {**place, **content})

    def did(self, step: Step, at: str) -> None:
        self._add(intents=[encode(step)])
        self._add(outcomes=[{"id": step.id, "status": "done", "at": at}])

    def note(self, kind: str, data: dict[str, Any]) -> None:
        self._add(notes=[{"kind": kind, "data": data}])

    def notes(self, kind: str) -> list[dict[str, Any]]:
        return list(self.state.notes.get(kind, ()))

    @property
    def history(self) -> dict[str, Any]:
        return self.state.steps

    def open_intents(self) -> list[dict[str, Any]]:
        return [entry["step"] for entry in self.state.unsettled() if entry["run"] != self.run]

    def compromised(self) -> tuple[set[str], set[str]]:
        return set(), set()


class Look:
    """One look of ``phase=hold`` over one account: ``saved`` is what the last one kept, ``events`` what the log tells of a place."""

    def __init__(self, case: Case, saved: State, *contained: Principal, trusted: str = "") -> None:
        case.run = "look"
        self.case, self.now, self.events, self.added, self.suspects = case, saved, {}, [], []  # type: ignore[var-annotated]
        runner = types.SimpleNamespace(done={}, undone=[], clouds={}, failures=[])
        runner.add = lambda _arn, _account, jobs: self.added.extend(step for job in jobs for step in job.make(None))
        runner.fail = lambda error, _object="": runner.failures.append(error.message)
        aws = types.SimpleNamespace(
            partition="aws", caller={"arn": "arn:aws:iam::999988887777:user/ada", "account": "999988887777"},
            responder_arn=lambda account: f"arn:aws:iam::{account}:role/responder", now=lambda: datetime.datetime.now(datetime.UTC),
        )  # fmt: skip
        findings = types.SimpleNamespace(mended=set(), take=lambda found: self.suspects.append(found.arn))
        self.run: Any = types.SimpleNamespace(
            case=case, runner=runner, aws=aws, incident=INCIDENT, findings=findings, scope=None, former={}, share="", open=[],
            principals={identity(p.arn): p for p in contained}, trusted={identity(trusted)}, moving=types.SimpleNamespace(made_by_us=lambda _change: False),
        )  # fmt: skip
        self.gaps: list[str] = []
        self.watch: list[str] = []
        self.hold: Any = types.SimpleNamespace(
            on=True, run=self.run, runner=runner, case=case, before={A: saved}, since={A: "2026-01-01T10:00:00Z"}, passes=0, lock=threading.RLock(),
            start=lambda: "2026-01-01T11:00:00Z", missing=lambda _account, error: self.gaps.append(str(error)),
            saved={A: max((n["place"] for n in case.notes("evidence")), default=[])}, compared=lambda _account, _gaps: None, watch_for=lambda _object, why: self.watch.append(why),
        )  # fmt: skip
        self.answers = Answers(self.hold)
        self.answers.suspect = lambda change, event: self.suspects.append(event["userIdentity"]["arn"])  # type: ignore[method-assign]
        self.comparison = Comparison(self.hold, self.answers)
        self.comparison.remember()

    def look(self, now: State, *mine: Step) -> None:
        self.now = now
        self.comparison.account(A, list(mine))
        self.hold.passes += 1
        assert self.gaps == []

    def reverted(self) -> list[str]:
        return [note["data"]["step"].rsplit("/", 1)[-1] for note in self.case.notes("reverted")]


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Look]]:
    """Makes looks at accounts that are data."""
    looks: list[Look] = []

    def begin(*args: Any, **more: Any) -> Look:
        looks.append(Look(*args, **more))
        return looks[-1]

    class Authors:
        def __init__(self, _aws: Any, _case: Any, _account: str, start: str, _seconds: float) -> None:
            self.start, self.gaps = start, []  # type: ignore[var-annotated]

        def all_of(self, change: Change) -> Iterator[dict[str, Any]]:
            yield from (e for e in looks[-1].events.get((change.arn, change.facet), ()) if e["eventTime"] >= self.start)

        def of(self, change: Change) -> dict[str, Any] | None:
            return next(self.all_of(change), None)

    class Busy:
        gaps: tuple[str, ...] = ()

        def __init__(self, *_: Any) -> None: ...

        def among(self, _state: State) -> list[str]:
            return []

        def before(self, state: State, _now: State) -> State:
            return state

    monkeypatch.setattr(comparison, "Authors", Authors)
    monkeypatch.setattr(comparison, "Busy", Busy)
    monkeypatch.setattr(comparison.account_state, "read", lambda *_a, **_k: (copy(looks[-1].now), []))
    monkeypatch.setattr(comparison.own, "meanwhile", lambda *_a, **_k: [])
    yield begin


def copy(state: State) -> State:
    return {arn: dict(facets) for arn, facets in state.items()}


# -- who is deleted, is not freed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", ["by the look before", "by this look"])
def test_whom_a_colleague_deletes_takes_no_control_away(account: Any, seen: str) -> None:
    """What was done to a user is gone with it: nobody works against the containment, whichever look sees it first."""
    case = Case()
    case.did(fence("mallory"), "2026-01-01T09:00:00Z")
    there = {f"{USERS}mallory": {"created": "x", FENCE: DENY}}
    look = account(case, {} if seen == "by the look before" else there)
    look.events[f"{USERS}mallory", "created"] = [event("ada", "DeleteUser", "2026-01-01T10:30:00Z")]
    for _pass in range(3):
        look.look({})
    assert (look.reverted(), look.added, look.suspects, look.answers.acted, look.answers.left.left()) == ([], [], [], 0, [])


def test_a_plan_that_misses_the_fence_of_whom_a_colleague_deletes_meanwhile_makes_nobody_a_suspect(account: Any) -> None:
    look = account(Case(), {f"{USERS}mallory": {"created": "x", FENCE: DENY}}, user("mallory"))
    look.events[f"{USERS}mallory", FENCE] = [event("ada", "DeleteUserPolicy", "2026-01-01T11:01:00Z")]
    look.run.runner.undone.append(fence("mallory"))
    look.look({})
    assert (look.suspects, look.reverted(), look.answers.acted) == ([], [], 0)


def test_who_is_made_anew_under_that_name_is_somebody_new(account: Any) -> None:
    case = Case()
    case.did(fence("mallory"), "2026-01-01T09:00:00Z")
    look = account(case, {})
    look.look({f"{USERS}mallory": {"created": "y"}})
    look.look({f"{USERS}mallory": {"created": "y"}})
    assert [entry.facet for entry in look.answers.left.left()] == ["created"]


def test_a_fence_that_is_gone_from_who_is_there_was_taken_away(account: Any) -> None:
    case = Case()
    case.did(fence("mallory"), "2026-01-01T09:00:00Z")
    look = account(case, {f"{USERS}mallory": {"created": "x", FENCE: DENY}})
    look.look({f"{USERS}mallory": {"created": "x"}})
    assert look.reverted() == ["evict-quarantine-IR-1"] and [step.after for step in look.added] == [DENY]


# -- who else touched a control ----------------------------------------------------------------------------------------------------


def test_of_several_who_touched_a_control_that_an_earlier_run_wrote_each_is_a_suspect(account: Any) -> None:
    """Of two that took it away the account shows the last one's work only; what came before it was written is nobody's."""
    case = Case()
    case.did(fence("mallory"), "2026-01-01T10:00:00Z")
    look = account(case, {f"{USERS}mallory": {"created": "x", FENCE: DENY}}, user("mallory"))
    look.hold.since[A] = "2026-01-01T08:00:00Z"
    look.events[f"{USERS}mallory", FENCE] = [
        event("sleeper", "DeleteUserPolicy", "2026-01-01T10:30:00Z"), event("helper", "PutUserPolicy", "2026-01-01T10:20:00Z"),
        event("ada", "PutUserPolicy", "2026-01-01T09:00:00Z"),
    ]  # fmt: skip
    look.look({f"{USERS}mallory": {"created": "x"}})
    assert [arn.rsplit("/", 1)[-1] for arn in look.suspects] == ["sleeper", "sleeper", "helper"]


# -- what is lifted between two looks ----------------------------------------------------------------------------------------------


def lifted(account: Any, case: Case | None = None, *, by: str = "", **more: Any) -> Look:
    """The fence was taken away after the last look, and is written again by this one before its first pass, as the plan of a suspect has it."""
    case = case or Case()
    case.run = "earlier"
    case.did(fence("mallory"), "2026-01-01T10:00:00Z")
    there = {f"{USERS}mallory": {"created": "x", FENCE: DENY}}
    look: Look = account(case, there, user("mallory"), **more)
    if by:
        look.events[f"{USERS}mallory", FENCE] = [event(by, "DeleteUserPolicy", "2026-01-01T10:20:00Z")]
    assert look.run.runner.standing(fence("mallory").id) == fence("mallory")
    again = fence("mallory")
    look.run.runner.undone.append(again)
    look.run.runner.done[again.id] = Done(again, "done", at="2026-01-01T11:01:00Z")
    look.answers.wrote(look.run.runner.done.values(), {again.id})
    look.answers.wrote(look.run.runner.done.values(), ())  # as each pass does
    look.look(there, again)
    return look


def test_whoever_lifted_a_control_between_two_looks_is_a_suspect(account: Any) -> None:
    look = lifted(account, by="sleeper")
    assert set(look.suspects) == {f"{USERS}sleeper"} and look.reverted() == ["evict-quarantine-IR-1"] and look.answers.acted == 1
    look.look(look.now, fence("mallory"))
    assert look.answers.acted == 1, "it was lifted once"


def test_of_whom_the_log_does_not_name_yet_is_asked_again_since_it_was_written_first(account: Any) -> None:
    look = lifted(account)
    (entry,) = look.answers.left.left()
    assert (entry.step, entry.since, entry.access) == (fence("mallory").id, "2026-01-01T10:00:00Z", True)
    look.events[f"{USERS}mallory", FENCE] = [event("sleeper", "DeleteUserPolicy", "2026-01-01T10:00:10Z")]
    look.look(look.now, fence("mallory"))
    assert look.suspects == [f"{USERS}sleeper"] and look.answers.left.left() == []


def test_a_declared_automation_that_lifts_it_between_looks_is_not_fought_more_than_twice(account: Any) -> None:
    case, said = Case(), []
    for _look in range(3):
        look = lifted(account, case, by="pipeline", trusted=f"{USERS}pipeline")
        said.append([*look.watch, *look.run.runner.failures])
        assert look.suspects == []
    assert [len(rows) for rows in said] == [1, 1, 1]
    assert "1 of 2" in said[0][0] and "2 of 2" in said[1][0] and "again and again: pause this pipeline" in said[2][0], said


def test_what_a_dead_run_may_have_written_over_it_was_lifted_by_nobody(account: Any) -> None:
    case = Case()
    wider = policy.deny_all("EvictX") | {"Id": "wider"}
    case.did(fence("mallory"), "2026-01-01T10:00:00Z")
    case.run = "dead"
    case._add(intents=[encode(policy.inline_step(user("mallory"), INCIDENT, "quarantine", wider, DENY, "deny everything", Phase.FENCE))])
    there = {f"{USERS}mallory": {"created": "x", FENCE: DENY}}
    look = account(case, there, user("mallory"))
    look.run.runner.undone.append(fence("mallory", before=wider))
    look.look(there, fence("mallory", before=wider))
    assert (look.reverted(), look.answers.acted, look.answers.left.left()) == ([], 0, [])


def test_what_was_released_was_lifted_by_nobody(account: Any) -> None:
    case, there = Case(), {f"{USERS}mallory": {"created": "x"}}
    key = dataclasses.replace(fence("mallory"), id=f"{USERS}mallory#key/AKIAIOSFODNN7EXAMPLE", phase=Phase.CREDENTIAL, after="Inactive")
    for step in (fence("mallory"), key):
        case.did(step, "2026-01-01T10:00:00Z")
    assert [account(case, there).run.runner.standing(step.id) for step in (fence("mallory"), key)] == [fence("mallory"), key]
    case.did(dataclasses.replace(fence("mallory"), id=f"undo:{fence('mallory').id}", undoes=fence("mallory").id), "2026-01-01T10:10:00Z")
    assert [account(case, there).run.runner.standing(step.id) for step in (fence("mallory"), key)] == [None, None]


# -- what was put back once --------------------------------------------------------------------------------------------------------

WEB, ADMINISTRATOR = f"{ROLES}web", "arn:aws:iam::aws:policy/AdministratorAccess"


def trusting(*who: str) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Principal": {"AWS": one}, "Action": "sts:AssumeRole"} for one in who]}


def put_back_once(facet: str, was: Any, made: Any, *, saved: bool = True) -> tuple[Case, Step]:
    """A case in which ``made`` was put back to ``was``; ``saved``: the run lived to keep the state of the account."""
    case = Case()
    (step,) = put_back.steps(Change(WEB, facet, was, made), Target("aws", A))
    case.did(step, "2026-01-01T09:00:00Z")
    if saved:
        case.note("evidence", {})
    return case, step


@pytest.mark.parametrize(
    ("facet", "was", "made", "by_owner"),
    [
        ("trust", trusting("a"), trusting("a", "evil"), trusting("a", "new")),
        ("trust", trusting("a"), trusting("a", "evil"), trusting("a", "evil")),
        (f"attached/{ADMINISTRATOR}", None, True, True),
        ("group/g", True, None, None),
    ],
)
def test_what_an_owner_made_since_of_what_was_put_back_is_explained_once(
    account: Any, facet: str, was: Any, made: Any, by_owner: Any
) -> None:
    case, _step = put_back_once(facet, was, made)
    now = {WEB: {"created": "x"} | ({facet: by_owner} if by_owner else {})}
    look = account(case, now)  # the last look had the owner's answer, and kept the state
    look.look(now)
    look.look(now)
    assert look.answers.left.left() == [] and look.added == [] and look.comparison.differs == set()


def test_what_a_run_put_back_that_was_killed_before_it_kept_the_state_is_nobodys_change(account: Any) -> None:
    case, _step = put_back_once("trust", trusting("a"), trusting("a", "evil"), saved=False)
    look = account(case, {WEB: {"created": "x", "trust": trusting("a", "evil")}})
    look.look({WEB: {"created": "x", "trust": trusting("a")}})
    assert look.answers.left.left() == [] and look.comparison.differs == set()


def test_who_takes_away_again_what_was_put_back_is_asked_for(account: Any) -> None:
    """It is no control of ours that a release took away."""
    deny = "attached/arn:aws:iam::111122223333:policy/stop"
    case, _step = put_back_once(deny, True, None)
    look = account(case, {WEB: {"created": "x", deny: True}})
    look.look({WEB: {"created": "x"}})
    assert [(entry.facet, entry.after) for entry in look.answers.left.left()] == [(deny, None)]


def test_what_the_last_pass_wrote_is_in_the_state_that_is_kept() -> None:
    """The pass had looked before it wrote; what it did not find any more is not there because of that."""
    looked = datetime.datetime(2026, 1, 1, 10, 0, 5, tzinfo=datetime.UTC)
    steps = {}
    for at, role, was, made in (
        ("2026-01-01T10:00:06Z", "web", "a", "evil"), ("2026-01-01T10:00:04Z", "old", "a", "owner's"), ("2026-01-01T10:00:06Z", "gone", "a", "b"),
    ):  # fmt: skip
        (step,) = put_back.steps(Change(f"{ROLES}{role}", "trust", trusting(was), trusting(made)), Target("aws", A))
        steps[step.id] = Done(step, "done", at=at)
    hold: Any = Hold.__new__(Hold)
    hold.looked, hold.runner = looked, types.SimpleNamespace(done=steps)
    seen = {WEB: {"trust": trusting("evil")}, f"{ROLES}old": {"trust": trusting("owner's")}}
    assert hold._as_left(A, seen) == {WEB: {"trust": trusting("a")}, f"{ROLES}old": {"trust": trusting("owner's")}}
    assert hold._as_left("222222222222", seen) == seen

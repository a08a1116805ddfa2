# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs of one case at one policy above an account: whom and what one of them says of the other's, and whom and what it does not."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import organization
from ansible_collections.evict.cloud.plugins.module_utils.aws import service_control as scp
from ansible_collections.evict.cloud.plugins.module_utils.aws.account_fence import AccountFences
from ansible_collections.evict.cloud.plugins.module_utils.aws.beside import Beside
from ansible_collections.evict.cloud.plugins.module_utils.aws.service_control import Exempt, Held
from ansible_collections.evict.cloud.plugins.module_utils.aws.session import parse
from ansible_collections.evict.cloud.plugins.module_utils.common import plan
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import Ledger
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Step
from ansible_collections.evict.cloud.plugins.module_utils.common.store import Store, open_store

A, SID = "111122223333", "Evict0123456789abcdef"
ONE, TWO, GLASS, EVIL = (f"arn:aws:iam::{A}:role/{name}" for name in ("responder-one", "responder-two", "break-glass", "evil"))
BOB, CAROL = (Held(f"arn:aws:iam::{A}:user/{name}") for name in ("bob", "carol"))
NAME = f"evict-IR-1-{A}-1"
BASE = f"organizations:{A}:scp/{NAME}"
NOW, PAST, SOON, LATER = (f"2026-11-22T09:0{n}:00Z" for n in (1, 0, 5, 7))


class Case:
    """As far as the fence knows it: the ledger as it was opened, and its notes."""

    def __init__(self, store: Store, protected: tuple[str, ...], lost: tuple[str, ...]) -> None:
        self.store, self.check, self.warnings = store, False, []  # type: ignore[var-annotated]
        self.ledger = Ledger.open(store, incident="IR-1", module="aws_contain", contain=True)
        self.incident: Any = types.SimpleNamespace(
            id="IR-1", sid=SID, protected=protected, trusted=types.SimpleNamespace(principals=()), automations=()
        )
        self.lost = lost

    def notes(self, kind: str) -> list[dict[str, Any]]:
        return list(self.ledger.state.notes.get(kind, ()))

    def note(self, kind: str, data: dict[str, Any]) -> None:
        self.ledger.note(kind, data)
        self.ledger.flush()

    def compromised(self) -> tuple[set[str], set[str]]:
        return set(), set(self.lost)


class Asked:
    """The organization with one policy on the account, and an IAM in which nobody has a managed policy."""

    def __init__(self) -> None:
        self.there: list[Any] = []

    def call(self, call: Any, parameters: Any = None) -> Any:
        return self.get(call)

    def get(self, call: Any) -> Any:
        policy = [{"Id": "p-1", "Name": NAME}] if self.there else []
        return {
            "DescribeOrganization": {"Organization": {"MasterAccountId": "9", "FeatureSet": "ALL"}},
            "ListRoots": {"Roots": [{"Id": "r", "PolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]}]},
            "ListPoliciesForTarget": {"Policies": policy},
            "ListPolicies": {"Policies": policy},
            "DescribePolicy": {"Policy": {"Content": scp.document(self.there)}},
            "ListAttachedRolePolicies": {"AttachedPolicies": []},
            "GetRole": {"Role": {}},
        }[call.operation]


class Job:
    """One run of the case, of the responder ``who``: its ``AccountFences``, of which each plan is caught instead of carried out."""

    def __init__(self, store: Store, cloud: Asked, who: str, protected: tuple[str, ...] = (), lost: tuple[str, ...] = ()) -> None:
        self.case, self.cloud, self.time, self.planned = Case(store, protected, lost), cloud, NOW, []  # type: ignore[var-annotated]
        aws = types.SimpleNamespace(
            responder_arn=lambda _account: who, caller={"arn": "arn:aws:iam::999999999999:user/me"},
            management_arn="arn:aws:iam::999999999999:role/org", now=lambda: parse(self.time),
        )  # fmt: skip
        self.runner = types.SimpleNamespace(answers={}, done={}, clouds={"aws": cloud}, check=False, add=self._add, wait=lambda: None)
        run: Any = types.SimpleNamespace(
            aws=aws, case=self.case, runner=self.runner, incident=self.case.incident, principals={}, people=None, own_in_wrong_hands=()
        )
        self.fences = AccountFences(run)
        self.fences.refusals = types.SimpleNamespace(check=lambda *_: None)  # type: ignore[assignment]

    def _add(self, _principal: str, _account: str, jobs: Any, _finished: Any) -> None:
        self.planned = [step for job in jobs for step in job.make(self.cloud)]

    def plan(self, *held: Held, until: str = "") -> list[Step]:
        """What it would do now."""
        fences: Any = self.fences
        fences._busy.clear()
        fences._wanted.clear()
        fences._held, fences.renew = lambda _account: list(held), lambda *, again: fences.fence(A)
        fences.freeze(until)
        steps = [step for step in self.planned if not step.true]
        self.case.ledger.intent([plan.encode(step) for step in steps])
        return steps

    def write(self, *held: Held, until: str = "") -> list[Step]:
        """And do it; in the ledger as well."""
        for step in (steps := self.plan(*held, until=until)):
            answer = [[list(organization.ID), "p-1"]] if step.id == BASE else None
            self.case.ledger.outcome([{"id": step.id, "status": "done", **({"answer": answer} if answer else {})}])
            if step.id == BASE:
                self.runner.answers[BASE] = plan.Kept(answer)
            if not step.id.endswith("#attached"):
                self.cloud.there = list(step.after)
        self.case.ledger.flush()
        return steps

    def end(self) -> None:
        self.case.ledger.end("ok")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def exempt(cloud: Asked, part: str = "W") -> set[str]:
    return {arn for s in cloud.there if s["Sid"] == SID + part for arn in scp.listed(s["Condition"]["ArnNotLike"]["aws:PrincipalArn"])}


def frozen(cloud: Asked) -> str:
    return max(scp.ends(cloud.there), default="")


@pytest.mark.parametrize("opened", ["before", "after"])
def test_two_jobs_leave_each_others_responder_exempt_and_end_at_one_document(store: Store, opened: str) -> None:
    """``opened``: the second job, before the first had made the policy, or after."""
    cloud = Asked()
    first, early = Job(store, cloud, ONE), Job(store, cloud, TWO)
    first.write(BOB)
    second = early if opened == "before" else Job(store, cloud, TWO)
    second.write(CAROL)
    assert exempt(cloud) == {ONE, TWO} and {h.arn for h in scp.members(cloud.there, SID)} == {BOB.arn, CAROL.arn}
    assert first.plan(BOB) == [] and second.plan(CAROL) == []  # nothing for either to write again


@pytest.mark.parametrize("opened", ["before", "after"])
def test_a_freeze_stands_until_its_own_run_lifts_it_and_the_later_end_of_two_counts(store: Store, opened: str) -> None:
    cloud = Asked()
    first, early = Job(store, cloud, ONE), Job(store, cloud, TWO)
    first.write(BOB)
    first.write(BOB, until=SOON)
    second = early if opened == "before" else Job(store, cloud, TWO)
    second.write(CAROL)
    assert frozen(cloud) == SOON and exempt(cloud, "Z") == {ONE, TWO}
    assert first.plan(BOB, until=SOON) == []
    second.write(CAROL, until=LATER)
    assert frozen(cloud) == LATER and first.plan(BOB, until=SOON) == []
    second.write(CAROL)  # it needs none any more
    assert frozen(cloud) == SOON
    second.write(CAROL, until=LATER)
    first.write(BOB)
    assert frozen(cloud) == LATER and second.plan(CAROL, until=LATER) == []
    second.write(CAROL)
    assert frozen(cloud) == ""


@pytest.mark.parametrize("how", ["killed", "ended with an error"])
def test_the_freeze_of_a_run_that_died_ends(store: Store, how: str) -> None:
    cloud = Asked()
    dead = Job(store, cloud, ONE)
    dead.write(BOB)
    dead.write(BOB, until=SOON)
    if how != "killed":
        dead.end()
    other = Job(store, cloud, TWO)
    other.write(CAROL)
    assert frozen(cloud) == (SOON if how == "killed" else "")
    other.time = LATER
    other.write(CAROL)
    assert frozen(cloud) == ""


def test_nobody_is_exempt_whom_the_ledger_does_not_name_whatever_a_policy_under_our_name_says(store: Store) -> None:
    cloud = Asked()
    cloud.there = scp.statements(SID, [BOB], Exempt((EVIL,), responders=(EVIL,), until="2099-01-01T00:00:00Z"))
    Job(store, cloud, ONE).write(CAROL)
    assert exempt(cloud) == {ONE} and frozen(cloud) == "" and EVIL not in str(cloud.there)


def test_an_exemption_goes_when_it_is_not_protected_any_more_or_its_responder_is_in_wrong_hands(store: Store) -> None:
    cloud = Asked()
    first = Job(store, cloud, ONE, protected=(GLASS,))
    first.write(BOB)
    assert exempt(cloud) == {ONE, GLASS}
    first.end()
    Job(store, cloud, TWO).write(BOB)
    assert exempt(cloud) == {ONE, TWO}
    Job(store, cloud, TWO, lost=(f"{A}:role/responder-one",)).write(BOB)
    assert exempt(cloud) == {TWO}


def test_where_the_ledger_cannot_be_read_nobody_is_added(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.evict.cloud.plugins.module_utils.common.store import StoreUnavailable

    cloud = Asked()
    first, second = Job(store, cloud, ONE), Job(store, cloud, TWO)
    first.write(BOB)

    def away(_store: Store) -> None:
        raise StoreUnavailable("nobody answers")

    monkeypatch.setattr("ansible_collections.evict.cloud.plugins.module_utils.aws.beside.read_chains", away)
    second.write(CAROL)
    assert exempt(cloud) == {TWO} and {h.arn for h in scp.members(cloud.there, SID)} == {BOB.arn, CAROL.arn}


def test_alone_nobody_asks_the_ledger_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Asked()
    job = Job(store, cloud, ONE, protected=(GLASS,))
    monkeypatch.setattr(Beside, "look", lambda _self: pytest.fail("it read the whole case"))
    job.write(BOB)
    job.write(BOB, CAROL)
    job.write(BOB, CAROL, until=SOON)
    assert job.plan(BOB, CAROL, until=SOON) == [] and frozen(cloud) == SOON

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a call was: a shared role that works on is others' too, and so is a user whose dependents were moved."""

from __future__ import annotations

import types
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import policy
from ansible_collections.evict.cloud.plugins.module_utils.aws.attackers import Attackers
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.common import plan
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import identity
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Phase, Step
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Done

A = "111122223333"
CI, USER = f"arn:aws:iam::{A}:role/ci", f"arn:aws:iam::{A}:user/app"
OLD, NEW, OTHER = "AKIAOLD", "AKIANEW", "AKIAOTHER"


class Incident:
    id, sid = "IR-1", "Evict1"

    def policy_name(self, purpose: str) -> str:
        return f"evict-{purpose}-IR-1"


def cutoff(principal: Principal, at: str) -> Step:
    return policy.inline_step(principal, Incident(), "session", policy.deny_older("Evict1", at), None, "revoke", Phase.SESSION)


class Run:
    """What is asked of a containment that began at 09:00 (look: at 09:15); its cutoffs were written a second later."""

    def __init__(self, *principals: Principal, action: str = "revoke", trail: set[str] | None = None, state: str = "cut") -> None:
        self.principals = {identity(p.arn): p for p in principals}
        self.former: dict[str, Principal] = {}
        self.incident, self.settles = Incident(), 10.0
        self.roles = types.SimpleNamespace(actions={identity(p.arn): types.SimpleNamespace(action=action) for p in principals})
        self.scope = types.SimpleNamespace(knows=lambda *who: not (trail or set()).isdisjoint(who))
        self.moving = types.SimpleNamespace(
            networks=("198.51.100.0/24",), spares=lambda p: p.kind == "user" and state != "cut", waits=lambda _p: state == "waits", made=lambda _arn: {NEW}
        )  # fmt: skip
        self.runner = types.SimpleNamespace(done={})
        self.hold = types.SimpleNamespace(start=lambda: "2026-11-22T08:59:00Z")
        self.whole: set[str] = set()
        runs = {"r1": {"time": "2026-11-22T09:00:00.123Z"}, "r2": {"time": "2026-11-22T09:15:00.123Z"}}
        self.case = types.SimpleNamespace(
            history={},
            compromised=lambda: (set(), self.whole),
            ledger=types.SimpleNamespace(state=types.SimpleNamespace(runs=runs, notes={})),
        )

    def wrote(self, principal: Principal, at: str = "2026-11-22T09:00:01Z", status: str = "done") -> Run:
        step = cutoff(principal, at)
        self.runner.done[step.id] = Done(step, status, at=at)
        return self

    def look(self, principal: Principal, first: str, latest: str = "", run: str = "r1", began: str = "2026-11-22T09:14:00Z") -> Run:
        """A later look, before which the cutoff was ``first``, and ``latest`` in the end."""
        steps = [plan.encode(cutoff(principal, at)) for at in (first, latest or first)]
        made = {"status": "done", "step": steps[1]}
        self.case.history = {
            cutoff(principal, first).id: {
                "first": steps[0],
                "step": steps[1],
                "made": made,
                "outcome": made,
                "run": run,
                "places": {"made": [1, run, 1, 0]},
            }
        }
        self.hold.start = lambda: began
        return self.wrote(principal, latest or first, "already")


def role(**about: Any) -> Principal:
    return Principal(A, "role", "ci", "AROACI", CI, CI, **about)


def user(**about: Any) -> Principal:
    return Principal(A, "user", "app", "AIDAAPP", USER, USER, compromised={OLD}, **about)


def session(
    opened: str, at: str = "09:10:00", key: str = "ASIAFRESH", name: str = "gha-991", ip: str = "198.51.100.7", issuer: str = CI
) -> dict[str, Any]:
    who: dict[str, Any] = {
        "type": "AssumedRole", "arn": f"arn:aws:sts::{A}:assumed-role/{issuer.rsplit('/', 1)[-1]}/{name}", "accessKeyId": key,
        "sessionContext": {"sessionIssuer": {"arn": issuer}, "attributes": {"creationDate": f"2026-11-22T{opened}Z"} if opened else {}},
    }  # fmt: skip
    return {"userIdentity": who, "eventTime": f"2026-11-22T{at}Z", "sourceIPAddress": ip}


def call(key: str, opened: str = "", at: str = "09:10:00") -> dict[str, Any]:
    context = {"sessionContext": {"attributes": {"creationDate": f"2026-11-22T{opened}Z"}}} if opened else {}
    return {"userIdentity": {"type": "IAMUser", "arn": USER, "accessKeyId": key, **context}, "eventTime": f"2026-11-22T{at}Z"}


def made(run: Run, event: dict[str, Any]) -> bool:
    return Attackers(run).made(event)  # type: ignore[arg-type]


def test_of_a_role_that_is_revoked_what_was_opened_since_is_not_the_attackers() -> None:
    """Also when the role was named by its ARN, so that all that it holds counts as compromised."""
    ci = role(sessions={"stolen"}, compromised={"ASIASTOLEN"}, whole=True)
    run = Run(ci, trail={"ASIACHAINED"}).wrote(ci)
    run.whole = {identity(CI)}
    assert not made(run, session("09:09:00"))
    assert made(run, session("08:30:00")) and made(run, session("09:00:01"))  # opened before the cutoff
    assert made(run, session("09:09:00", key="ASIACHAINED"))  # the logs trace it to a suspect
    assert made(run, session("09:09:00", key="ASIASTOLEN")) and made(run, session("09:09:00", name="stolen"))
    assert made(run, session(""))  # nobody can say how old it is


@pytest.mark.parametrize("about", [{"planted": True}, {"forced": "deny"}, {}])
def test_of_a_role_that_is_denied_or_was_made_or_opened_by_a_suspect_all_is(about: dict[str, Any]) -> None:
    ci = role(**about)
    assert made(Run(ci, action="revoke" if about else "deny").wrote(ci), session("09:09:00"))


def test_whoever_came_before_a_planted_trust_was_mended_is_the_attacker() -> None:
    ci = role()
    run = Run(ci).wrote(ci)
    mended = Step(f"{CI}#held/trust", CI, "trust", "let in no more: x", Phase.RESOURCE, before={}, after={"mended": True}, do=())
    run.runner.done[mended.id] = Done(mended, "done", at="2026-11-22T09:00:30Z")
    assert made(run, session("09:00:39")) and not made(run, session("09:00:41"))


def test_a_session_that_was_opened_while_the_fence_of_its_source_spread_is_the_attackers_once_its_cutoff_says_so() -> None:
    """The second cutoff of a run; one that a later run has moved says nothing of what was done in between, in sessions that were let work."""
    ci = role()
    slipped, pipeline = session("09:00:05", at="09:00:06"), session("09:08:00", at="09:10:00")
    first = Run(ci).wrote(ci)
    assert not made(first, slipped) and made(first.wrote(ci, "2026-11-22T09:00:12Z"), slipped)
    looked = Run(ci).look(ci, "2026-11-22T09:00:01Z", "2026-11-22T09:00:12Z")
    assert made(looked, slipped) and not made(looked, pipeline)
    attackers = Attackers(looked)  # type: ignore[arg-type]
    looked.wrote(ci, "2026-11-22T09:15:40Z")  # somebody fights, nobody knows from where
    assert attackers.made(slipped) and not attackers.made(pipeline)
    assert attackers.made(session("09:08:00", at="09:15:20"))  # what such a session does now is refused
    again = Run(ci).look(ci, "2026-11-22T09:00:01Z", "2026-11-22T09:15:40Z", "r2", began="2026-11-22T09:59:00Z")
    assert not made(again, pipeline) and made(again, session("09:08:00", at="09:15:20")) and made(again, session("08:59:00", at="09:00:06"))


def test_of_a_role_of_which_one_session_is_denied_the_others_are_not_the_attackers() -> None:
    ci = role(sessions={"stolen"})
    assert made(Run(ci, action="session"), session("09:09:00", name="stolen")) and not made(Run(ci, action="session"), session("08:09:00"))


def test_of_a_clamped_role_it_is_who_calls_from_elsewhere() -> None:
    ci = role()
    run = Run(ci, action="clamp")
    assert made(run, session("09:09:00", ip="203.0.113.5")) and not made(run, session("09:09:00"))
    assert not made(run, session("09:09:00", ip="cloudformation.amazonaws.com"))
    assert not made(run, {**session("09:09:00", ip="10.0.0.7"), "vpcEndpointId": "vpce-1"})


def test_a_user_that_is_denied_everything_is_the_attacker_in_all_that_it_does() -> None:
    app = user()
    assert made(Run(app), call(NEW)) and made(Run(app), call("ASIAX", "09:09:00"))
    assert not made(Run(user(only={"AKIAMADE"})), call(OTHER)) and made(Run(user(only={"AKIAMADE"})), call("AKIAMADE"))


@pytest.mark.parametrize("whole", [False, True])
def test_of_a_user_whose_dependents_were_moved_their_key_is_theirs_and_the_old_one_is_not(whole: bool) -> None:
    app = user(whole=whole)
    moved = Run(app, state="moved", trail={USER} if whole else set()).wrote(app)
    moved.whole = {identity(USER)} if whole else set()
    assert not made(moved, call(NEW)) and not made(moved, call("ASIAX", "09:09:00"))
    assert made(moved, call(OLD)) and made(moved, call(OTHER)) and made(moved, call("ASIAX", "08:59:00"))


def test_while_its_key_waits_whatever_may_come_from_it_is_the_attackers() -> None:
    app = user()
    waits = Run(app, state="waits").wrote(app)
    assert made(waits, call(OLD)) and made(waits, call("ASIAX", "09:09:00"))
    assert not made(waits, call(NEW)) and not made(waits, call(OTHER))  # which nobody has named
    assert made(Run(user(whole=True), state="waits"), call(OTHER))
    off = Step(f"{USER}#key/{OTHER}", USER, "key", "deactivate", Phase.CREDENTIAL, before="Active", after="Inactive", do=())
    waits.runner.done[off.id] = Done(off, "done")
    assert made(waits, call(OTHER))


def test_whom_this_run_has_not_contained_is_the_attacker_by_name_until_released() -> None:
    run, fence = Run(), policy.inline_step(role(), Incident(), "quarantine", policy.deny_all("Evict1"), None, "deny", Phase.FENCE)
    assert not made(run, session("09:09:00"))
    run.whole = {identity(CI)}
    assert made(run, session("09:09:00"))
    done = {"first": plan.encode(fence), "step": plan.encode(fence), "made": {"status": "done", "step": plan.encode(fence)}}
    run.case.history = {fence.id: {**done, "places": {"made": [1, "r1", 1, 0]}}}
    assert made(run, session("09:09:00"))
    run.case.history[f"undo:{fence.id}"] = {**done, "places": {"made": [2, "r2", 1, 0]}}
    assert not made(run, session("09:09:00"))

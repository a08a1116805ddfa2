# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles that a suspect assumed from one another, as many as it likes: what is said of them is said at once, and is what walking every path would say."""

from __future__ import annotations

import datetime as dt
import random
import time
import types
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import claims, minting, policy
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.quarantine import RoleAction, trusted_by
from ansible_collections.evict.cloud.plugins.module_utils.aws.session import iso
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import identity

NOW = dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC)
TRUST = {"AssumeRolePolicyDocument": {"Statement": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}}}}


def arn(name: str) -> str:
    return f"arn:aws:iam::222222222222:{'user' if name.startswith('u') else 'role'}/{name}"


class Run:
    """What ``claims`` and ``minting`` ask of a containment. ``shut``: names of those whose fence closes them, and of sources that nobody contains."""

    def __init__(self, sources: dict[str, set[str]], shut: set[str] | None = None) -> None:
        kinds = {n: "user" if n.startswith("u") else "role" for n in sources}
        made = [
            Principal("222222222222", kinds[n], n, n, arn(n), arn(n), dict(TRUST), sources={arn(s) for s in of})
            for n, of in sources.items()
        ]
        self.principals = {identity(p.arn): p for p in made}
        self.former: dict[str, Principal] = {}
        self.roles = types.SimpleNamespace(actions={key: RoleAction("revoke", "") for key in self.principals})
        self.shut = shut or set()
        self.door = types.SimpleNamespace(closed_since=lambda source: NOW if source.rpartition("/")[2] in self.shut else None)
        self.minted: dict[str, dt.datetime] = {}
        self.spread, self.incident = 10.0, types.SimpleNamespace(policy_name=lambda purpose: f"evict-{purpose}-IR-1")
        self.isolation, self.hold = types.SimpleNamespace(last_given=lambda _arn: None), types.SimpleNamespace(unrest=None)
        step = types.SimpleNamespace(after=policy.deny_older("Evict0", iso(NOW)))
        done = {f"{p.arn}#policy/evict-session-IR-1": types.SimpleNamespace(step=step, status="done") for p in made}
        self.runner = types.SimpleNamespace(done=done)


@pytest.fixture(autouse=True)
def of_the_stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "fenced_since", lambda _run, _one: NOW)
    monkeypatch.setattr(claims, "closed", lambda run, one: one.name in run.shut)


def all_from_all(number: int) -> dict[str, set[str]]:
    names = [f"r{n}" for n in range(number)]
    return {name: set(names) - {name} for name in names}


def test_many_roles_that_were_all_assumed_from_one_another_hold_nothing_up() -> None:
    run: Any = Run(all_from_all(25))
    began = time.monotonic()
    assert not any(claims.open_paths(run, p) for p in run.principals.values())  # nobody else ever came to them
    assert minting.links(run) == 24
    moved = minting.cutoffs(run, NOW)
    assert len(moved) == 25 and len({at for _role, at, _needed in moved}) == 1  # one circle
    assert time.monotonic() - began < 1

    run.principals[identity(arn("r24"))].sources.add(arn("stranger"))
    paths = claims.open_paths(run, run.principals[identity(arn("r0"))])
    assert len(paths) == 24 and time.monotonic() - began < 2


def every_path(run: Run, role: Principal, behind: tuple[str, ...] = ()) -> list[str]:
    """What ``open_paths`` means: from where the role can be reached by some path on which no role comes twice."""
    behind = (*behind, identity(role.arn))
    if role.forced and run.roles.actions[identity(role.arn)].action == "deny":
        return []
    if role.planted:
        return ["the trust policy that the suspect wrote"]
    if not role.sources:
        return [f"{name} ({kind})" for kind, names in trusted_by(role.facts).items() for name in names]

    def is_open(source: str) -> bool:
        principal = run.principals.get(identity(source))
        if principal is None:
            return run.door.closed_since(source) is None
        return principal.name not in run.shut and (principal.kind == "user" or bool(every_path(run, principal, behind)))

    return sorted(s for s in role.sources if identity(s) not in behind and is_open(s))


def longest_path(run: Run) -> int:
    def behind(role: Principal, seen: tuple[str, ...]) -> int:
        owners = [run.principals.get(identity(source)) for source in role.sources if identity(source) not in seen]
        return max((1 + behind(o, (*seen, identity(o.arn))) for o in owners if o and o.kind == "role"), default=0)

    return max((behind(p, (identity(p.arn),)) for p in run.principals.values() if p.kind == "role"), default=0)


@pytest.mark.parametrize("seed", range(300))
def test_it_is_what_walking_every_path_says(seed: int) -> None:
    dice = random.Random(seed)
    roles, others = [f"r{n}" for n in range(dice.randint(1, 6))], ["u1", "u2", "stranger", "other"]
    sources: dict[str, set[str]] = {name: {s for s in roles + others if dice.random() < dice.choice((0.1, 0.4))} for name in roles}
    run: Any = Run(sources | {"u1": set(), "u2": set()}, {name for name in roles + others if dice.random() < 0.6})
    for principal in run.principals.values():
        principal.planted = principal.kind == "role" and dice.random() < 0.1
        if dice.random() < 0.1:
            principal.forced, run.roles.actions[identity(principal.arn)] = "deny", RoleAction("deny", "")
    for name in roles:
        role = run.principals[identity(arn(name))]
        assert claims.open_paths(run, role) == every_path(run, role), (name, sources, run.shut)
    straight, said = longest_path(run), minting.links(run)
    assert straight <= said <= max(len(roles) - 1, 0)
    assert said == straight or _returns(run), sources  # only what is left and come back to may be counted too high


def _returns(run: Run) -> bool:
    """Whether some role was assumed, step by step, from itself."""

    def leads(at: Principal, to: str, seen: set[str]) -> bool:
        for source in at.sources:
            owner = run.principals.get(identity(source))
            if source == to or (owner and source not in seen and leads(owner, to, seen | {source})):
                return True
        return False

    return any(leads(p, p.arn, set()) for p in run.principals.values())

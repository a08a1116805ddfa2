# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a cutoff has to lie: roles that were assumed in a circle are cut together and ahead, the others behind their sources; and it comes to an end."""

from __future__ import annotations

import datetime as dt
import types
from typing import Any
from unittest import mock

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import claims, minting, policy
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.quarantine import RoleAction
from ansible_collections.evict.cloud.plugins.module_utils.aws.session import iso
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import identity

NOW = dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC)
SPREAD = 10.0


def arn(name: str) -> str:
    return f"arn:aws:iam::222222222222:role/{name}"


class Run:
    """What ``minting`` asks of a containment. ``cuts``: {name: (when it was written, its cutoff)}; ``actions``: {name: what is done to the role}."""

    def __init__(self, sources: dict[str, set[str]], actions: dict[str, str] | None = None) -> None:
        made = [Principal("222222222222", "role", n, f"AROA{n}", arn(n), arn(n), sources={arn(s) for s in of}) for n, of in sources.items()]
        self.principals = {identity(p.arn): p for p in made}
        decided = {key: RoleAction((actions or {}).get(p.name, "revoke"), "") for key, p in self.principals.items()}
        self.roles = types.SimpleNamespace(actions=decided)
        self.cuts: dict[str, tuple[dt.datetime, dt.datetime]] = {}
        self.former: dict[str, Principal] = {}
        self.minted: dict[str, dt.datetime] = {}
        self.spread, self.incident = SPREAD, types.SimpleNamespace(policy_name=lambda purpose: f"evict-{purpose}-IR-1")
        self.isolation = types.SimpleNamespace(last_given=lambda _arn: None)
        self.hold = types.SimpleNamespace(unrest=None)
        self.door = types.SimpleNamespace(closed_since=lambda _arn: None)

    @property
    def runner(self) -> Any:
        found = {}
        for name, (_at, cutoff) in self.cuts.items():
            step = types.SimpleNamespace(after=policy.deny_older("Evict0", iso(cutoff)))
            found[f"{arn(name)}#policy/evict-session-IR-1"] = types.SimpleNamespace(step=step, status="done")
        return types.SimpleNamespace(done=found)

    def cut(self, now: dt.datetime) -> list[str]:
        """One round, carried out: the names of whose cutoffs were moved."""
        moved = []
        for role, cutoff, needed in minting.cutoffs(self, now):  # type: ignore[arg-type]
            if role.name not in self.cuts or self.cuts[role.name][1] < needed:
                moved.append(role.name)
                self.cuts[role.name] = now + dt.timedelta(seconds=len(moved)), cutoff + dt.timedelta(seconds=1)
        return sorted(moved)


@pytest.fixture(autouse=True)
def of_the_stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "fenced_since", lambda run, one: run.cuts.get(one.name, (None, None))[0])
    monkeypatch.setattr(claims, "closed", lambda run, one: run.roles.actions[identity(one.arn)].action == "deny")


def settle(run: Run, rounds: int = 12) -> list[list[str]]:
    """Rounds, each when the last has spread, until one moves nothing."""
    found = []
    for number in range(rounds):
        moved = run.cut(NOW + dt.timedelta(seconds=number * (SPREAD + 3)))
        if not moved:
            return found
        found.append(moved)
    raise AssertionError(f"it goes on for ever: {found}")


@pytest.mark.parametrize(
    ("sources", "circle"),
    [
        ({"a": {"b"}, "b": {"a"}}, {"a", "b"}), ({"a": {"a"}}, {"a"}), ({"a": {"c"}, "b": {"a"}, "c": {"b"}}, {"a", "b", "c"}),
        ({"a": {"b"}, "b": {"a"}, "c": {"a"}}, {"a", "b"}),
    ],
)  # fmt: skip
def test_a_circle_is_cut_together_and_ahead_of_when_it_has_spread(sources: dict[str, set[str]], circle: set[str]) -> None:
    run = Run(sources)
    for name in sources:
        run.cuts[name] = NOW, NOW + dt.timedelta(seconds=1)  # as each was cut when it was found
    rounds = settle(run)
    assert set(rounds[0]) >= circle and len(rounds) <= 2, rounds
    written, cutoffs = max(run.cuts[n][0] for n in circle), min(run.cuts[n][1] for n in circle)
    assert cutoffs >= written + dt.timedelta(seconds=SPREAD)


def test_what_is_seen_to_mint_or_to_fight_later_moves_all_of_a_circle() -> None:
    run = Run({"a": {"b"}, "b": {"a"}})
    settle(run)
    run.hold.unrest = NOW + dt.timedelta(minutes=3)
    assert run.cut(NOW + dt.timedelta(minutes=3)) == ["a", "b"] and run.cut(NOW + dt.timedelta(minutes=4)) == []
    run.minted[identity(arn("b"))] = NOW + dt.timedelta(minutes=6)
    assert run.cut(NOW + dt.timedelta(minutes=6)) == ["a", "b"] and run.cut(NOW + dt.timedelta(minutes=7)) == []


@pytest.mark.parametrize("other", ["deny", "clamp", "session"])
def test_a_role_that_is_closed_or_has_no_cutoff_breaks_the_circle(other: str) -> None:
    run = Run({"a": {"b"}, "b": {"a"}}, {"b": other})
    assert minting.circles(run) == {}  # type: ignore[arg-type]
    settle(run)


def test_without_a_circle_a_cutoff_lies_now_and_behind_its_source() -> None:
    run = Run({"a": set(), "b": {"a"}})
    run.minted[identity(arn("a"))] = NOW
    run.cuts = {"a": (NOW, NOW + dt.timedelta(seconds=1)), "b": (NOW, NOW + dt.timedelta(seconds=1))}
    later = NOW + dt.timedelta(seconds=12)
    assert [(p.name, c, n) for p, c, n in minting.cutoffs(run, later) if n > run.cuts[p.name][1]] == [
        ("b", later, NOW + dt.timedelta(seconds=SPREAD))
    ]  # type: ignore[arg-type]
    assert minting.links(run) == 1  # type: ignore[arg-type]


def test_behind_the_responders_own_role_a_cutoff_lies_too() -> None:
    """The role is none of the contained; the suspects' sessions of it are denied, and until that had spread they could mint."""
    run = Run({"b": {"incident-responder"}})
    run.door.closed_since = lambda source: NOW if source == arn("incident-responder") else None
    run.cuts = {"b": (NOW, NOW + dt.timedelta(seconds=1))}
    assert run.cut(NOW + dt.timedelta(seconds=11)) == ["b"] and run.cut(NOW + dt.timedelta(seconds=22)) == []


# -- until when ------------------------------------------------------------------------------------------------------------------


def minted_until(run: Run, name: str, **ways: list[str]) -> dt.datetime:
    """``ways``: {name: what is open to it}."""
    with mock.patch.object(claims, "open_paths", lambda _run, role: ways.get(role.name, [])):
        return minting.until(run, run.principals[identity(arn(name))])  # type: ignore[arg-type]


@pytest.fixture
def held() -> Any:
    """A role whose source was fenced a minute ago, and whose own last session was seen to be made an hour before that."""
    run: Any = Run({"a": set(), "b": {"a"}}, {"a": "deny", "b": "session"})
    run.aws, run.after, run.settles = types.SimpleNamespace(now=lambda: NOW), types.SimpleNamespace(cutoff=lambda _p: ""), SPREAD
    run.cuts["a"] = NOW - dt.timedelta(minutes=1), NOW
    run.minted[identity(arn("b"))] = NOW - dt.timedelta(hours=1)
    return run


def test_without_a_cutoff_a_session_may_be_as_young_as_the_fence_of_its_source(held: Any) -> None:
    """The log lags behind: what it shows last is not what was made last."""
    fenced = NOW - dt.timedelta(minutes=1)
    assert fenced + dt.timedelta(seconds=SPREAD) <= minted_until(held, "b") <= NOW


def test_where_it_is_not_known_or_something_is_open_it_may_be_of_this_moment(held: Any) -> None:
    assert minted_until(held, "b", b=[arn("a")]) == NOW
    assert minted_until(held, "a") == NOW  # nobody knows who came to it
    del held.cuts["a"]
    assert minted_until(held, "b") == NOW


def test_a_cutoff_says_it(held: Any) -> None:
    held.after.cutoff = lambda _p: "2026-11-22T08:00:00Z"
    assert iso(minted_until(held, "b", b=[arn("a")])) == "2026-11-22T08:00:00Z"


def test_a_user_mints_its_own_until_its_fence_has_spread(held: Any) -> None:
    held.principals[identity(arn("a"))].kind = "user"
    assert minted_until(held, "a") == NOW - dt.timedelta(minutes=1) + dt.timedelta(seconds=SPREAD)

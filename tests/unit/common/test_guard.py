# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is never touched, and what a named person may lift."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.errors import Refused
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import Guard, identity, share_hash

A = "111122223333"
USER, ROLE = f"arn:aws:iam::{A}:user/team/ci", f"arn:aws:iam::{A}:role/path/deploy"
SESSION = f"arn:aws:sts::{A}:assumed-role/deploy/somebody"


def guard(**more: Any) -> Guard:
    return Guard(**({"protected": [], "overrides": [], "limit": 25} | more))


def lift(name: str, arn: str) -> dict[str, str]:
    return {"guard": name, "object": arn, "reason": "known bad", "by": "Ada"}


@pytest.mark.parametrize(
    ("arn", "same"),
    [
        (USER, f"arn:aws:iam::{A}:user/ci"), (ROLE, SESSION), (ROLE, f"arn:aws:iam::{A}:role/deploy"), (ROLE, f"arn:aws:sts::{A}:assumed-role/deploy/other"),
        ("arn:aws-cn:iam::111122223333:user/x", "arn:aws-cn:iam::111122223333:user/p/x"),
    ],
)  # fmt: skip
def test_one_identity_has_one_spelling(arn: str, same: str) -> None:
    assert identity(arn) == identity(same)


def test_different_identities_differ() -> None:
    arns = [
        USER,
        ROLE,
        f"arn:aws:iam::{A}:user/deploy",
        f"arn:aws:iam::{A}:role/ci",
        "arn:aws:iam::444455556666:user/ci",
        f"arn:aws:iam::{A}:root",
        "x",
    ]
    assert len({identity(a) for a in arns}) == len(arns)


@pytest.mark.parametrize("spelling", [ROLE, SESSION, f"arn:aws:sts::{A}:assumed-role/deploy/other"])
def test_the_caller_is_never_touched_whatever_is_lifted(spelling: str) -> None:
    overrides = [lift(name, ROLE) for name in ("protected", "trust_chain", "limit", "shared_role", "last_admin")]
    tested = guard(overrides=overrides)
    tested.add_own(SESSION)
    with pytest.raises(Refused, match="is the identity that runs this command") as caught:
        tested.check(spelling, discovered=False)
    assert caught.value.object == spelling and caught.value.operation == "guard caller" and "AWS_PROFILE=break-glass" in caught.value.remedy
    assert tested.lifted == []


@pytest.mark.parametrize("name", ["protected", "trust_chain"])
def test_a_guard_says_how_it_is_lifted_and_is_lifted_for_that_object_only(name: str) -> None:
    def make(**more: Any) -> Guard:
        made = guard(protected=[USER] if name == "protected" else [], **more)
        made.add_own(ROLE, [USER] if name == "trust_chain" else [])
        return made

    with pytest.raises(Refused) as caught:
        make().check(USER, discovered=False)
    assert caught.value.operation == f"guard {name}" and f'overrides: [{{guard: {name}, object: "{USER}"' in caught.value.remedy
    lifted = make(overrides=[lift(name, f"arn:aws:iam::{A}:user/ci")])
    lifted.check(USER, discovered=False)
    lifted.check(USER, discovered=True)
    assert [entry["by"] for entry in lifted.lifted] == ["Ada"]
    with pytest.raises(Refused):
        make(overrides=[lift(name, f"arn:aws:iam::{A}:user/other")]).check(USER, discovered=False)
    other = "protected" if name == "trust_chain" else "trust_chain"
    with pytest.raises(Refused):
        make(overrides=[lift(other, USER)]).check(USER, discovered=False)


def test_the_ceiling_counts_discovered_ones_only_and_each_once() -> None:
    tested = guard(limit=2)
    for number in range(10):
        tested.check(f"arn:aws:iam::{A}:user/named{number}", discovered=False)
    for _ in range(3):
        tested.check(USER, discovered=True)
        tested.check(ROLE, discovered=True)
    third = f"arn:aws:iam::{A}:user/third"
    with pytest.raises(Refused, match="2 discovered identities") as caught:
        tested.check(third, discovered=True)
    assert caught.value.object == third and "incident.suspects" in caught.value.remedy
    tested.check(third, discovered=False)


def test_one_identity_under_two_spellings_counts_once() -> None:
    tested = guard(limit=1)
    tested.check(USER, discovered=True)
    tested.check(f"arn:aws:iam::{A}:user/ci", discovered=True)


def test_the_ceiling_may_be_lifted_for_one() -> None:
    third = f"arn:aws:iam::{A}:user/third"
    tested = guard(limit=0, overrides=[lift("limit", third)])
    tested.check(third, discovered=True)
    with pytest.raises(Refused):
        tested.check(USER, discovered=True)
    assert [entry["object"] for entry in tested.lifted] == [third]


def test_many_threads_do_not_pass_the_ceiling() -> None:
    for _ in range(30):
        tested, together, admitted = guard(limit=3), threading.Barrier(16), list[int]()

        def one(number: int, tested: Guard = tested, together: threading.Barrier = together, admitted: list[int] = admitted) -> None:
            together.wait()
            try:
                tested.check(f"arn:aws:iam::{A}:user/u{number}", discovered=True)
                admitted.append(number)
            except Refused:
                pass

        threads = [threading.Thread(target=one, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(admitted) == 3


def test_a_hostile_name_is_quoted_in_the_remedy() -> None:
    arn = f'arn:aws:iam::{A}:user/x", by: "mallory'
    with pytest.raises(Refused) as caught:
        guard(protected=[arn]).check(arn, discovered=False)
    assert '\\"' in caught.value.remedy


def test_the_hash_of_shares_sees_every_change() -> None:
    shares = {A: [{"arn": USER}], "444455556666": []}
    assert share_hash(shares) == share_hash(dict(reversed(shares.items())))
    others = [{A: [{"arn": ROLE}], "444455556666": []}, {A: [{"arn": USER}]}, {A: [], "444455556666": [{"arn": USER}]}]
    assert share_hash(shares) not in {share_hash(o) for o in others}

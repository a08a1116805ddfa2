"""A group is a way to an exempt IAM user that does not touch it: what the fence above the account denies of that, on the enforcing bed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.beds.bed import Bed
from tests.beds.company import document
from tests.integration.helpers import DEAD, DENIED, Desk, outcome, works
from tests.integration.test_account_fence import ALL, A, attached, content

pytestmark = pytest.mark.bed

ALICE = f"arn:aws:iam::{A}:user/alice"
NOTHING = document({"Effect": "Deny", "Action": "*", "Resource": "*"})


def glass(iam: Any) -> None:
    """alice is the way in when all else fails: an IAM user, whose rights come from a group."""
    iam.create_policy(PolicyName="emergency", PolicyDocument=ALL)
    for group in ("emergency", "other"):
        iam.create_group(GroupName=group)
    iam.attach_group_policy(GroupName="emergency", PolicyArn=f"arn:aws:iam::{A}:policy/emergency")
    iam.add_user_to_group(GroupName="emergency", UserName="alice")


def attempts(iam: Any) -> dict[str, str]:
    policy = f"arn:aws:iam::{A}:policy/emergency"
    tries: list[tuple[str, dict[str, Any]]] = [
        ("add_user_to_group", {"GroupName": "trap", "UserName": "alice"}), ("add_user_to_group", {"GroupName": "other", "UserName": "alice"}),
        ("remove_user_from_group", {"GroupName": "emergency", "UserName": "alice"}),
        ("put_group_policy", {"GroupName": "emergency", "PolicyName": "p", "PolicyDocument": NOTHING}),
        ("attach_group_policy", {"GroupName": "emergency", "PolicyArn": "arn:aws:iam::aws:policy/AWSDenyAll"}),
        ("detach_group_policy", {"GroupName": "emergency", "PolicyArn": policy}),
        ("create_policy_version", {"PolicyArn": policy, "PolicyDocument": NOTHING, "SetAsDefault": True}),
        ("update_group", {"GroupName": "emergency", "NewGroupName": "gone"}), ("delete_group", {"GroupName": "emergency"}),
    ]  # fmt: skip
    return {f"{name} {more.get('GroupName', '')}": outcome(iam, name, **more) for name, more in tries}


def attacker(bed: Bed, desk: Desk) -> Any:
    """An administrator of the account whom nobody suspects yet."""
    admin = bed.client("iam", desk.company.production.root)
    admin.put_user_policy(UserName="bob", PolicyName="all", PolicyDocument=ALL)
    return bed.client("iam", desk.company.production.keys["bob"])


def test_an_exempt_user_is_not_cut_off_through_a_group(desk: Desk) -> None:
    bed, production = desk.bed, desk.company.production
    owner, evil = bed.client("iam", production.root), attacker(bed, desk)
    glass(owner)
    desk.incident(desk.company.leaked.access_key, protected=[ALICE], password="keep")
    evil.create_group(GroupName="trap")
    evil.put_group_policy(GroupName="trap", PolicyName="p", PolicyDocument=NOTHING)
    before = bed.snapshot()
    done = desk.contain()
    held = bed.snapshot()
    tried = attempts(evil)
    assert {name for name, said in tried.items() if said not in DENIED} == set() and bed.snapshot() == held, tried
    assert (
        outcome(evil, "put_group_policy", GroupName="other", PolicyName="p", PolicyDocument=NOTHING) == "ok"
    )  # whose groups are not theirs
    evil.delete_group_policy(GroupName="other", PolicyName="p")
    assert works(bed, desk.company.leaked) in DEAD and desk.contain()["changed"] is False
    glassed = bed.client("iam", production.keys["alice"])
    assert outcome(glassed, "add_user_to_group", GroupName="other", UserName="carol") != "AccessDenied"  # who is exempt goes on
    assert "adds a user to a group" in json.dumps(desk.ledger().notes["principal"][0]["data"]["breaks"]), done
    assert desk.false_positive(desk.company.leaked.access_key)["problems"] == []
    assert attached(bed) == {} and bed.snapshot() == before
    assert outcome(evil, "add_user_to_group", GroupName="trap", UserName="alice") == "ok"


def test_without_an_exempt_user_groups_are_left_to_their_owner(desk: Desk) -> None:
    bed = desk.bed
    glass(bed.client("iam", desk.company.production.root))
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    assert "group/" not in json.dumps(content(bed, f"evict-IR-1-{A}-1"))

"""People of IAM Identity Center, and root users: the person is cut and nobody else of the same permission set, in an order, and comes back as recorded.

The fence above the account is judged by the enforcing bed; the directory itself is the modelled one of tests/beds/identity_center.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.beds.bed import Credentials
from tests.beds.company import document, trust
from tests.beds.identity_center import Directory, over
from tests.integration.helpers import DENIED, Desk, works

pytestmark = pytest.mark.bed

A, MANAGEMENT = "222222222222", "111111111111"
ROLE = "AWSReservedSSO_AdministratorAccess_0123456789abcdef"
EVE, BOB = "eve@example.org", "bob@example.org"
SESSION = f"arn:aws:sts::{A}:assumed-role/{ROLE}/{EVE}"
ALL = document({"Effect": "Allow", "Action": "*", "Resource": "*"})


class Office:
    """A company with Identity Center: eve and bob share a permission set in a member account, eve has it in the management account too."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.directory = desk, Directory()
        d = self.directory
        self.eve, self.bob = d.user("eve", email=EVE), d.user(BOB, email=BOB)
        d.users[self.eve]["UserName"] = EVE
        self.admin = d.permission_set(
            "AdministratorAccess",
            policy={"Version": "2012-10-17", "Statement": [{"Sid": "Theirs", "Effect": "Allow", "Action": "*", "Resource": "*"}]},
        )
        self.reader = d.permission_set("Reader", lasts="PT1H")
        self.group = d.group(self.eve, self.bob)
        d.assign(A, self.admin, self.eve)
        d.assign(MANAGEMENT, self.admin, self.eve)
        d.assign("333333333333", self.reader, self.group, "GROUP")
        d.assign(A, self.admin, self.bob)
        d.assign(MANAGEMENT, self.admin, self.bob)
        desk.bed.organizations(people={EVE: self.eve, BOB: self.bob})
        iam = desk.bed.client("iam", desk.company.production.root, direct=True)
        iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=trust({"AWS": f"arn:aws:iam::{A}:root"}))
        self.sessions = {name: self.session(name) for name in (EVE, BOB)}

    def session(self, name: str) -> Credentials:
        sts = self.desk.bed.client("sts", self.desk.company.production.root, direct=True)
        role = f"arn:aws:iam::{A}:role/aws-reserved/sso.amazonaws.com/{ROLE}"
        return Credentials.of(sts.assume_role(RoleArn=role, RoleSessionName=name)["Credentials"])

    def row(self, done: dict[str, Any], who: str) -> dict[str, Any]:
        return next(r for r in done["principals"] if r["id"] == who)

    def writes(self) -> list[str]:
        return [o for o, _s in self.directory.log if not o.startswith(("List", "Get", "Describe"))]


@pytest.fixture
def office(desk: Desk) -> Iterator[Office]:
    made = Office(desk)
    with over(made.directory):
        yield made


def test_one_person_of_a_shared_permission_set(office: Office) -> None:
    desk, d = office.desk, office.directory
    before = {"assigned": set(d.assigned), "policy": d.sets[office.admin]["policy"]}
    assert {n: works(desk.bed, c) for n, c in office.sessions.items()} == {EVE: "ok", BOB: "ok"}
    desk.incident(SESSION)
    preview = desk.contain(check=True)
    print(json.dumps({k: preview[k] for k in ("principals", "manual", "problems", "open", "fences", "status")}, indent=1))
    assert office.writes() == []
    done = desk.contain()
    print(json.dumps({k: done[k] for k in ("principals", "manual", "problems", "open", "fences", "status", "steps", "residual")}, indent=1))
    assert done["problems"] == []
    assert works(desk.bed, office.sessions[EVE]) in DENIED and works(desk.bed, office.sessions[BOB]) == "ok"
    again = desk.contain()
    assert again["changed"] is False, again["steps"]
    assert before

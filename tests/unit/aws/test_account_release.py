# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release writes into the policy above an account that is full."""

from __future__ import annotations

import types
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import account_release, organization
from ansible_collections.evict.cloud.plugins.module_utils.aws import service_control as scp
from ansible_collections.evict.cloud.plugins.module_utils.aws.service_control import Exempt, Held
from ansible_collections.evict.cloud.plugins.module_utils.common import plan
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import identity
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Step

A, SID = "111122223333", "Evict0123456789abcdef"
FIRST, SECOND, GLASS = (f"arn:aws:iam::{A}:role/{name}" for name in ("incident-responder", "colleague-on-call", "break-glass"))
POLICIES = [f"arn:aws:iam::{A}:policy/incident-response/responder-part-{n}" for n in range(8)]
NAME = f"evict-IR-1-{A}-1"
BASE = f"organizations:{A}:scp/{NAME}"


def responder(arn: str, policies: list[str]) -> dict[str, Any]:
    return {"data": {"account": A, "arns": [arn], "policies": policies}}


class Asked:
    """Organizations and IAM, as far as a release reads them. ``there``: what the policy says."""

    def __init__(self, there: list[Any], policies: list[str]) -> None:
        self.there, self.policies = there, policies

    def read(self, probe: Any) -> Any:
        return plan.dig(self.get(probe.call), probe.path)

    def get(self, call: Any) -> Any:
        return {
            "DescribePolicy": {"Policy": {"Content": scp.document(self.there)}},
            "ListAttachedRolePolicies": {"AttachedPolicies": [{"PolicyArn": arn} for arn in self.policies]},
            "GetRole": {"Role": {}},
        }[call.operation]


def release(who: str, there: list[Any], *, protected: tuple[str, ...] = (), policies: list[str] | None = None) -> tuple[Any, Asked]:
    """A release by ``who`` of what the first responder has contained."""
    asked = Asked(there, policies or [])
    notes = {
        "responder": [responder(FIRST, policies or [])],
        "suspect": [{"data": {"arn": h.arn}} for h in scp.members(there, SID) if not scp.is_id(h.arn)],
    }
    trusted = types.SimpleNamespace(principals=())
    incident = types.SimpleNamespace(id="IR-1", sid=SID, protected=protected, trusted=trusted, automations=())
    case = types.SimpleNamespace(
        incident=incident, notes=lambda kind: notes.get(kind, []), note=lambda *_: None, history={}, check=False, warnings=[],
        compromised=lambda: (set(), set()),
    )  # fmt: skip
    aws = types.SimpleNamespace(
        responder_arn=lambda _account: who,
        caller={"arn": "arn:aws:iam::999999999999:user/me"},
        management_arn="arn:aws:iam::999999999999:role/org",
    )
    order = types.SimpleNamespace(false_positive=True)
    made: Any = types.SimpleNamespace(aws=aws, case=case, runner=None, rows=[], order=order)
    document = organization.change(A, organization.Policy("p-1", NAME, scp.document([]), True, True), SID, there)
    return account_release.AccountRelease(made, [(document, document)], {identity(scp.members(there, SID)[0].arn)}), asked


def size(step: Step) -> int:
    return len(scp.text(scp.document(step.after)))


def packed(exempt: Exempt) -> list[Any]:
    """As full as a fence makes it."""
    held = [Held(f"arn:aws:iam::{A}:user/service-account-{n:03d}") for n in range(200)]
    (box, *_), _left = scp.allocate(SID, [], [exempt], held)
    found = scp.statements(SID, box, exempt)
    assert scp.SIZE - 60 < len(scp.text(scp.document(found))) <= scp.SIZE
    return found


def exempt_in(step: Step) -> set[str]:
    (write,) = [s for s in step.after if s["Sid"].endswith("W")]
    return set(scp.listed(write["Condition"]["ArnNotLike"]["aws:PrincipalArn"]))


def test_one_is_let_go_from_a_full_policy_although_its_fence_had_left_out_what_the_responder_stands_on() -> None:
    there = packed(Exempt((FIRST,), responders=(FIRST,)))
    lifting, asked = release(FIRST, there, policies=POLICIES)
    (step,) = lifting._account(A, asked)
    assert len(scp.members(step.after, SID)) == len(scp.members(there, SID)) - 1 and exempt_in(step) == {FIRST}
    assert size(step) <= scp.SIZE


@pytest.mark.parametrize("protected", [(), (GLASS,)])
def test_another_responder_is_let_into_a_full_policy_and_nobody_falls_out_of_it(protected: tuple[str, ...]) -> None:
    there = packed(Exempt(tuple(sorted((FIRST, *protected))), responders=(FIRST,)))
    lifting, asked = release(SECOND, there, protected=protected, policies=POLICIES)
    (step,) = lifting._admitted(A, asked)
    assert scp.members(step.after, SID) == scp.members(there, SID) and exempt_in(step) >= {SECOND, *protected}
    assert size(step) <= scp.SIZE


def test_what_others_say_in_the_policy_counts() -> None:
    held = [Held(f"arn:aws:iam::{A}:user/service-account-{n:03d}") for n in range(40)]
    mine = scp.statements(SID, held[:4], Exempt((FIRST,), responders=(FIRST,)))
    other = scp.statements("Evict1111222233334444", held[4:26], Exempt())
    lifting, asked = release(FIRST, mine, policies=POLICIES)
    asked.there = [*mine, *other]
    assert scp.SIZE - 300 < len(scp.text(scp.document(asked.there))) <= scp.SIZE
    (step,) = lifting._account(A, asked)
    assert len(scp.text(scp.document([*step.after, *other]))) <= scp.SIZE


def test_where_there_is_room_all_of_it_is_protected() -> None:
    there = scp.statements(SID, [Held(f"arn:aws:iam::{A}:user/{n}") for n in "ab"], Exempt((FIRST, GLASS), responders=(FIRST,), bare=True))
    lifting, asked = release(SECOND, there, protected=(GLASS,), policies=POLICIES)
    (step,) = lifting._admitted(A, asked)
    (write,) = [s for s in step.after if s["Sid"].endswith("W")]
    assert {FIRST, SECOND, GLASS, *POLICIES} < set(write["Resource"]) and exempt_in(step) == {FIRST, SECOND, GLASS}

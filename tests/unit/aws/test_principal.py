# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what CloudTrail says about a caller to its principal, and what AWS lets nobody fence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import resolving, untouchable
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.resolving import from_identity, resolve
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError, EvictError, Refused
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call
from ansible_collections.evict.cloud.plugins.module_utils.common.suspect import only

A, B = "111122223333", "444455556666"


class Aws:
    """IAM with the users and roles that exist; everything else is NoSuchEntity."""

    partition = "aws"
    caller = {"account": A, "arn": f"arn:aws:iam::{A}:user/responder", "user_id": "AIDAR"}

    def __init__(self, *arns: str) -> None:
        self.arns, self.calls = arns, list[Call]()

    def call(self, call: Call, parameters: Any = None) -> dict[str, Any]:
        self.calls.append(call)
        noun = {"GetUser": "User", "GetRole": "Role"}.get(call.operation)
        name = call.parameters.get(f"{noun}Name")
        for arn in self.arns:
            if noun and f":{noun.lower()}/" in arn and arn.rsplit("/", 1)[-1] == name and f"::{call.target.account}:" in arn:
                return {noun: {f"{noun}Name": name, f"{noun}Id": "ID", "Arn": arn, "Path": "/"}}
        raise CloudError(f"{call.name}: NoSuchEntity", code="NoSuchEntity", object=str(name), operation=call.name)


ROLE, USER = f"arn:aws:iam::{A}:role/x/deploy", f"arn:aws:iam::{A}:user/team/ci"


@pytest.mark.parametrize(
    ("identity", "arn", "sessions"),
    [
        ({"type": "AssumedRole", "principalId": "AROA:evil", "accountId": A, "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE, "accountId": A}}}, ROLE, {"evil"}),
        ({"type": "FederatedUser", "accountId": A, "sessionContext": {"sessionIssuer": {"type": "IAMUser", "userName": "ci"}}}, USER, set()),
        ({"type": "IAMUser", "userName": "ci", "accountId": A}, USER, set()), ({"type": "Root", "accountId": A}, f"arn:aws:iam::{A}:root", set()),
    ],
)  # fmt: skip
def test_who_is_behind_an_event(identity: Any, arn: str, sessions: set[str]) -> None:
    found = from_identity(Aws(ROLE, USER), B, identity, "s")  # type: ignore[arg-type]
    assert found is not None and (found.arn, found.account, found.sessions) == (arn, A, sessions)


@pytest.mark.parametrize("identity", [{}, {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, {"type": "AWSAccount", "accountId": B}])
def test_services_and_strangers_have_no_principal(identity: Any) -> None:
    assert from_identity(Aws(), A, identity, "s") is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "arn"),
    [
        (ROLE, ROLE),
        (USER, USER),
        (f"arn:aws:sts::{A}:assumed-role/deploy/evil", ROLE),
        (f"arn:aws:iam::{A}:root", f"arn:aws:iam::{A}:root"),
    ],
)
def test_arns(text: str, arn: str) -> None:
    found = resolve(Aws(ROLE, USER), only(text))  # type: ignore[arg-type]
    assert found.arn == arn and found.sessions == ({"evil"} if "assumed" in text else set())
    assert found.whole == (text in (ROLE, USER))


@pytest.mark.parametrize(("text", "remedy"), [(f"arn:aws:iam::{A}:user/ci", USER), (f"arn:aws:iam::{A}:user/nobody", "check the ARN")])
def test_an_arn_that_is_not_quite_right(text: str, remedy: str) -> None:
    with pytest.raises(EvictError, match="does not exist") as caught:
        resolve(Aws(ROLE, USER), only(text))  # type: ignore[arg-type]
    assert remedy in caught.value.remedy and caught.value.object == text


def test_a_name() -> None:
    aws = Aws(USER)
    assert resolve(aws, only("ci")).arn == USER  # type: ignore[arg-type]
    with pytest.raises(EvictError, match="may be any of") as caught:
        resolve(Aws(USER, f"arn:aws:iam::{A}:role/ci"), only("ci"))  # type: ignore[arg-type]
    assert USER in caught.value.remedy and f"arn:aws:iam::{A}:role/ci" in caught.value.remedy
    with pytest.raises(EvictError, match="nothing of that name in account") as caught:
        resolve(Aws(), only("ghost"))  # type: ignore[arg-type]
    assert caught.value.object == "ghost" and "ARN" in caught.value.remedy


def made(arn: str, kind: str = "role", path: str = "/", **more: Any) -> Principal:
    return Principal(A, kind, arn.rsplit("/", 1)[-1], "ID", arn, "s", {"Path": path}, **more)


@pytest.mark.parametrize(
    ("who", "remedy"),
    [
        (made(f"arn:aws:iam::{A}:root", "root"), "SCP"), (made(f"arn:aws:iam::{A}:role/aws-service-role/ecs.amazonaws.com/X", path="/aws-service-role/ecs.amazonaws.com/"), "service"),
        (made(f"arn:aws:iam::{A}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_A_1", path="/aws-reserved/sso.amazonaws.com/"), "aws organizations create-policy"),
    ],
)  # fmt: skip
def test_what_iam_does_not_let_anybody_fence(who: Principal, remedy: str) -> None:
    with pytest.raises(Refused) as caught:
        untouchable.refuse(who)
    assert caught.value.object == who.arn and remedy in caught.value.remedy


def test_the_scp_names_the_session_and_is_valid() -> None:
    who = made(
        f"arn:aws:iam::{A}:role/aws-reserved/AWSReservedSSO_A_1", path="/aws-reserved/sso.amazonaws.com/", sessions={"eve@example.org"}
    )
    with pytest.raises(Refused) as caught:
        untouchable.refuse(who)
    scp = json.loads(caught.value.remedy.split("--content '", 1)[1].split("'", 1)[0])
    assert scp["Statement"][0]["Condition"]["StringLike"]["aws:userId"] == ["*:eve@example.org"] and len(json.dumps(scp)) < 5120


def test_ordinary_ones_are_not_refused() -> None:
    for who in (made(ROLE), made(USER, "user"), made(f"arn:aws:iam::{A}:role/my-aws-service-role/x", path="/my-aws-service-role/")):
        untouchable.refuse(who)


def test_joining_two_suspects_of_one_identity_widens_never_narrows() -> None:
    first = made(USER, "user", only={"AKIA1"}, compromised={"AKIA1"})
    assert first.join(made(USER, "user", only={"password"})) and first.only == {"AKIA1", "password"}
    assert not first.join(made(USER, "user", only={"AKIA1"}))  # nothing new
    assert first.join(made(USER, "user", whole=True)) and first.only == set() and first.whole
    assert not first.join(made(USER, "user", only={"AKIA9"})) and first.only == set()  # all of it is contained already


def test_reads_are_declared() -> None:
    assert {"iam:GetUser", "iam:GetRole", "iam:GetAccessKeyLastUsed", "sts:GetAccessKeyInfo", "cloudtrail:LookupEvents"} <= set(
        resolving.READS
    )

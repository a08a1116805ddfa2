"""The local proof that a policy can still be changed: what applies, what does not, and what is not understood."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.resource_check import still_changes

A = "111122223333"
ROLE, GLASS = f"arn:aws:iam::{A}:role/ir/responder", f"arn:aws:iam::{A}:role/break-glass"
KEY = f"arn:aws:kms:eu-west-1:{A}:key/k"
ROOT = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{A}:root"}, "Action": "kms:*", "Resource": "*"}


def deny(condition: Any = None, **more: Any) -> dict[str, Any]:
    statement = {"Sid": "S", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*", **more}
    return {**statement, "Condition": condition} if condition else statement


def check(*statements: Any, arns: tuple[str, ...] = (ROLE, GLASS), needs_allow: bool = True) -> str:
    return still_changes({"Version": "2012-10-17", "Statement": list(statements)}, arns, "kms:PutKeyPolicy", KEY, needs_allow=needs_allow)


def test_a_key_that_trusts_its_account_can_be_changed_and_one_that_names_somebody_else_cannot() -> None:
    assert check(ROOT) == "" and check({**ROOT, "Principal": {"AWS": A}}) == ""
    assert still_changes({"Statement": ROOT}, [ROLE], "kms:PutKeyPolicy", KEY, needs_allow=True) == ""  # a lone statement
    other = {**ROOT, "Principal": {"AWS": f"arn:aws:iam::{A}:role/owner"}}
    assert check(other) == f"no statement allows kms:PutKeyPolicy to {ROLE}"
    assert check(other, {**ROOT, "Principal": {"AWS": [ROLE, GLASS]}, "Action": ["kms:Put*"]}) == ""
    assert "no statement allows" in check({**ROOT, "Action": "kms:Decrypt"}) and "no statement allows" in check(
        {**ROOT, "NotAction": "kms:Put*", "Action": []}
    )
    assert check(needs_allow=False) == ""  # elsewhere an identity policy allows it


@pytest.mark.parametrize(
    "condition",
    [
        {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{A}:user/ci"}, "DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}},
        {"ArnNotLike": {"aws:PrincipalArn": [f"arn:aws:iam::{A}:role/*"]}},
        {"Bool": {"aws:SecureTransport": "false"}},
        {"StringNotEquals": {"aws:PrincipalAccount": A}},
        {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}},
        {"Null": {"aws:PrincipalArn": "true"}},
        {"StringEqualsIfExists": {"aws:PrincipalAccount": "999988887777"}},
    ],
)  # fmt: skip
def test_a_deny_that_is_not_about_them_is_passed(condition: Any) -> None:
    assert check(ROOT, deny(condition)) == ""


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (deny(), "statement S denies kms:PutKeyPolicy"),
        (deny({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{A}:role/*"}}), "denies"),
        (deny({"StringNotLike": {"AWS:PrincipalArn": f"arn:aws:iam::{A}:user/*"}}), "denies"),
        (deny(Principal={"AWS": [f"arn:aws:iam::{A}:root"]}), "denies"),
        (deny(Action=[], NotAction="kms:Decrypt"), "denies"),
        (deny({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}), "the condition StringNotEquals on aws:SourceVpce, which is not understood"),
        (deny({"StringEquals": {"aws:PrincipalArn": "${aws:PrincipalArn}"}}), "not understood"),
        (deny({"ForAnyValue:StringEquals": {"aws:PrincipalArn": [ROLE]}}), "not understood"),
        (deny(Principal={}, NotPrincipal={"AWS": ROLE}), "NotPrincipal, which is not understood"),
        (deny(Principal={"AWS": f"arn:aws:sts::{A}:assumed-role/responder/evict"}), "not understood"),
        (deny(Resource="arn:${aws:PrincipalTag/x}"), "a variable in Resource, which is not understood"),
        ({**deny(), "Effect": "Maybe"}, "has no Effect"),
    ],
)  # fmt: skip
def test_what_denies_or_is_not_understood_is_named(statement: Any, said: str) -> None:
    found = check(ROOT, statement)
    assert said in found and "S" in found, found


def test_what_may_allow_but_is_not_understood_is_said_too() -> None:
    doubtful = {**ROOT, "Sid": "Odd", "Condition": {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}}
    assert (
        "no statement allows" in (said := check(doubtful))
        and "statement Odd may, but holds the condition IpAddress on aws:SourceIp" in said
        and "Odd may" in said
    )


def test_the_path_of_the_responders_role_may_not_be_known() -> None:
    unknown = f"arn:aws:iam::{A}:role/*/responder"
    assert "not understood" in check(ROOT, deny({"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{A}:role/x/responder"}}), arns=(unknown,))
    assert check(ROOT, deny({"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{A}:user/ci"}}), arns=(unknown,)) == ""

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one CloudTrail record opens for its caller, and how the scope follows a trail to its end."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.aws import events, scope
from ansible_collections.evict.cloud.plugins.module_utils.aws.scope import Found, Scope, read_event
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError, EvictError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Target

A, B = "111122223333", "444455556666"
CI = f"arn:aws:iam::{A}:user/ci"
IDENTITY = {"type": "IAMUser", "arn": CI, "accountId": A, "accessKeyId": "AKIACI", "userName": "ci"}
ROLE_IDENTITY = {
    "type": "AssumedRole", "arn": f"arn:aws:sts::{A}:assumed-role/deploy/evil", "accountId": A, "accessKeyId": "ASIAR", "principalId": "AROA:evil",
    "sessionContext": {"sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::{A}:role/deploy", "accountId": A, "userName": "deploy"}},
}  # fmt: skip


def event(name: str, request: Any = None, answer: Any = None, identity: Any = None, **more: Any) -> dict[str, Any]:
    return {"eventName": name, "eventTime": "2026-11-22T09:00:00Z", "eventID": f"{name}{time.monotonic_ns()}", "recipientAccountId": A, "userIdentity": identity or IDENTITY,
            "requestParameters": request, "responseElements": answer, **more}  # fmt: skip


def found(name: str, request: Any = None, answer: Any = None, identity: Any = None, **more: Any) -> Found:
    result = read_event(event(name, request, answer, identity, **more))
    assert result is not None
    return result


MADE = {"credentials": {"accessKeyId": "ASIANEW"}}


def test_assume_role() -> None:
    role = f"arn:aws:iam::{B}:role/x/deploy"
    got = found("AssumeRole", {"roleArn": role, "roleSessionName": "evil"}, MADE)
    assert (got.account, got.arn, got.session, got.key, got.source, got.whole, got.only) == (B, role, "evil", "ASIANEW", CI, False, "")
    chained = found("AssumeRole", {"roleArn": role, "roleSessionName": "two"}, MADE, ROLE_IDENTITY)
    assert chained.source == f"arn:aws:iam::{A}:role/deploy"  # the issuer, not the session


@pytest.mark.parametrize(
    ("name", "request_", "file"), [("GetSessionToken", {"durationSeconds": 900}, "ci"), ("GetFederationToken", {"name": "fed"}, "fed")]
)
def test_minted_sessions_belong_to_their_user(name: str, request_: Any, file: str) -> None:
    got = found(name, request_, MADE)
    assert (got.arn, got.key, got.source, got.whole, got.only) == (CI, "ASIANEW", CI, False, "")
    assert got.name == file  # under which CloudTrail files what the new key does


def test_a_key_made_for_an_innocent_user_is_that_key_only() -> None:
    got = found("CreateAccessKey", {"userName": "bob"}, {"accessKey": {"accessKeyId": "AKIABOB", "userName": "bob", "status": "Active"}})
    assert (got.arn, got.only, got.key, got.whole) == (f"arn:aws:iam::{A}:user/bob", "AKIABOB", "AKIABOB", False)
    assert found("CreateAccessKey", None, {"accessKey": {"accessKeyId": "AKIAX", "userName": "ci"}}).arn == CI  # for itself: no parameters


@pytest.mark.parametrize("name", ["CreateLoginProfile", "UpdateLoginProfile"])
def test_a_password(name: str) -> None:
    got = found(name, {"userName": "bob"})
    assert (got.arn, got.only, got.whole) == (f"arn:aws:iam::{A}:user/bob", "password", False)


def test_what_the_attacker_made_is_the_attackers_as_a_whole() -> None:
    assert found("CreateUser", {"userName": "m"}, {"user": {"arn": f"arn:aws:iam::{A}:user/p/m"}}).whole
    assert found("CreateRole", {"roleName": "m"}, {"role": {"arn": f"arn:aws:iam::{A}:role/m"}}).whole
    edited = found("UpdateAssumeRolePolicy", {"roleName": "deploy"})
    assert edited.arn == f"arn:aws:iam::{A}:role/deploy" and not edited.whole


def test_partitions() -> None:
    got = found("CreateLoginProfile", {"userName": "bob"}, identity={**IDENTITY, "arn": f"arn:aws-cn:iam::{A}:user/ci"})
    assert got.arn == f"arn:aws-cn:iam::{A}:user/bob"


@pytest.mark.parametrize(
    "name", ["AssumeRole", "CreateAccessKey", "CreateUser", "CreateLoginProfile", "GetSessionToken", "UpdateAssumeRolePolicy", "CreateRole"]
)
@pytest.mark.parametrize("error", [{"errorCode": "AccessDenied"}, {"errorMessage": "Failed authentication"}])
def test_failed_calls_are_evidence_not_state(name: str, error: Any) -> None:
    request = {"roleArn": f"arn:aws:iam::{A}:role/x", "roleSessionName": "s", "userName": "bob", "roleName": "x"}
    assert read_event(event(name, request, {"user": {"arn": CI}, "accessKey": {"accessKeyId": "AKIA"}, **MADE}, **error)) is None


@pytest.mark.parametrize("name", ["ListUsers", "GetCallerIdentity", "DeleteUser", "AttachUserPolicy", ""])
def test_other_calls_open_nothing(name: str) -> None:
    assert read_event(event(name, {"userName": "bob"})) is None


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)), max_leaves=8,
)  # fmt: skip


@given(st.sampled_from(["AssumeRole", "AssumeRoleWithSAML", "GetSessionToken", "CreateAccessKey", "CreateLoginProfile", "CreateUser", "UpdateAssumeRolePolicy", "CreateRole"]),
       JSON, JSON, st.one_of(JSON, st.just(IDENTITY), st.fixed_dictionaries({"arn": st.text(max_size=5)})))  # fmt: skip
def test_a_record_of_any_shape_is_read_or_passed_over(name: str, request: Any, answer: Any, identity: Any) -> None:
    result = read_event({"eventName": name, "requestParameters": request, "responseElements": answer, "userIdentity": identity})
    assert result is None or isinstance(result, Found)


def test_hostile_text_stays_text() -> None:
    role = f"arn:aws:iam::{A}:role/{{{{ lookup('pipe','id') }}}}"
    assert found("AssumeRole", {"roleArn": role, "roleSessionName": "x"}, MADE).arn == role


# -- the trail -----------------------------------------------------------------------------------------------------------


class Logs:
    """LookupEvents of two regions; `rows`: (region, attribute, value) -> records."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rows: dict[tuple[str, str, str], list[Any]], pause: float = 0) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.broken: set[str] = set()
        monkeypatch.setattr(events, "regions", lambda _aws, _account: ["eu-west-1", "us-east-1"])

        def lookup(_aws: Any, target: Target, attribute: str, value: str, start: str = "", deadline: float = 0, most: int = 0) -> Any:
            self.asked.append((target.region, attribute, value))
            time.sleep(pause)
            if target.region in self.broken:
                raise CloudError("AccessDenied", code="AccessDenied", operation="cloudtrail:LookupEvents")
            yield from rows.get((target.region, attribute, value), [])

        monkeypatch.setattr(events, "lookup", lookup)


def follow(logs: Logs, seconds: float = 10, start: str = "") -> tuple[list[Found], Scope]:
    got: list[Found] = []
    made: Scope

    def take(one: Found) -> None:
        got.append(one)
        made.belongs(one.key)
        if one.key.startswith("AKIA"):
            made.ask(one.account, "AccessKeyId", one.key)

    made = Scope(None, take, start=start, seconds=seconds)  # type: ignore[arg-type]
    made.belongs("AKIACI")
    made.ask(A, "AccessKeyId", "AKIACI")
    made.wait()
    made.stop()
    return got, made


def key_event(by: str, made: str) -> dict[str, Any]:
    return event(
        "CreateAccessKey",
        {"userName": made.lower()},
        {"accessKey": {"accessKeyId": made, "userName": made.lower()}},
        {**IDENTITY, "accessKeyId": by},
    )


def test_a_chain_of_keys_is_followed_across_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = Logs(monkeypatch, {
        ("us-east-1", "AccessKeyId", "AKIACI"): [key_event("AKIACI", "AKIA1")], ("eu-west-1", "AccessKeyId", "AKIA1"): [key_event("AKIA1", "AKIA2")],
        ("us-east-1", "AccessKeyId", "AKIA2"): [key_event("AKIA2", "AKIA3")],
    })  # fmt: skip
    got, made = follow(logs)
    assert [f.key for f in got] == ["AKIA1", "AKIA2", "AKIA3"] and made.gaps == [] and len(made.seen) == 3
    assert len(logs.asked) == len(set(logs.asked)) == 8  # four keys, two regions, each once


def test_a_cycle_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [key_event("AKIACI", "AKIA1"), key_event("AKIACI", "AKIACI")]
    got, _ = follow(Logs(monkeypatch, {("us-east-1", "AccessKeyId", "AKIACI"): rows, ("eu-west-1", "AccessKeyId", "AKIACI"): rows}))
    assert len(got) == 2  # each record once, though two regions deliver it


def test_what_could_not_be_read_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = Logs(monkeypatch, {("us-east-1", "AccessKeyId", "AKIACI"): [key_event("AKIACI", "AKIA1")]})
    logs.broken = {"eu-west-1"}
    got, made = follow(logs)
    assert [f.key for f in got] == ["AKIA1"] and any("eu-west-1" in g and "AccessDenied" in g for g in made.gaps)


def test_an_account_whose_regions_cannot_be_read_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = Logs(monkeypatch, {})

    def refuse(_aws: Any, account: str) -> Any:
        raise EvictError("cannot be reached", object=account)

    monkeypatch.setattr(events, "regions", refuse)
    _, made = follow(logs)
    assert any(A in g for g in made.gaps) and logs.asked == []


def test_time_that_ran_out_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = Logs(monkeypatch, {("us-east-1", "AccessKeyId", "AKIACI"): [key_event("AKIACI", "AKIA1")]}, pause=0.4)
    _, made = follow(logs, seconds=0.2)
    assert made.gaps


def test_calls_of_others_under_the_same_name_are_not_the_attackers(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = key_event("AKIACI", "AKIA1"), key_event("AKIAOTHER", "AKIA9")
    got, made = follow(Logs(monkeypatch, {("us-east-1", "AccessKeyId", "AKIACI"): [mine, theirs]}))
    assert [f.key for f in got] == ["AKIA1"]
    made.belongs("AKIAOTHER")  # it turns out to be part of the trail: what waited is taken
    assert [f.key for f in got] == ["AKIA1", "AKIA9"]


def test_scope_reads_are_declared() -> None:
    assert set(scope.READS) == {"ec2:DescribeRegions", "cloudtrail:LookupEvents"}

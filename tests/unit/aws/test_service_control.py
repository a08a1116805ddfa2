"""The documents of the fence above the account: size, places, whom they hold, hostile paths."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.aws import responders
from ansible_collections.evict.cloud.plugins.module_utils.aws import service_control as scp
from ansible_collections.evict.cloud.plugins.module_utils.aws.service_control import Exempt, Held

SID = "Evict0123456789abcdef"
A = "111122223333"
GLASS = "arn:aws:iam::111122223333:role/break-glass"


def user(name: str) -> Held:
    return Held(f"arn:aws:iam::111122223333:user/{name}")


@given(st.lists(st.integers(0, 400), unique=True, max_size=120), st.integers(0, 3), st.integers(0, 4000))
def test_no_document_exceeds_the_limit_and_nobody_is_lost(numbers: list[int], fresh: int, used: int) -> None:
    held = [held for n in numbers for held in (user(f"somebody-with-a-long-name-{n}"), Held(f"AIDAEXAMPLE{n:010}"))]
    boxes, left = scp.allocate(SID, [([], used)], [Exempt((GLASS,))] * (1 + fresh), held)
    assert sorted(h.arn for box in (*boxes, left) for h in box) == sorted(h.arn for h in held)
    for index, box in enumerate(boxes):
        size = len(scp.text(scp.document(scp.statements(SID, box, Exempt((GLASS,))))))
        assert not box or size <= scp.SIZE - (used if index == 0 else 0)


def test_nobody_is_moved_while_there_is_room() -> None:
    first, second = [user("a"), user("c")], [user("b")]
    boxes, left = scp.allocate(SID, [(first, 0), (second, 0)], [Exempt()] * 3, [user(n) for n in "abcd"])
    assert not left and {h.arn[-1] for h in boxes[0]} >= {"a", "c"} and "b" in {h.arn[-1] for h in boxes[1]} and boxes[2] == []


def test_what_is_written_tells_whom_it_holds() -> None:
    held = [
        user("a"),
        user("b"),
        Held("AIDAEXAMPLEA"),
        Held("AIDAEXAMPLEB"),
        Held("arn:aws:iam::111122223333:role/r", {"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}}),
    ]
    statements = scp.statements(SID, held, Exempt((GLASS,), ("arn:aws:sts::111122223333:federated-user/broker",)))
    key = str
    assert sorted(scp.members(statements, SID), key=key) == sorted(held, key=key)
    assert scp.ours(scp.document(statements), SID) == statements and scp.others(scp.document(statements), "EvictOther") == statements
    assert all(s["Sid"].isalnum() for s in statements) and len({s["Sid"] for s in statements}) == len(statements)


def test_a_user_is_denied_by_its_id_whatever_it_is_called_and_no_write_is_denied_on_an_id() -> None:
    statements = scp.statements(SID, [user("a"), Held("AIDAEXAMPLEA")], Exempt((GLASS,)))
    (by_id,) = [s for s in statements if "aws:userid" in str(s)]
    assert by_id["Action"] == by_id["Resource"] == "*" and by_id["Condition"] == {"StringEquals": {"aws:userid": ["AIDAEXAMPLEA"]}}
    assert sum("AIDAEXAMPLEA" in str(s) for s in statements) == 1
    assert scp.shown([user("a"), Held("AIDAEXAMPLEA")]) == [user("a").arn]


def test_a_newer_cutoff_replaces_the_older_and_everything_covers_the_rest() -> None:
    old, new = ({"DateLessThan": {"aws:TokenIssueTime": t}} for t in ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"))
    role = "arn:aws:iam::111122223333:role/r"
    assert scp.merge([Held(role, old)], [Held(role, new)]) == [Held(role, new)]
    assert scp.merge([Held(role)], [Held(role, new)]) == [Held(role)]


@pytest.mark.parametrize("path", ["/${aws:PrincipalArn}/", "/*/", "/a?b/", "/x/${$}/"])
def test_an_odd_path_becomes_a_wildcard_that_only_its_owner_matches(path: str) -> None:
    assert scp.pattern(f"arn:aws:iam::111122223333:user{path}eve") == "arn:aws:iam::111122223333:user/*/eve"


def test_a_plain_arn_stays() -> None:
    assert scp.pattern("arn:aws:iam::111122223333:role/team/deploy") == "arn:aws:iam::111122223333:role/team/deploy"


def test_nobody_is_exempt_when_nobody_is_named() -> None:
    (write,) = [s for s in scp.statements(SID, [user("a")], Exempt()) if s["Sid"].endswith("W")]
    assert "Condition" not in write and "*" not in json.dumps(write["Resource"])


def test_what_the_responder_stands_on_is_protected_and_gives_way_to_who_is_held() -> None:
    """Exactly its managed policies, in the statement that protects the contained: its verbs hold versions, their default and deletion."""
    policy = f"arn:aws:iam::{A}:policy/evict/work"
    held = [user("a")]
    (write,) = [s for s in scp.statements(SID, held, Exempt((GLASS,), policies=(policy,))) if s["Sid"].endswith("W")]
    assert write["Resource"] == [held[0].arn, GLASS, policy] and write["Condition"] == {"ArnNotLike": {"aws:PrincipalArn": [GLASS]}}
    for action in ("CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion", "DeletePolicy"):
        assert any(fnmatch.fnmatchcase(f"iam:{action}", pattern) for pattern in write["Action"]), action


def test_groups_through_which_an_exempt_user_could_be_cut_off_are_kept_and_give_way_too() -> None:
    """To add a user to a group is judged by the group alone, so that is denied of all groups, and of nothing else."""
    mine, every = f"arn:aws:iam::{A}:group/ops/emergency", f"arn:aws:iam::{A}{scp.JOINING}"
    exempt = Exempt((GLASS,), policies=(every, mine))
    written = scp.statements(SID, [user("a")], exempt)
    (write,), (join,) = ([s for s in written if s["Sid"] == f"{SID}{letter}"] for letter in "WG")
    assert write["Resource"] == [user("a").arn, GLASS, mine] and (join["Action"], join["Resource"]) == ("iam:AddUserToGroup", every)
    assert write["Condition"] == join["Condition"] == {"ArnNotLike": {"aws:PrincipalArn": [GLASS]}}
    assert scp.ours(scp.document(written), SID) == written and scp.members(written, SID) == [user("a")]
    assert "group" not in json.dumps(scp.statements(SID, [user("a")], dataclasses.replace(exempt, policies=())))


def test_a_declared_automation_that_is_named_by_its_session_is_not_frozen() -> None:
    """`aws:PrincipalArn` of a session is its role's ARN, with the path that only IAM knows."""
    role, user = f"arn:aws:iam::{A}:role/ci/terraform", f"arn:aws:iam::{A}:user/deployer"

    class Iam:
        def call(self, call: Any) -> Any:
            return {"Role": {"Arn": f"arn:aws:iam::{call.target.account}:role/ci/{call.parameters['RoleName']}"}}

    trusted = SimpleNamespace(principals=[user, "arn:aws:iam::999999999999:user/elsewhere"])
    incident = SimpleNamespace(trusted=trusted, automations=[f"arn:aws:sts::{A}:assumed-role/terraform/run-1"])
    assert responders.declared(Iam(), incident, A) == (role, user)  # type: ignore[arg-type]

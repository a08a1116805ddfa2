"""Who made a change, when CloudTrail has only a part of what happened."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import authors
from ansible_collections.evict.cloud.plugins.module_utils.aws.account_state import Change

BOB, KEY = "arn:aws:iam::111122223333:user/bob", "AKIAIOSFODNN7EXAMPLE"


def event(name: str, by: str, **request: str) -> dict[str, Any]:
    return {
        "eventName": name,
        "requestParameters": {"userName": "bob", **request},
        "userIdentity": {"arn": f"arn:aws:iam::111122223333:user/{by}"},
    }


def author(monkeypatch: pytest.MonkeyPatch, change: Change, *newest_first: dict[str, Any]) -> str:
    def lookup(*_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        yield from newest_first

    monkeypatch.setattr(authors.events, "lookup", lookup)
    aws: Any = types.SimpleNamespace(
        partition="aws", caller={"arn": "arn:aws:iam::111122223333:user/me"}, responder_arn=lambda _account: ""
    )
    case: Any = None
    found = authors.Authors(aws, case, "111122223333", "").of(change)
    return found["userIdentity"]["arn"].rsplit("/", 1)[-1] if found else ""


def test_the_call_that_left_it_as_it_is_has_made_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """A colleague detached the policy, then a thief attached it, whose event is not there yet: the colleague did not attach it."""
    policy = "arn:aws:iam::aws:policy/AdministratorAccess"
    there, gone = Change(BOB, f"attached/{policy}", None, True), Change(BOB, f"attached/{policy}", True, None)
    colleague, thief = event("DetachUserPolicy", "ada", policyArn=policy), event("AttachUserPolicy", "thief", policyArn=policy)
    assert author(monkeypatch, there, colleague) == "" and author(monkeypatch, there, thief, colleague) == "thief"
    assert author(monkeypatch, gone, colleague) == "ada"


def test_whoever_switched_a_key_off_did_not_switch_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    on, off = (event("UpdateAccessKey", who, accessKeyId=KEY, status=status) for who, status in (("thief", "Active"), ("ada", "Inactive")))
    change = Change(BOB, f"key/{KEY}", "Inactive", "Active")
    assert author(monkeypatch, change, off) == "" and author(monkeypatch, change, off, on) == "thief"

"""Roles Anywhere: what a suspect changed or switched on and did not make is others' as well, so it is named and stays."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import federation, live
from ansible_collections.evict.cloud.plugins.module_utils.aws.live import roles_anywhere
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from tests.unit.aws.modelled_cloud import ModelledCloud
from tests.unit.aws.test_live_kinds import HERE, USER, A, event, look, suspects

ID = "99999999-2222-3333-4444-555555555555"
MOMENT = "2026-11-01T00:00:00Z"
CRL = {"crlId": ID, "crlArn": "arn:c", "name": "revoked {{ 1 }}", "trustAnchorArn": "arn:a", "createdAt": MOMENT, "updatedAt": MOMENT}
KINDS = {
    "profile": ("GetProfile", {"profileId": ID, "name": "laptops {{ 1 }}"}),
    "trustAnchor": ("GetTrustAnchor", {"trustAnchorId": ID, "name": "corp {{ 1 }}", "source": {"sourceType": "AWS_ACM_PCA"}}),
    "crl": ("GetCrl", {"crlId": ID, "name": "revoked {{ 1 }}"}),
}


def cloud(noun: str, enabled: Any) -> ModelledCloud:
    operation, one = KINDS[noun]
    if isinstance(enabled, str):
        return ModelledCloud(**{operation: enabled})
    return ModelledCloud(**{operation: {noun: {**(CRL if noun == "crl" else one), "enabled": enabled}}})


def call(name: str, noun: str, answered: bool = True) -> dict[str, Any]:
    one = {f"{noun}Id": ID}
    return event("rolesanywhere", name, one, {noun: one} if answered else None)


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize(
    ("name", "noun"),
    [
        ("UpdateProfile", "profile"),
        ("EnableProfile", "profile"),
        ("UpdateTrustAnchor", "trustAnchor"),
        ("EnableTrustAnchor", "trustAnchor"),
    ],
)
def test_what_a_suspect_changed_or_switched_on_is_named_while_it_is_on_and_stays(name: str, noun: str, answered: bool) -> None:
    (found,) = look(cloud(noun, True), roles_anywhere, suspects(USER), call(name, noun, answered))
    assert name in found.why and found.until == live.BY_HAND and ("rolesanywhere.amazonaws.com", name) in roles_anywhere.EVENTS
    assert look(cloud(noun, False), roles_anywhere, suspects(USER), call(name, noun, answered)) == []
    assert look(cloud(noun, "ResourceNotFoundException"), roles_anywhere, suspects(USER), call(name, noun)) == []


@pytest.mark.parametrize(
    ("name", "now", "named"),
    [
        ("UpdateCrl", True, True),
        ("UpdateCrl", False, True),
        ("DisableCrl", False, True),
        ("DisableCrl", True, False),  # somebody has put it on again
        ("DeleteCrl", "ResourceNotFoundException", True),
        ("UpdateCrl", "ResourceNotFoundException", True),
    ],
)
def test_a_revocation_list_that_a_suspect_took_away_or_rewrote_is_named(name: str, now: Any, named: bool) -> None:
    found = look(cloud("crl", now), roles_anywhere, suspects(USER), call(name, "crl"))
    assert [name in one.why and "revoked" in one.why for one in found] == ([True] if named else [])


def test_several_calls_about_one_are_one_line_and_what_a_suspect_made_is_switched_off() -> None:
    calls = [call("UpdateProfile", "profile"), call("EnableProfile", "profile")]
    (found,) = look(cloud("profile", True), roles_anywhere, suspects(USER), *calls)
    assert "UpdateProfile" in found.why and "EnableProfile" in found.why
    (found,) = look(cloud("profile", True), roles_anywhere, suspects(USER), call("CreateProfile", "profile"), *calls)
    assert found.why == ""


def test_what_may_not_be_looked_at_hides_no_other() -> None:
    both = ModelledCloud(GetProfile="AccessDeniedException", GetCrl={"crl": {**CRL, "enabled": False}})
    found = []
    with pytest.raises(CloudError, match="AccessDenied"):
        for one in roles_anywhere.found(
            HERE, suspects(USER), [call("UpdateProfile", "profile"), call("DisableCrl", "crl")], Reader({"aws": both})
        ):  # fmt: skip
            found.append(one.id)
    assert found == [ID]


def test_sessions_through_what_a_suspect_only_changed_are_not_all_the_attackers() -> None:
    """Everybody's machines open sessions through the company's own trust anchor; one change does not make them suspects."""
    for name, noun in (("UpdateTrustAnchor", "trustAnchor"), ("EnableProfile", "profile")):
        answer = {noun: {f"{noun}Arn": f"arn:aws:rolesanywhere:eu-west-1:{A}:x/1"}}
        assert federation.made(event("rolesanywhere", name, answer=answer)) is None

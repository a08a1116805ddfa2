"""Sessions that no AWS identity opened (SAML, OIDC, Roles Anywhere) are the attacker's when what they went through is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.aws import federation
from ansible_collections.evict.cloud.plugins.module_utils.aws.scope import Found, read_event
from tests.unit.aws.test_scope_events import JSON, A, Logs, event, follow

ROLE = f"arn:aws:iam::{A}:role/ci"
PROVIDER = f"arn:aws:iam::{A}:oidc-provider/evil.example"
SAML = f"arn:aws:iam::{A}:saml-provider/evil"
PROFILE = f"arn:aws:rolesanywhere:eu-west-1:{A}:profile/p"
AT = {"eventSource": "rolesanywhere.amazonaws.com"}
MADE_BY_CI = ("us-east-1", "AccessKeyId", "AKIACI")


def answered(name: str, key: str) -> dict[str, Any]:
    return {"credentials": {"accessKeyId": key}, "assumedRoleUser": {"arn": f"arn:aws:sts::{A}:assumed-role/ci/{name}"}}


def oidc(provider: str, key: str = "ASIAWEB", name: str = "run") -> dict[str, Any]:
    who = {"type": "WebIdentityUser", "principalId": f"{provider}:aud:sub", "userName": "sub", "identityProvider": provider}
    return event("AssumeRoleWithWebIdentity", {"roleArn": ROLE, "roleSessionName": name}, answered(name, key), who)


def saml(provider: str) -> dict[str, Any]:
    who = {"type": "SAMLUser", "principalId": "hash:sub", "userName": "sub", "identityProvider": "https://evil.example"}
    return event("AssumeRoleWithSAML", {"roleArn": ROLE, "principalArn": provider, "roleSessionName": "s"}, answered("s", "ASIASAML"), who)


def anywhere(profile: str, serial: str = "00c0ffee") -> dict[str, Any]:
    who = {
        "type": "Unknown",
        "principalId": f"arn:x/y;CN=z:{serial}",
        "arn": f"arn:aws:rolesanywhere:eu-west-1:{A}:subject/s",
        "accountId": A,
    }
    entry = {**answered(serial, "ASIARA"), "roleArn": ROLE, "sourceIdentity": "CN=z"}
    request = {"profileArn": profile, "roleArn": ROLE, "trustAnchorArn": f"arn:aws:rolesanywhere:eu-west-1:{A}:trust-anchor/t"}
    return event("CreateSession", request, {"credentialSet": [entry], "subjectArn": who["arn"]}, who, **AT)


@pytest.mark.parametrize(
    ("making", "through", "session"),
    [(event("CreateOpenIDConnectProvider", {"url": "https://evil.example"}, {"openIDConnectProviderArn": PROVIDER}), oidc(PROVIDER), "ASIAWEB"),
     (event("CreateSAMLProvider", {"name": "evil"}, {"sAMLProviderArn": SAML}), saml(SAML), "ASIASAML")],
    ids=["oidc", "saml"],
)  # fmt: skip
def test_sessions_through_a_provider_that_the_attacker_made_are_followed(
    monkeypatch: pytest.MonkeyPatch, making: dict[str, Any], through: dict[str, Any], session: str
) -> None:
    logs = Logs(monkeypatch, {MADE_BY_CI: [making], ("us-east-1", "EventName", through["eventName"]): [through]})
    got, made = follow(logs)
    assert [(f.arn, f.key) for f in got] == [(ROLE, session)] and made.gaps == []


def test_a_certificate_opens_sessions_through_a_profile_of_the_attacker(monkeypatch: pytest.MonkeyPatch) -> None:
    making = event("CreateProfile", {"roleArns": [ROLE]}, {"profile": {"profileArn": PROFILE, "profileId": "p"}}, **AT)
    logs = Logs(monkeypatch, {MADE_BY_CI: [making], ("eu-west-1", "EventName", "CreateSession"): [anywhere(PROFILE)]})
    (found,) = follow(logs)[0]
    assert (found.arn, found.session, found.key, found.account) == (ROLE, "00c0ffee", "ASIARA", A) and "Roles Anywhere" in found.how


def test_sessions_through_somebody_elses_provider_are_not_the_attackers(monkeypatch: pytest.MonkeyPatch) -> None:
    making = event("CreateOpenIDConnectProvider", None, {"openIDConnectProviderArn": PROVIDER})
    theirs = oidc(f"arn:aws:iam::{A}:oidc-provider/github.example")
    got, _ = follow(Logs(monkeypatch, {MADE_BY_CI: [making], ("us-east-1", "EventName", "AssumeRoleWithWebIdentity"): [theirs]}))
    assert got == []


def test_a_session_of_another_service_by_the_same_name_opens_nothing() -> None:
    """S3 Express has a CreateSession too."""
    other = {**anywhere(PROFILE), "eventSource": "s3express.amazonaws.com"}
    assert read_event(other) is None and federation.ways(other) == []


@given(JSON, JSON, JSON)
def test_any_shape_is_read_or_passed_over(request: Any, answer: Any, identity: Any) -> None:
    for name in ("CreateSession", "AssumeRoleWithSAML", "CreateProfile", "CreateSAMLProvider"):
        record = {"eventName": name, **AT, "requestParameters": request, "responseElements": answer, "userIdentity": identity}
        result = read_event(record)
        assert result is None or isinstance(result, Found)
        assert isinstance(federation.ways(record), list) and (federation.made(record) is None or name.startswith("Create"))


@given(st.lists(st.dictionaries(st.sampled_from(["roleArn", "assumedRoleUser", "credentials"]), JSON, max_size=3), max_size=3))
def test_any_answer_of_roles_anywhere(entries: Any) -> None:
    for role, name, key in federation.sessions({"responseElements": {"credentialSet": entries}}):
        assert role.count(":") >= 5 and isinstance(name, str) and isinstance(key, str)

"""Credentials that a call gave to a user, read from CloudTrail records as AWS documents them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.scope import read_event

A = "111122223333"
CALLER = {"type": "IAMUser", "arn": f"arn:aws:iam::{A}:user/ci", "userName": "ci", "accountId": A, "accessKeyId": "AKIAIOSFODNN7EXAMPLE"}
MADE: dict[str, tuple[str, str, dict[str, Any], dict[str, Any] | None]] = {
    "UploadSSHPublicKey": ("ssh_public_key", "APKA1", {"userName": "bob"}, {"sSHPublicKey": {"sSHPublicKeyId": "APKA1", "userName": "bob", "status": "Active"}}),
    "CreateServiceSpecificCredential": ("service_specific_credential", "ACCA1", {"userName": "bob", "serviceName": "bedrock.amazonaws.com"},
                                        {"serviceSpecificCredential": {"serviceSpecificCredentialId": "ACCA1", "userName": "bob"}}),
    "ResetServiceSpecificCredential": ("service_specific_credential", "ACCA1", {"userName": "bob", "serviceSpecificCredentialId": "ACCA1"},
                                       {"serviceSpecificCredential": {"serviceSpecificCredentialId": "ACCA1", "userName": "bob"}}),
    "UploadSigningCertificate": ("signing_certificate", "TA7S", {"userName": "bob"}, {"certificate": {"certificateId": "TA7S", "userName": "bob"}}),
    "EnableMFADevice": ("mfa_device", f"arn:aws:iam::{A}:mfa/x", {"userName": "bob", "serialNumber": f"arn:aws:iam::{A}:mfa/x"}, None),
}  # fmt: skip


def event(name: str, request: Any, answer: Any, **more: Any) -> dict[str, Any]:
    return {"eventName": name, "eventTime": "2026-01-10T12:00:00Z", "recipientAccountId": A, "userIdentity": CALLER, "requestParameters": request,
            "responseElements": answer, **more}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MADE))
def test_what_was_made_for_somebody_else(name: str) -> None:
    kind, identity, request, answer = MADE[name]
    found = read_event(event(name, request, answer))
    assert found and (found.arn, found.only, found.kind) == (f"arn:aws:iam::{A}:user/bob", identity, kind)
    assert found.compromised == {identity} and not found.key and not found.whole and identity in found.how and CALLER["arn"] in found.how
    assert read_event(event(name, request, answer, errorCode="AccessDenied")) is None


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_request_that_names_nobody_is_about_its_caller(name: str) -> None:
    _kind, identity, request, answer = MADE[name]
    request = {k: v for k, v in request.items() if k != "userName"}
    answer = answer and {box: {k: v for k, v in record.items() if k != "userName"} for box, record in answer.items()}
    found = read_event(event(name, request, answer))
    assert found and (found.arn, found.only) == (CALLER["arn"], identity)


def test_names_are_compared_without_regard_to_case() -> None:
    """How CloudTrail writes SSHPublicKeyId is documented by rule only."""
    found = read_event(event("UploadSSHPublicKey", {"userName": "bob"}, {"SSHPublicKey": {"sshPublicKeyId": "APKA1"}}))
    assert found and found.only == "APKA1"


@pytest.mark.parametrize("name", sorted(MADE))
@pytest.mark.parametrize("broken", [None, "text", [], {"x": "y"}, {"sSHPublicKey": None}])
def test_a_record_that_says_too_little_is_nothing_and_no_crash(name: str, broken: Any) -> None:
    assert read_event(event(name, broken, broken)) is None


def test_a_key_and_a_password_say_their_kind() -> None:
    key = read_event(event("CreateAccessKey", {"userName": "bob"}, {"accessKey": {"accessKeyId": "AKIA1", "userName": "bob"}}))
    assert key and (key.kind, key.only, key.compromised) == ("access_key", "AKIA1", {"AKIA1"})
    password = read_event(event("CreateLoginProfile", {"userName": "bob"}, {}))
    assert password and (password.kind, password.only, password.compromised) == ("login_profile", "password", set())

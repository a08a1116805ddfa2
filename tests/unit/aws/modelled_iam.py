"""IAM's credentials of users in memory. Every request and every answer is checked against botocore's own service model, which AWS writes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore import validate

from ansible_collections.evict.cloud.plugins.module_utils.aws.session import _plain
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call

_MODEL = botocore.session.get_session().get_service_model("iam")
# kind -> (list operation, its list, id, date)
LISTS = {
    "access_key": ("ListAccessKeys", "AccessKeyMetadata", "AccessKeyId", "CreateDate"),
    "ssh_public_key": ("ListSSHPublicKeys", "SSHPublicKeys", "SSHPublicKeyId", "UploadDate"),
    "signing_certificate": ("ListSigningCertificates", "Certificates", "CertificateId", "UploadDate"),
    "service_specific_credential": (
        "ListServiceSpecificCredentials",
        "ServiceSpecificCredentials",
        "ServiceSpecificCredentialId",
        "CreateDate",
    ),
    "mfa_device": ("ListMFADevices", "MFADevices", "SerialNumber", "EnableDate"),
}
_NOUNS = {"AccessKey": "access_key", "SSHPublicKey": "ssh_public_key", "SigningCertificate": "signing_certificate",
          "ServiceSpecificCredential": "service_specific_credential"}  # fmt: skip
_MORE: dict[str, dict[str, Any]] = {
    "signing_certificate": {"CertificateBody": "-----BEGIN CERTIFICATE-----"},
    "service_specific_credential": {"ServiceName": "codecommit.amazonaws.com", "ServiceUserName": "ci-at-111122223333"},
}


def checked(shape: Any, value: Any, what: str) -> None:
    """Raises when ``value`` is no instance of a shape of the model: missing, unknown and mistyped members."""
    report = validate.ParamValidator().validate(value, shape)
    assert not report.has_errors(), f"{what}: {report.generate_report()}"
    unknown = set(value) - set(shape.members)
    assert not unknown, f"{what}: the model has no {sorted(unknown)}"


class ModelledIam:
    """``held``: {kind: {id: record}}; ``denied``: operations that answer AccessDenied; ``calls``: operations, in order."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in LISTS}
        self.denied: set[str] = set()
        self.calls: list[str] = []

    def give(self, kind: str, identity: str, at: datetime.datetime, status: str = "Active", **more: Any) -> None:
        _operation, _list, field, date = LISTS[kind]
        record = {
            "UserName": "ci",
            field: identity,
            date: at,
            **({} if kind == "mfa_device" else {"Status": status}),
            **_MORE.get(kind, {}),
            **more,
        }
        self.held[kind][identity] = record

    def status(self, kind: str) -> dict[str, str]:
        return {identity: record.get("Status", "in use") for identity, record in self.held[kind].items()}

    def call(self, call: Call, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        sent, operation = dict(call.parameters if parameters is None else parameters), call.operation
        model = _MODEL.operation_model(operation)
        checked(model.input_shape, sent, operation)
        self.calls.append(operation)
        if operation in self.denied:
            raise CloudError(f"iam:{operation}: AccessDenied", code="AccessDenied", object="UserName=ci", operation=f"iam:{operation}")
        answer = self._answer(operation, sent)
        if model.output_shape is None:
            assert answer == {}, operation
        else:
            checked(model.output_shape, answer, operation)
        return dict(_plain(answer))

    def document(self, edit: Any) -> Any:
        raise AssertionError("no Edit is made here")

    def _answer(self, operation: str, sent: dict[str, Any]) -> dict[str, Any]:
        for kind, (name, box, _field, _date) in LISTS.items():
            if operation == name:
                return {box: list(self.held[kind].values()), "IsTruncated": False}
        if operation == "DeactivateMFADevice":
            del self._of("mfa_device", sent["SerialNumber"])[sent["SerialNumber"]]
            return {}
        verb, noun = operation[:6], operation[6:]
        identity = sent[LISTS[_NOUNS[noun]][2]]
        records = self._of(_NOUNS[noun], identity)
        if verb == "Delete":
            del records[identity]
        else:
            assert verb == "Update" and records[identity]["Status"] != "Expired", "AWS takes no status for what has expired"
            records[identity]["Status"] = sent["Status"]
        return {}

    def _of(self, kind: str, identity: str) -> dict[str, dict[str, Any]]:
        if identity not in self.held[kind]:
            raise CloudError(f"{identity}: NoSuchEntity", code="NoSuchEntity", object=identity, operation="iam")
        return self.held[kind]

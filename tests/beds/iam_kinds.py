"""SSH public keys, signing and server certificates and service-specific credentials: IAM operations that stock ministack does not have.

State and permissions only: nothing in the bed can be opened with such a credential (no CodeCommit, Keyspaces or Bedrock that would take it), so a test
with them says that status changes, never that access ends. Fields, ids and errors: from IAM's API reference, not observed.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from ministack.core.responses import AccountScopedDict, get_account_id
from ministack.services import iam

Answer = tuple[int, dict[str, str], bytes]
Params = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Shape:
    """One kind: the names that IAM's API gives to its parts, and which parameters a new one keeps."""

    noun: str  # in the operations: UploadSSHPublicKey
    plural: str  # in the list operation
    identity: str
    listed: str  # element of the list
    made: str  # element of the answer that creates one
    date: str
    kept: tuple[str, ...]


SHAPES = (
    Shape("SSHPublicKey", "SSHPublicKeys", "SSHPublicKeyId", "SSHPublicKeys", "SSHPublicKey", "UploadDate", ("SSHPublicKeyBody",)),
    Shape("SigningCertificate", "SigningCertificates", "CertificateId", "Certificates", "Certificate", "UploadDate", ("CertificateBody",)),
    Shape(
        "ServiceSpecificCredential", "ServiceSpecificCredentials", "ServiceSpecificCredentialId", "ServiceSpecificCredentials",
        "ServiceSpecificCredential", "CreateDate", ("ServiceName",),
    ),
)  # fmt: skip
STORES = {shape.noun: AccountScopedDict() for shape in SHAPES} | {"ServerCertificate": AccountScopedDict()}


def install() -> None:
    """Add the handlers, before iam_truth wraps them all. The stores are seen by the bed's snapshot as IAM's own."""
    for noun, store in STORES.items():
        setattr(iam, f"_bed_{noun}", store)
    for shape in SHAPES:
        create = "Create" if shape.noun == "ServiceSpecificCredential" else "Upload"
        handlers: dict[str, Callable[[Shape, Params], Answer]] = {
            f"{create}{shape.noun}": _create, f"List{shape.plural}": _list, f"Update{shape.noun}": _update, f"Delete{shape.noun}": _delete,
        }  # fmt: skip
        for action, handler in handlers.items():
            iam._IAM_HANDLERS[action] = _bound(handler, shape, action)
    iam._IAM_HANDLERS["ResetServiceSpecificCredential"] = _bound(_reset, SHAPES[2], "ResetServiceSpecificCredential")
    iam._IAM_HANDLERS["UploadServerCertificate"] = _upload_server_certificate
    iam._IAM_HANDLERS["ListServerCertificates"] = _list_server_certificates


def clear() -> None:
    """Forget all of them."""
    for store in STORES.values():
        store.clear()


def _bound(handler: Callable[[Shape, Params], Answer], shape: Shape, action: str) -> Callable[[Params], Answer]:
    def handle(params: Params) -> Answer:
        name = iam._p(params, "UserName")
        if name and name not in iam._users:
            return iam._error(404, "NoSuchEntity", escape(f"The user with name {name} cannot be found."))
        if not name and not (action == "ListServiceSpecificCredentials" and iam._p(params, "AllUsers") == "true"):
            return iam._error(400, "ValidationError", "The bed wants a UserName here.")
        return handler(shape, params)

    return handle


def _xml(record: dict[str, Any], without: tuple[str, ...] = ()) -> str:
    return "".join(f"<{field}>{escape(str(value))}</{field}>" for field, value in record.items() if field not in without)


def _answer(action: str, inner: str = "") -> Answer:
    answer: Answer = iam._xml(200, f"{action}Response", f"<{action}Result>{inner}</{action}Result>" if inner else "")
    return answer


def _create(shape: Shape, params: Params) -> Answer:
    store, user = STORES[shape.noun], iam._p(params, "UserName")
    service = iam._p(params, "ServiceName")
    if shape.noun == "SSHPublicKey":
        new = {
            "SSHPublicKeyId": f"APKA{secrets.token_hex(8).upper()}",
            "Fingerprint": ":".join(secrets.token_hex(1) for _ in range(16)).ljust(48, "0"),
        }
    elif shape.noun == "SigningCertificate":
        new = {"CertificateId": secrets.token_hex(16).upper()}
    else:
        position = sum(c["UserName"] == user and c["ServiceName"] == service for c in store.values())
        if position >= 2:
            return iam._error(409, "LimitExceeded", "Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2")
        alias = f"{user}{f'+{position}' if position else ''}-at-{get_account_id()}"
        secret = secrets.token_urlsafe(32)
        new = {"ServiceSpecificCredentialId": f"ACCA{secrets.token_hex(8).upper()}"}
        if service in ("bedrock.amazonaws.com", "logs.amazonaws.com", "aws-external-anthropic.amazonaws.com"):
            new |= {"ServiceCredentialAlias": alias, "ServiceCredentialSecret": secret}
            if days := iam._p(params, "CredentialAgeDays"):
                new["ExpirationDate"] = iam._future(int(days) * 86400)
        else:
            new |= {"ServiceUserName": alias, "ServicePassword": secret}
    record = {"UserName": user, **new, **{field: iam._p(params, field) for field in shape.kept}, "Status": "Active", shape.date: iam._now()}
    store[record[shape.identity]] = record
    create = "Create" if shape.noun == "ServiceSpecificCredential" else "Upload"
    return _answer(f"{create}{shape.noun}", f"<{shape.made}>{_xml(record)}</{shape.made}>")


def _list(shape: Shape, params: Params) -> Answer:
    user, service = iam._p(params, "UserName"), iam._p(params, "ServiceName")
    members = "".join(
        f"<member>{_xml(record, ('SSHPublicKeyBody', 'Fingerprint', 'ServicePassword', 'ServiceCredentialSecret'))}</member>"
        for record in STORES[shape.noun].values()
        if (not user or record["UserName"] == user) and (not service or record.get("ServiceName") == service)
    )
    return _answer(f"List{shape.plural}", f"<{shape.listed}>{members}</{shape.listed}><IsTruncated>false</IsTruncated>")


def _found(shape: Shape, params: Params) -> dict[str, Any] | None:
    record = STORES[shape.noun].get(iam._p(params, shape.identity))
    return record if record and record["UserName"] == iam._p(params, "UserName") else None


def _missing(shape: Shape, params: Params) -> Answer:
    answer: Answer = iam._error(404, "NoSuchEntity", escape(f"{shape.noun} {iam._p(params, shape.identity)} cannot be found."))
    return answer


def _update(shape: Shape, params: Params) -> Answer:
    record, status = _found(shape, params), iam._p(params, "Status")
    if record is None:
        return _missing(shape, params)
    if status not in ("Active", "Inactive"):
        answer: Answer = iam._error(400, "ValidationError", "Status must be Active or Inactive.")
        return answer
    record["Status"] = status
    return _answer(f"Update{shape.noun}")


def _delete(shape: Shape, params: Params) -> Answer:
    if _found(shape, params) is None:
        return _missing(shape, params)
    del STORES[shape.noun][iam._p(params, shape.identity)]
    return _answer(f"Delete{shape.noun}")


def _reset(shape: Shape, params: Params) -> Answer:
    record = _found(shape, params)
    if record is None:
        return _missing(shape, params)
    record["ServicePassword"] = secrets.token_urlsafe(32)
    return _answer("ResetServiceSpecificCredential", f"<{shape.made}>{_xml(record)}</{shape.made}>")


def _upload_server_certificate(params: Params) -> Answer:
    name, path = iam._p(params, "ServerCertificateName"), iam._p(params, "Path") or "/"
    record = {"Path": path, "ServerCertificateName": name, "ServerCertificateId": f"ASCA{secrets.token_hex(8).upper()}",
              "Arn": f"arn:aws:iam::{get_account_id()}:server-certificate{path}{name}", "UploadDate": iam._now()}  # fmt: skip
    STORES["ServerCertificate"][name] = record
    return _answer("UploadServerCertificate", f"<ServerCertificateMetadata>{_xml(record)}</ServerCertificateMetadata>")


def _list_server_certificates(_params: Params) -> Answer:
    members = "".join(f"<member>{_xml(record)}</member>" for record in STORES["ServerCertificate"].values())
    box = "ServerCertificateMetadataList"
    return _answer("ListServerCertificates", f"<{box}>{members}</{box}><IsTruncated>false</IsTruncated>")

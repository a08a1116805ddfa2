# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of Google Secret Manager, global and regional. Each write adds a version, with its checksum; no write names what it was made of."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..common.errors import CloudError, EvictError
from ..common.plan import Call, Probe, Target
from . import session
from .kind import Connection, Documents, override, server

if t.TYPE_CHECKING:
    from ..common.incident import Incident

CLOUD = "gcp"
NAME = re.compile(r"projects/([a-z0-9][a-z0-9.:-]{3,61}[a-z0-9])/(?:locations/([a-z0-9-]{3,40})/)?secrets/[A-Za-z0-9_-]{1,255}", re.ASCII)
_OVERRIDE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"  # gcloud's own


def connections(incident: Incident, dependents: Sequence[t.Any]) -> dict[str, dict[str, t.Any]]:
    """The projects whose secrets are dependents, with ``connection.gcp`` of the incident."""
    names = [NAME.fullmatch(str(d.get("name"))) for d in dependents if isinstance(d, Mapping) and d.get("kind") == "gcp_secret_manager"]
    return {found[1]: dict(incident.connection.get("gcp", {})) for found in names if found}


def carry_out(connection: Connection, call: Call, parameters: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """GetVersion {name, version}: without the value. AccessVersion: with it, as ``value``. GetSecret {name}. UpdateAliases {name, etag, versionAliases}.

    AddVersion {name, value}. Of versions with ``version``, a number.
    """
    name = str(parameters["name"])
    if not NAME.fullmatch(name):
        raise EvictError(f"no name of a secret: {name}", object=name, operation=call.name)
    path = "/v1" + session.quoted(*name.split("/"))
    version = session.quoted("versions", str(parameters.get("version") or "latest"))
    body: t.Any = None
    method, at = (
        "GET",
        {"GetSecret": path, "GetVersion": path + version, "AccessVersion": f"{path}{version}:access"}.get(call.operation, ""),
    )
    if call.operation == "UpdateAliases":  # the etag is what was read: somebody else's change in between is refused
        method, at, body = (
            "PATCH",
            f"{path}?updateMask=versionAliases",
            {key: parameters[key] for key in ("name", "etag", "versionAliases")},
        )
    elif call.operation == "AddVersion":
        data = str(parameters["value"]).encode()
        payload = {"data": base64.b64encode(data).decode(), "dataCrc32c": str(crc32c(data))}
        method, at, body = "POST", f"{path}:addVersion", {"payload": payload}
    elif not at:
        raise EvictError(f"Secret Manager has no {call.operation}", object=name, operation=call.name)
    from . import google_login  # slow to import, and needed by this kind alone

    headers = {"Authorization": f"Bearer {google_login.token(connection.get('impersonate_service_account'))}"}
    if connection.get("quota_project"):
        headers["x-goog-user-project"] = str(connection["quota_project"])
    to = server(connection, name, headers, _url(connection, name))
    try:
        answer = session.request(to, call, method, at, json_body=body, subject=name, explain=_said).json()
    except CloudError as error:
        if call.operation == "UpdateAliases" and ("FAILED_PRECONDITION" in error.message or "ABORTED" in error.message):
            error.code = "PreconditionFailed"  # somebody else changed it: the Runner reads again
        raise
    if call.operation in ("GetSecret", "UpdateAliases"):
        return answer
    answer = {**answer, "version": int(str(answer["name"]).rpartition("/")[2])}
    if call.operation == "AccessVersion":
        answer["value"] = _value(answer.pop("payload"), name, call)
    return answer


def _url(connection: Connection, name: str) -> str:
    if url := override(connection, _OVERRIDE, name):
        return url
    found = NAME.fullmatch(name)
    return f"https://secretmanager.{found[2]}.rep.googleapis.com" if found and found[2] else "https://secretmanager.googleapis.com"


def _value(payload: Mapping[str, t.Any], name: str, call: Call) -> str:
    try:
        data = base64.b64decode(str(payload.get("data") or ""), validate=True)
        if "dataCrc32c" in payload and int(payload["dataCrc32c"]) != crc32c(data):
            raise CloudError(f"{call.name} on {name}: its checksum does not fit", code="DataLoss", object=name, operation=call.name)
        return data.decode()
    except (binascii.Error, ValueError):
        raise EvictError(f"{name} holds no text", object=name, operation=call.name) from None


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _bit in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)  # noqa: PLW2901
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _said(answer: session.Answer) -> str:
    error = answer.json().get("error") or {}
    return ": ".join(str(error[key]) for key in ("status", "message") if error.get(key))


def _payload(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Callable[[t.Any], Call]]:
    """The newest version as text. ``version``: an older one, to be added again."""
    place = {"name": name["name"]}

    def write(document: t.Any) -> Call:
        text = document.get("value") if isinstance(document, dict) else document
        if not text:
            raise EvictError(f"secret {name['name']} is not emptied", object=str(name["name"]), operation="edit")
        return Call(target, "secretmanager", "AddVersion", {**place, "value": text}, idempotent=False)

    if name.get("version"):
        return Probe(Call(target, "secretmanager", "AccessVersion", {**place, "version": name["version"]})), write
    return Probe(Call(target, "secretmanager", "AccessVersion", place), ("value",)), write


def _aliases(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Callable[[t.Any], Call]]:
    """The secret with its aliases, of which an Edit changes one."""

    def write(document: t.Any) -> Call:
        kept = {key: document[key] for key in ("etag", "versionAliases")}
        return Call(target, "secretmanager", "UpdateAliases", {"name": name["name"], **kept})

    return Probe(Call(target, "secretmanager", "GetSecret", {"name": name["name"]})), write


DOCUMENTS: Documents = {"secretmanager.secret": _payload, "secretmanager.aliases": _aliases}

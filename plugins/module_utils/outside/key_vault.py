# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of Azure Key Vault. Each write is a new version; the API has none that names what it was made of, and no way to delete one version."""

from __future__ import annotations

import functools
import re
import typing as t
import urllib.parse
from collections.abc import Callable, Mapping, Sequence

from ..common.errors import CloudError, EvictError
from ..common.plan import Call, Probe, Target
from . import session
from .kind import Connection, Documents, server

if t.TYPE_CHECKING:
    from ..common.incident import Incident

CLOUD = "azure"
_API = "api-version=7.4"
_SUFFIXES = {
    "": "vault.azure.net",
    "AzureCloud": "vault.azure.net",
    "AzureChinaCloud": "vault.azure.cn",
    "AzureUSGovernment": "vault.usgovcloudapi.net",
}
_CHALLENGE = re.compile(r'(\w+)="?([^",\s]+)"?')
_VAULT = re.compile(r"[A-Za-z0-9-]{3,24}", re.ASCII)  # it becomes a part of a host's name
_SETTABLE = ("enabled", "nbf", "exp")
_PAGES = 400  # of 25 versions


def connections(incident: Incident, dependents: Sequence[t.Any]) -> dict[str, dict[str, t.Any]]:
    """The vaults that dependents name under ``at``, with ``connection.azure`` of the incident."""
    azure = incident.connection.get("azure", {})
    suffix = _SUFFIXES.get(str(azure.get("environment") or ""), _SUFFIXES[""])
    named = {
        str(d["at"])
        for d in dependents
        if isinstance(d, Mapping) and d.get("kind") == "azure_key_vault" and _VAULT.fullmatch(str(d.get("at")))
    }
    return {name: {**azure, "url": str(azure.get("endpoint_url") or f"https://{name}.{suffix}"), "suffix": suffix} for name in named}


def carry_out(connection: Connection, call: Call, parameters: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """GetSecret {name, version}: the secret with its ``version``. ListVersions {name}: ``count`` and ``versions``.

    SetSecret {name, value, contentType, tags, attributes}: as GetSecret.
    """
    name = str(parameters["name"])
    subject = f"secret {name} in {call.target.account}"
    path = session.quoted("secrets", name)
    if call.operation == "GetSecret":
        path += session.quoted(str(parameters["version"])) if parameters.get("version") else ""
        answer = _request(connection, call, "GET", f"{path}?{_API}", None, subject)
        return {**_shown(answer), "value": str(answer["value"])}
    if call.operation == "ListVersions":
        found = _versions(connection, call, path, subject)
        return {"count": len(found), "versions": found}
    if call.operation != "SetSecret":
        raise EvictError(f"Key Vault has no {call.operation}", object=subject, operation=call.name)
    body = {key: parameters[key] for key in ("value", "contentType", "tags", "attributes") if parameters.get(key) is not None}
    return _shown(_request(connection, call, "PUT", f"{path}?{_API}", body, subject))


def _shown(answer: dict[str, t.Any]) -> dict[str, t.Any]:
    return {**answer, "version": str(answer.get("id") or "").rstrip("/").rpartition("/")[2]}


def _versions(connection: Connection, call: Call, path: str, subject: str) -> list[dict[str, t.Any]]:
    """[{version, created}], the newest first; every page."""
    found: list[dict[str, t.Any]] = []
    at = f"{path}/versions?{_API}&maxresults=25"
    for _page in range(_PAGES):
        answer = _request(connection, call, "GET", at, None, subject)
        found += [
            {"version": _shown(item)["version"], "created": int((item.get("attributes") or {}).get("created") or 0)}
            for item in answer["value"]
        ]
        after = str(answer.get("nextLink") or "")
        if not after:
            break
        link, mine = urllib.parse.urlsplit(after), urllib.parse.urlsplit(str(connection["url"]))
        if (link.scheme, link.netloc) != (mine.scheme, mine.netloc):
            raise EvictError(f"{subject}: its next page is elsewhere", object=subject, operation=call.name)
        at = f"{link.path}?{link.query}"
    return sorted(found, key=lambda v: -v["created"])


def _request(connection: Connection, call: Call, method: str, path: str, body: t.Any, subject: str) -> dict[str, t.Any]:
    """The vault is asked without a token first, once: it says of whom one is wanted."""
    from . import entra  # slow to import, and needed by this kind alone

    url = str(connection["url"])
    scope, tenant = _wanted(url, str(connection["suffix"]), call.target.account)
    token = entra.token(url, scope, tenant, str(connection.get("client_id") or ""), str(connection.get("environment") or ""))
    to = server(connection, url, {"Authorization": f"Bearer {token}"})
    return session.request(to, call, method, path, json_body=body, subject=subject, explain=_said).json()


@functools.lru_cache(maxsize=64)
def _wanted(url: str, suffix: str, name: str) -> tuple[str, str]:
    """(scope, tenant) of the tokens that the vault takes. One that asks for tokens of another service gets none."""
    header: list[str] = []

    def keep(answer: session.Answer) -> str:
        header.append(answer.headers.get("www-authenticate", ""))
        return "the vault asks who is there"

    call = Call(Target(CLOUD, name), "keyvault", "Challenge", {})
    try:
        session.request(server({"url": url}, url, {}), call, "GET", f"/secrets?{_API}&maxresults=1", subject=url, explain=keep)
    except CloudError as error:
        if error.code != "Unauthorized":
            raise
    said = dict(_CHALLENGE.findall(header[-1])) if header else {}
    resource = str(said.get("resource") or said.get("scope") or "").removesuffix("/.default").rstrip("/")
    host = urllib.parse.urlsplit(resource).hostname or ""
    if resource != f"https://{suffix}":
        raise EvictError(f"Key Vault {name}: it asks for a token of {host or 'nobody'}, which is no Key Vault of this cloud; none was sent", object=name,
                         operation=call.name, remedy="check the name of the vault and connection.azure.environment")  # fmt: skip
    tenant = urllib.parse.urlsplit(str(said.get("authorization") or said.get("authorization_uri") or "")).path.strip("/").partition("/")[0]
    return f"{resource}/.default", tenant


def _said(answer: session.Answer) -> str:
    error = answer.json().get("error") or {}
    inner = (error.get("innererror") or {}).get("code") or ""
    return ": ".join(str(part) for part in (error.get("code"), inner, error.get("message")) if part)


def _secret(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Callable[[t.Any], Call]]:
    """A secret with its content type, tags, and the attributes that can be set; an Edit changes its ``value``.

    ``version``: an older one, to be written again.
    """
    place = {"name": name["name"]}

    def write(document: t.Any) -> Call:
        if not document or not document.get("value"):
            raise EvictError(f"secret {name['name']} is not emptied", object=str(name["name"]), operation="edit")
        attributes = {k: v for k, v in (document.get("attributes") or {}).items() if k in _SETTABLE}
        kept = {key: document[key] for key in ("contentType", "tags") if document.get(key)}
        return Call(
            target, "keyvault", "SetSecret", {**place, "value": document["value"], **kept, "attributes": attributes}, idempotent=False
        )

    version = {"version": name["version"]} if name.get("version") else {}
    return Probe(Call(target, "keyvault", "GetSecret", {**place, **version})), write


DOCUMENTS: Documents = {"keyvault.secret": _secret}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HashiCorp Vault, secrets engine KV version 2. Every write names the version that it was made of (check-and-set), and nothing but a new version is written."""

from __future__ import annotations

import functools
import re
import typing as t
from collections.abc import Callable, Mapping

from ..common.errors import CloudError, EvictError
from ..common.plan import Call, Probe, Target
from . import session
from .kind import Connection, Documents, secret, server

CLOUD = "vault"
_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_CONFLICT = "check-and-set parameter did not match"


def carry_out(connection: Connection, call: Call, parameters: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """ReadSecret {mount, path, version} and WriteSecret {mount, path, data, cas}, both with the version in their answer."""
    path = "/v1" + session.quoted(*_parts(parameters["mount"]), "data", *_parts(parameters["path"]))
    subject = f"{parameters['mount']}/{parameters['path']} in Vault {call.target.account}"
    body = None
    if call.operation == "ReadSecret":
        method = "GET"
        path += f"?version={int(parameters['version'])}" if parameters.get("version") else ""
    elif call.operation == "WriteSecret":
        cas = parameters.get("cas") or parameters.get("RevisionId")
        if not cas:
            raise EvictError(f"{subject}: nothing is written over a version that was not read", object=subject, operation=call.name)
        method, body = "POST", {"options": {"cas": int(cas)}, "data": parameters["data"]}
    else:
        raise EvictError(f"Vault has no {call.operation}", object=subject, operation=call.name)
    try:
        answer = _request(connection, call, method, path, body, subject)
    except CloudError as error:
        if error.code == "BadRequest" and _CONFLICT in error.message:
            error.code = "PreconditionFailedException"  # the Runner reads again
        raise
    data = answer.get("data") or {}
    if method == "POST":
        return {"version": int(data["version"])}
    meta = data.get("metadata") or {}
    return {"data": data["data"], "version": int(meta["version"])}


def _parts(text: t.Any) -> list[str]:
    return [part for part in str(text).split("/") if part]


def _request(connection: Connection, call: Call, method: str, path: str, body: t.Any, subject: str) -> dict[str, t.Any]:
    name = call.target.account
    for last in (False, True):
        headers = {"X-Vault-Request": "true", "X-Vault-Token": _token(connection, call)}
        if connection.get("namespace"):
            headers["X-Vault-Namespace"] = str(connection["namespace"])
        try:
            return session.request(server(connection, f"connection.vault.{name}", headers), call, method, path, json_body=body, subject=subject,
                                   explain=_said).json()  # fmt: skip
        except CloudError as error:
            # A token that was logged in for may have run out: nothing was carried out, so a new one may ask again.
            if last or error.code != "Forbidden" or not _forget(connection):
                raise
    raise AssertionError("not reached")


def _said(answer: session.Answer) -> str:
    """Vault's own words: a list of texts; of a version that is deleted there are none."""
    said = answer.json()
    meta = (said.get("data") or {}).get("metadata") or {}
    deleted = f"version {meta.get('version')} is deleted" if meta.get("deletion_time") or meta.get("destroyed") else ""
    return "; ".join(str(error) for error in said.get("errors") or []) or deleted


def _forget(connection: Connection) -> bool:
    """Whether there was a login that can be made anew."""
    had = _logged_in.cache_info().currsize > 0 and not (connection.get("token_env") or connection.get("token_file"))
    _logged_in.cache_clear()
    return had


def _token(connection: Connection, call: Call) -> str:
    where = f"connection.vault.{call.target.account}"
    if connection.get("role_id") or connection.get("role"):
        return _logged_in(call.target.account, tuple(sorted(connection.items())))
    return secret(connection if connection.get("token_file") else {"token_env": "VAULT_TOKEN", **connection}, "token", where)


@functools.lru_cache(maxsize=16)
def _logged_in(name: str, items: tuple[tuple[str, t.Any], ...]) -> str:
    """A token for an AppRole, or for a service account of Kubernetes. In memory only."""
    connection, where = dict(items), f"connection.vault.{name}"
    call = Call(Target(CLOUD, name), "vault", "Login", {}, idempotent=False)
    if connection.get("role_id"):
        mount, body = "approle", {"role_id": connection["role_id"], "secret_id": secret(connection, "secret_id", where)}
    else:
        mount, body = "kubernetes", {"role": connection["role"], "jwt": secret(connection, "jwt", where, _SERVICE_ACCOUNT)}
    headers = {"X-Vault-Request": "true", **({"X-Vault-Namespace": str(connection["namespace"])} if connection.get("namespace") else {})}
    path = "/v1" + session.quoted("auth", *_parts(connection.get("auth_mount") or mount), "login")
    try:
        answer = session.request(server(connection, where, headers), call, "POST", path, json_body=body, subject=where).json()
    except CloudError as error:
        error.remedy = error.remedy or "Vault did not take the login: check the role, and what proves it"
        raise
    found = str((answer.get("auth") or {}).get("client_token") or "")
    if not re.fullmatch(r"[!-~]{8,4096}", found):
        raise EvictError(f"{where}: the login gave no token", object=where, operation=call.name)
    return found


def _secret_data(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Callable[[t.Any], Call]]:
    """All fields of a secret. ``version``: an older one, to be written again over ``cas``."""
    place = {"mount": name["mount"], "path": name["path"]}

    def write(document: t.Any) -> Call:
        data = document.get("data") if isinstance(document, dict) and name.get("version") else document
        if not data:
            raise EvictError(f"secret {name['path']} is not emptied", object=str(name["path"]), operation="edit")
        more = {"cas": name["cas"]} if name.get("cas") else {}
        return Call(target, "vault", "WriteSecret", {**place, "data": data, **more}, idempotent=False)

    if name.get("version"):
        return Probe(Call(target, "vault", "ReadSecret", {**place, "version": name["version"]})), write
    write.revision = ("version",)  # type: ignore[attr-defined]
    return Probe(Call(target, "vault", "ReadSecret", place), ("data",)), write


DOCUMENTS: Documents = {"vault.secret": _secret_data}

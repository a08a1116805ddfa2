# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CI/CD variables of GitLab: of a project, of a group, of the instance. There are no versions, and no write that names what it was made of."""

from __future__ import annotations

import hashlib
import re
import typing as t
import urllib.parse
from collections.abc import Callable, Mapping, Sequence

from ..common import credential_text
from ..common.errors import CloudError, EvictError
from ..common.plan import Call, Probe, Target
from . import session
from .kind import Connection, Documents, secret, server

if t.TYPE_CHECKING:
    from ..common.incident import Incident

CLOUD = "gitlab"
DEFAULT = "gitlab.com"  # the name of the connection that need not be declared
_PLACE = ("project", "group", "name", "scope")
_KEPT = ("variable_type", "protected", "masked", "raw")
_ID = re.compile(r"(?<![A-Z0-9])AKIA[A-Z0-9]{12,124}(?![A-Z0-9])", re.ASCII)


def connections(incident: Incident, _dependents: Sequence[t.Any]) -> dict[str, dict[str, t.Any]]:
    """Those of the incident file, and gitlab.com with GITLAB_TOKEN."""
    return {DEFAULT: {}, **incident.connection.get(CLOUD, {})}


def carry_out(connection: Connection, call: Call, parameters: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """GetVariable {project | group | neither: the instance's, name, scope} and PutVariable {…, value, and what is kept of it}: the variable,

    with ``ids`` (access key ids that it holds) and ``mark`` (eight digits of its hash), by which one sees what is there without the value.
    """
    subject = f"variable {parameters['name']} of {parameters.get('project') or parameters.get('group') or 'the instance'}"
    methods = {"GetVariable": "GET", "PutVariable": "PUT"}
    if call.operation not in methods:
        raise EvictError(f"GitLab has no {call.operation}", object=subject, operation=call.name)
    body = {key: parameters[key] for key in ("value", *_KEPT) if key in parameters} if call.operation == "PutVariable" else None
    where = f"connection.gitlab.{call.target.account}"
    token = secret(connection if connection.get("token_file") else {"token_env": "GITLAB_TOKEN", **connection}, "token", where)
    to = server(connection, where, {"PRIVATE-TOKEN": token}, str(connection.get("url") or "https://gitlab.com"))
    found = session.request(to, call, methods[call.operation], _path(parameters), json_body=body, subject=subject, explain=_said).json()
    if found.get("hidden") or found.get("value") is None:
        found = {**found, "key": found["key"], "value": None}
    if body and any(found.get(key, body[key]) != body[key] for key in body if key != "value"):
        raise CloudError(f"{call.name} on {subject}: it is not as protected as it was", code="Changed", object=subject, operation=call.name)
    return {**found, **seen(found["value"])}


def seen(value: str | None) -> dict[str, t.Any]:
    """``ids`` and ``mark`` of a value."""
    if value is None:
        return {"ids": None, "mark": None}
    ids = credential_text.identities(value, set(_ID.findall(value)))
    return {"ids": sorted(ids), "mark": hashlib.sha256(value.encode()).hexdigest()[:8]}


def _path(parameters: Mapping[str, t.Any]) -> str:
    name, scope = str(parameters["name"]), str(parameters.get("scope") or "*")
    if not (parameters.get("project") or parameters.get("group")):
        return "/api/v4" + session.quoted("admin", "ci", "variables", name)
    owner = ("projects", str(parameters["project"])) if parameters.get("project") else ("groups", str(parameters["group"]))
    return "/api/v4" + session.quoted(*owner, "variables", name) + "?" + urllib.parse.urlencode({"filter[environment_scope]": scope})


def _said(answer: session.Answer) -> str:
    """GitLab's words, bar those about a value, which they quote."""
    said = answer.json()
    message = said.get("message") or said.get("error") or ""
    return message if isinstance(message, str) and answer.status != 400 else ""


def _variable(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Callable[[t.Any], Call]]:
    """The variable with what is kept of it; an Edit changes its ``value``."""
    place = {key: name[key] for key in _PLACE if name.get(key)}

    def write(document: t.Any) -> Call:
        if not document or not document.get("value"):
            raise EvictError(f"variable {name['name']} is not emptied", object=str(name["name"]), operation="edit")
        kept = {key: document[key] for key in _KEPT if key in document}
        return Call(target, "gitlab", "PutVariable", {**place, "value": document["value"], **kept})

    return Probe(Call(target, "gitlab", "GetVariable", place)), write


DOCUMENTS: Documents = {"gitlab.variable": _variable}

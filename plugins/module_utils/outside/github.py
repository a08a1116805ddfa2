# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of GitHub Actions: of a repository, of one of its environments, of an organization. They can be written and never read."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ..common.errors import EvictError
from ..common.plan import Call
from . import sealed, session
from .kind import Connection, Documents, secret, server

if t.TYPE_CHECKING:
    from ..common.incident import Incident

CLOUD = "github"
DOCUMENTS: Documents = {}
DEFAULT = "github.com"  # the name of the connection that need not be declared
_VERSION = "2022-11-28"
_PAGE = 100


def connections(incident: Incident, _dependents: Sequence[t.Any]) -> dict[str, dict[str, t.Any]]:
    """Those of the incident file, and github.com with GITHUB_TOKEN."""
    return {DEFAULT: {}, **incident.connection.get(CLOUD, {})}


def carry_out(connection: Connection, call: Call, parameters: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """GetSecret {name, repository | organization, environment}: name, updated_at, visibility.

    PutSecret {…, value}: seals and writes it, answers as GetSecret.
    """
    sealed.require()
    base = _base(parameters)
    path = base + session.quoted(str(parameters["name"]))
    subject = f"secret {parameters['name']} of {_owner(parameters)}"
    if call.operation not in ("GetSecret", "PutSecret"):
        raise EvictError(f"GitHub has no {call.operation}", object=subject, operation=call.name)

    def ask(method: str, at: str, body: t.Any = None) -> dict[str, t.Any]:
        where = f"connection.github.{call.target.account}"
        token = secret(connection if connection.get("token_file") else {"token_env": "GITHUB_TOKEN", **connection}, "token", where)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": _VERSION}
        to = server(connection, where, headers, str(connection.get("url") or "https://api.github.com"))
        return session.request(to, call, method, at, json_body=body, subject=subject, explain=_said).json()

    if call.operation == "PutSecret":
        key = ask("GET", base + "/public-key")
        body = {"encrypted_value": sealed.box(str(key["key"]), str(parameters["value"])), "key_id": str(key["key_id"])}
        if parameters.get("organization"):  # who may use it is a part of the request: as it is
            body |= _visibility(ask, path)
        ask("PUT", path, body)
    found = ask("GET", path)
    return {key: found[key] for key in ("name", "updated_at", "visibility") if key in found}


def _visibility(ask: t.Callable[..., dict[str, t.Any]], path: str) -> dict[str, t.Any]:
    """Of an organization's secret; of a selection every page."""
    visibility = str(ask("GET", path)["visibility"])
    if visibility != "selected":
        return {"visibility": visibility}
    ids: list[int] = []
    for page in range(1, 1000):
        found = ask("GET", f"{path}/repositories?per_page={_PAGE}&page={page}")
        ids += [int(repository["id"]) for repository in found["repositories"]]
        if len(found["repositories"]) < _PAGE or len(ids) >= int(found["total_count"]):
            break
    return {"visibility": visibility, "selected_repository_ids": ids}


def _base(parameters: Mapping[str, t.Any]) -> str:
    if parameters.get("organization"):
        return session.quoted("orgs", str(parameters["organization"]), "actions", "secrets")
    owner, _slash, name = str(parameters["repository"]).partition("/")
    if parameters.get("environment"):
        return session.quoted("repos", owner, name, "environments", str(parameters["environment"]), "secrets")
    return session.quoted("repos", owner, name, "actions", "secrets")


def _owner(parameters: Mapping[str, t.Any]) -> str:
    return str(parameters.get("organization") or parameters["repository"]) + (
        f" ({parameters['environment']})" if parameters.get("environment") else ""
    )


def _said(answer: session.Answer) -> str:
    used_up = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    limit = "its rate limit is used up, try again later: " if used_up else ""
    return limit + str(answer.json().get("message") or "")

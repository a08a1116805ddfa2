# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dependents in the stores of other vendors declare: Vault, GitHub, GitLab, Azure Key Vault, Google Secret Manager."""

from __future__ import annotations

import re
import typing as t

from .connections import NAME
from .schema import Fields

_PATH = (re.compile(r"(?!/)(?:(?!\.\.?(?:/|$))[^\x00-\x1f\x7f-\x9f{}/#?]{1,255}/?){1,32}(?<!/)"), "not a path of Vault, as app/aws")
_FIELD = (re.compile(r"[^\x00-\x1f\x7f-\x9f{}]{1,255}"), "not the name of a field")
_VARIABLE = (re.compile(r"(?!GITHUB_)[A-Za-z_][A-Za-z0-9_]{0,254}", re.IGNORECASE), "not the name of a secret of GitHub")
_REPOSITORY = (re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.\.?$)[A-Za-z0-9._-]{1,100}"), "not OWNER/NAME")
_ORGANIZATION = (re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}"), "not the name of an organization")
_ENVIRONMENT = (re.compile(r"[^\x00-\x1f\x7f-\x9f{}]{1,255}"), "not the name of an environment")
_KEY = (re.compile(r"[A-Za-z0-9_]{1,255}"), "not the key of a variable of GitLab")
_PROJECT = (
    re.compile(r"[0-9]{1,12}|[A-Za-z0-9_][\w.-]{0,254}(?:/[A-Za-z0-9_][\w.-]{0,254}){0,20}", re.ASCII),
    "not an id in quotes, and no path as group/project",
)
_SCOPE = (re.compile(r"[A-Za-z0-9 _/{}$.*-]{1,255}"), "not an environment scope")
_KEY_VAULT = (re.compile(r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,22}[A-Za-z0-9]"), "not the name of a Key Vault")
_SECRET = (re.compile(r"[A-Za-z0-9-]{1,127}"), "not the name of a secret of Key Vault")
_RESOURCE = (
    re.compile(r"projects/[a-z0-9][a-z0-9.:-]{3,61}[a-z0-9]/(?:locations/[a-z0-9-]{3,40}/)?secrets/[A-Za-z0-9_-]{1,255}", re.ASCII),
    "not projects/PROJECT/secrets/SECRET, or projects/PROJECT/locations/REGION/secrets/SECRET",
)


def _one(fields: Fields, key: str, form: tuple[re.Pattern[str], str], required: bool = False) -> str:
    return fields.text(key, required=required, pattern=form[0], says=form[1])


def _either(fields: Fields, *keys: str) -> None:
    given = [key for key in keys if fields.raw.get(key)]
    if len(given) != 1:
        fields.problems.append((fields.path, f"must say one of {', '.join(keys)}" + (f", not {' and '.join(given)}" if given else "")))


def _vault(fields: Fields) -> dict[str, t.Any]:
    return {"at": _one(fields, "at", NAME), "mount": _one(fields, "mount", _PATH), "field": _one(fields, "field", _FIELD)}


def _vault_needs(fields: Fields) -> None:
    _one(fields, "at", NAME, True)
    _one(fields, "name", _PATH, True)
    if fields.raw.get("half") and not fields.raw.get("field"):
        fields.problems.append((f"{fields.path}.field", "is missing: which field of the secret is the half"))


def _runners(fields: Fields) -> dict[str, t.Any]:
    """Jobs run from a network that others use too, unless somebody says that theirs do not."""
    return {"own_runners": True} if fields.flag("own_runners") else {"shared_network": True}


def _github(fields: Fields) -> dict[str, t.Any]:
    forms = (("at", NAME), ("repository", _REPOSITORY), ("organization", _ORGANIZATION), ("environment", _ENVIRONMENT))
    return {**{key: _one(fields, key, form) for key, form in forms}, **_runners(fields)}


def _github_needs(fields: Fields) -> None:
    _one(fields, "name", _VARIABLE, True)
    _either(fields, "repository", "organization")
    if fields.raw.get("environment") and not fields.raw.get("repository"):
        fields.problems.append((f"{fields.path}.environment", "belongs to repository"))
    if not fields.raw.get("half"):
        fields.problems.append((f"{fields.path}.half", "is missing: a secret of GitHub cannot be read, so nothing can be changed inside of one;"
                                                       " it is the id or the secret of the key, and nothing else"))  # fmt: skip


def _gitlab(fields: Fields) -> dict[str, t.Any]:
    forms = (("at", NAME), ("project", _PROJECT), ("group", _PROJECT), ("environment_scope", _SCOPE))
    return {**{key: _one(fields, key, form) for key, form in forms}, "instance": fields.flag("instance"), **_runners(fields)}


def _gitlab_needs(fields: Fields) -> None:
    _one(fields, "name", _KEY, True)
    _either(fields, "project", "group", "instance")
    if fields.raw.get("instance") and fields.raw.get("environment_scope"):
        fields.problems.append((f"{fields.path}.environment_scope", "belongs to project or group"))


def _key_vault(fields: Fields) -> dict[str, t.Any]:
    return {"at": _one(fields, "at", _KEY_VAULT)}


def _key_vault_needs(fields: Fields) -> None:
    _one(fields, "at", _KEY_VAULT, True)
    _one(fields, "name", _SECRET, True)


def _secret_manager(_fields: Fields) -> dict[str, t.Any]:
    return {}


def _secret_manager_needs(fields: Fields) -> None:
    _one(fields, "name", _RESOURCE, True)


Read = t.Callable[[Fields], dict[str, t.Any]]
Needs = t.Callable[[Fields], None]
# {kind: (the keys that it takes beside the common ones, how they are read, what a rotation needs of it)}
ROWS: dict[str, tuple[tuple[str, ...], Read, Needs]] = {
    "azure_key_vault": (("at",), _key_vault, _key_vault_needs),
    "gcp_secret_manager": ((), _secret_manager, _secret_manager_needs),
    "github_actions": (("at", "repository", "organization", "environment", "own_runners"), _github, _github_needs),
    "gitlab_ci": (("at", "project", "group", "instance", "environment_scope", "own_runners"), _gitlab, _gitlab_needs),
    "vault": (("at", "mount", "field"), _vault, _vault_needs),
}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``connection.<kind>.<name>`` of the incident file: servers outside of the clouds, each by a name that dependents say under ``at``. Never a secret."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Callable, Mapping

from .schema import Fields, Problem, show

Pattern = tuple[re.Pattern[str], str]  # what it must match, and what is said when it does not
NAME: Pattern = (re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"), "not a name (A-Z a-z 0-9 . _ -)")
WORD: Pattern = (re.compile(r"[^\x00-\x1f\x7f-\x9f{}]{1,1024}"), "holds braces or control characters, or is too long")
PATH: Pattern = (re.compile(r"[^\x00-\x1f\x7f-\x9f{}]{1,1024}"), "not a path")
VARIABLE: Pattern = (re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}"), "not the name of an environment variable")
# http is for tests and relays on this machine.
URL: Pattern = (
    re.compile(r"https://(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::[0-9]{1,5})?(?:/[\w./~%-]{0,500})?"
               r"|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?(?:/[\w./~%-]{0,500})?", re.ASCII),
    "not an https URL",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Form:
    """``options``: {key: its form}, of which ``required`` must be there; ``secrets``: {name: whether one of name_env and name_file must be there};

    ``check``: what else must hold, given the entry and a function that notes (key, problem).
    """

    options: Mapping[str, Pattern]
    required: tuple[str, ...] = ()
    secrets: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    check: Callable[[Mapping[str, t.Any], Callable[[str, str], None]], None] | None = None


def _kubernetes(entry: Mapping[str, t.Any], note: Callable[[str, str], None]) -> None:
    token = entry.get("token_env") or entry.get("token_file")
    if bool(entry.get("url")) == bool(entry.get("kubeconfig")):
        note("", "needs either url, with token_env or token_file, or kubeconfig")
    elif entry.get("url") and not token:
        note("", "needs token_env (an environment variable) or token_file (a path)")
    elif entry.get("kubeconfig") and (token or entry.get("ca_file")):
        note("", "takes token and CA from the kubeconfig: leave them out here")
    if entry.get("context") and not entry.get("kubeconfig"):
        note("context", "belongs to kubeconfig")


def _vault(entry: Mapping[str, t.Any], note: Callable[[str, str], None]) -> None:
    ways = [way for way, keys in _LOGINS.items() if any(entry.get(key) for key in keys)]
    if len(ways) > 1:
        note("", f"says {' and '.join(ways)}; one of them is how one logs in")
    if entry.get("role_id") and not (entry.get("secret_id_env") or entry.get("secret_id_file")):
        note("role_id", "needs secret_id_env (an environment variable) or secret_id_file (a path)")
    if (entry.get("secret_id_env") or entry.get("secret_id_file")) and not entry.get("role_id"):
        note("role_id", "is missing: an AppRole has a role_id and a secret_id")
    if entry.get("auth_mount") and not (entry.get("role_id") or entry.get("role")):
        note("auth_mount", "belongs to role_id or role")


_LOGINS = {
    "token": ("token_env", "token_file"), "role_id (AppRole)": ("role_id", "secret_id_env", "secret_id_file"),
    "role (Kubernetes)": ("role", "jwt_env", "jwt_file"),
}  # fmt: skip

FORMS: dict[str, Form] = {
    # Without any token: VAULT_TOKEN, GITHUB_TOKEN, GITLAB_TOKEN.
    "vault": Form(
        {"url": URL, "ca_file": PATH, "namespace": WORD, "role_id": WORD, "role": WORD, "auth_mount": WORD},
        ("url",),
        {"token": False, "secret_id": False, "jwt": False},
        _vault,
    ),
    "github": Form({"url": URL, "ca_file": PATH}, secrets={"token": False}),
    "gitlab": Form({"url": URL, "ca_file": PATH}, secrets={"token": False}),
    "kubernetes": Form({"url": URL, "ca_file": PATH, "kubeconfig": PATH, "context": WORD}, secrets={"token": False}, check=_kubernetes),
}


def read(outer: Fields, refused: Mapping[str, str]) -> dict[str, dict[str, t.Any]]:
    """{kind: {name: entry}} of those that are written; problems are noted by path."""
    result: dict[str, dict[str, t.Any]] = {}
    for kind, form in FORMS.items():
        if outer.raw.get(kind) is None:
            continue
        path = f"{outer.path}.{kind}"
        named = outer.raw[kind]
        if not isinstance(named, dict):
            outer.problems.append((path, f"must be a mapping of names to servers, not {show(named)}"))
            continue
        result[kind] = {}
        for name, raw in named.items():
            if not isinstance(name, str) or not NAME[0].fullmatch(name):
                outer.problems.append((path, f"{NAME[1]}: {show(name)}"))
                continue
            result[kind][name] = _one(Fields(raw if raw is not None else [], f"{path}.{name}", outer.problems, _keys(form), refused), form)
    return result


def _keys(form: Form) -> list[str]:
    return [*form.options, *(f"{name}_{way}" for name in form.secrets for way in ("env", "file"))]


def _one(fields: Fields, form: Form) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {}
    for key, (pattern, says) in form.options.items():
        found[key] = fields.text(key, required=key in form.required, pattern=pattern, says=says)
    problems: list[Problem] = fields.problems
    for name, required in form.secrets.items():
        found[f"{name}_env"] = fields.text(f"{name}_env", pattern=VARIABLE[0], says=VARIABLE[1])
        found[f"{name}_file"] = fields.text(f"{name}_file", pattern=PATH[0], says=PATH[1])
        if found[f"{name}_env"] and found[f"{name}_file"]:
            problems.append((fields.path, f"has {name}_env and {name}_file; name one"))
        elif required and not (fields.raw.get(f"{name}_env") or fields.raw.get(f"{name}_file")):
            problems.append((fields.path, f"needs {name}_env (an environment variable) or {name}_file (a path)"))
    if form.check:
        form.check(fields.raw, lambda key, why: problems.append((f"{fields.path}.{key}" if key else fields.path, why)))
    return {key: value for key, value in found.items() if value}

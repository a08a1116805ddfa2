# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of dependents declare beside what all of them have: one entry of ``FORMS`` for each kind that takes more."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Callable

from . import declared_vendors
from .connections import NAME, URL
from .schema import Fields, Problem

_LABEL = (re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"), "not a name of Kubernetes")
_DATA_KEY = (re.compile(r"[-._a-zA-Z0-9]{1,253}"), "not a key of a Secret")
_WORKLOAD = (
    re.compile(r"(?:deployment|statefulset|daemonset)/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"),
    "not deployment/NAME, statefulset/NAME or daemonset/NAME",
)
_SERVICE = (re.compile(r"[\w-]{1,255}/[\w-]{1,255}", re.ASCII), "not CLUSTER/SERVICE")
_ENV = (re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}"), "not the name of an environment variable")
_PATH = (re.compile(r"[^\x00-\x1f\x7f-\x9f{}]{1,1024}"), "not a path")
_LONGEST = 3600


@dataclasses.dataclass(frozen=True)
class Form:
    """``keys``: that the kind takes beside the common ones; ``read``: {key: value}, problems noted by path; ``needs``: what a rotation cannot do without,

    each one key, or several of which one is enough; ``check``: what else it needs, problems noted by path. Who only wants it listed may leave these out.
    """

    keys: tuple[str, ...]
    read: Callable[[Fields], dict[str, t.Any]]
    needs: tuple[tuple[str, ...], ...] = ()
    check: Callable[[Fields], None] | None = None


def _one(fields: Fields, key: str, form: tuple[re.Pattern[str], str]) -> str:
    return fields.text(key, pattern=form[0], says=form[1])


def seconds(fields: Fields, key: str = "seconds", default: int = 0) -> int:
    """How long something may take; an hour at most."""
    found = fields.count(key, default) if key in fields.raw else default
    if found > _LONGEST:
        fields.problems.append((f"{fields.path}.{key}", f"must be {_LONGEST} seconds at most"))
    return found


def words(fields: Fields, key: str) -> list[str]:
    """A command as a list of words, never a line: nothing is given to a shell."""
    raw = fields.raw.get(key)
    if raw is None:
        return []
    if not isinstance(raw, list) or not raw or not all(isinstance(w, str) and w and "\0" not in w for w in raw):
        fields.problems.append((f"{fields.path}.{key}", "must be a list of words, as [/opt/rotate, billing]; it is not run by a shell"))
        return []
    return [str(w) for w in raw]


def _kubernetes_secret(fields: Fields) -> dict[str, t.Any]:
    _one(fields, "name", _LABEL)
    if fields.raw.get("half"):
        fields.problems.append((f"{fields.path}.half", "a Secret holds both halves; say under key where they are one text"))
    return {
        "at": _one(fields, "at", NAME), "namespace": _one(fields, "namespace", _LABEL), "key": _one(fields, "key", _DATA_KEY),
        "restart": fields.texts("restart", *_WORKLOAD), "seconds": seconds(fields),
    }  # fmt: skip


def _ecs(fields: Fields) -> dict[str, t.Any]:
    return {"services": fields.texts("services", *_SERVICE), "seconds": seconds(fields)}


def _seconds(fields: Fields) -> dict[str, t.Any]:
    return {"seconds": seconds(fields)}


def _restarts(fields: Fields) -> dict[str, t.Any]:
    """``restart: {ecs_service: [CLUSTER/SERVICE]}``: what reads the value only when it starts."""
    found: dict[str, t.Any] = {"seconds": seconds(fields)}
    if fields.raw.get("restart") is not None and fields.raw.get("half") == "secret":
        fields.problems.append((f"{fields.path}.restart", "belongs to the half that is the id, which is written last"))
    if fields.raw.get("restart") is not None:
        inner = Fields(fields.raw["restart"], f"{fields.path}.restart", fields.problems, ("ecs_service",))
        services = inner.texts("ecs_service", *_SERVICE)
        if not services and isinstance(fields.raw["restart"], dict):
            fields.problems.append((f"{fields.path}.restart", "names nothing; give ecs_service: [CLUSTER/SERVICE]"))
        found["restart"] = {"ecs_service": services}
    return found


def _named(fields: Fields) -> None:
    _one(fields, "name", NAME)
    if fields.raw.get("half"):
        fields.problems.append((f"{fields.path}.half", "a hook gets both halves"))


def _hook(fields: Fields) -> dict[str, t.Any]:
    _named(fields)
    return {"command": words(fields, "command"), "verify": words(fields, "verify"), "seconds": seconds(fields)}


def _webhook(fields: Fields) -> dict[str, t.Any]:
    _named(fields)
    found: dict[str, t.Any] = {
        "url": _one(fields, "url", URL), "verify": _one(fields, "verify", URL), "ca_file": _one(fields, "ca_file", _PATH),
        "secret_env": _one(fields, "secret_env", _ENV), "secret_file": _one(fields, "secret_file", _PATH), "seconds": seconds(fields),
    }  # fmt: skip
    if fields.raw.get("secret_env") and fields.raw.get("secret_file"):
        fields.problems.append((fields.path, "has secret_env and secret_file; name one"))
    return found


FORMS: dict[str, Form] = {
    "codebuild_project": Form(("seconds",), _seconds),
    "ecs_task_definition": Form(("services", "seconds"), _ecs),
    "hook": Form(("command", "verify", "seconds"), _hook, (("name",), ("command",), ("verify",))),
    "kubernetes_secret": Form(("at", "namespace", "key", "restart", "seconds"), _kubernetes_secret, (("name",), ("at",), ("namespace",))),
    "secrets_manager": Form(("restart", "seconds"), _restarts),
    "ssm_parameter": Form(("restart", "seconds"), _restarts),
    "webhook": Form(
        ("url", "verify", "ca_file", "secret_env", "secret_file", "seconds"),
        _webhook,
        (("name",), ("url",), ("verify",), ("secret_env", "secret_file")),
    ),
    **{kind: Form(keys, read, check=check) for kind, (keys, read, check) in declared_vendors.ROWS.items()},
}


def more(kind: str, raw: t.Any) -> tuple[str, ...]:
    """The further keys of a kind."""
    return FORMS[kind].keys if isinstance(raw, dict) and kind in FORMS else ()


def missing(entry: t.Mapping[str, t.Any]) -> list[tuple[str, str]]:
    """(key, what is wrong) of what a rotation needs of an entry and does not find."""
    form = FORMS.get(str(entry.get("kind")))
    wanted = [names for names in (form.needs if form else ()) if not any(entry.get(name) for name in names)]
    return [(names[0] if len(names) == 1 else "", "is missing" if len(names) == 1 else f"needs {' or '.join(names)}") for names in wanted]


def read(kind: str, fields: Fields) -> dict[str, t.Any]:
    """What the kind declares of its own."""
    return FORMS[kind].read(fields) if kind in FORMS else {}


def check(entry: t.Mapping[str, t.Any], path: str, problems: list[Problem]) -> None:
    """Notes what else a rotation needs of an entry."""
    form = FORMS.get(str(entry["kind"]))
    if form and form.check:
        form.check(Fields(dict(entry), path, problems, entry))


__all__ = ["FORMS", "Form", "check", "missing", "more", "read", "seconds", "words"]

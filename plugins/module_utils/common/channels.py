# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told what:

the keys ``notify``, ``escalation`` and ``severity_matrix`` of the incident file, the default matrix, and which messages a channel wants.
"""

from __future__ import annotations

import os
import re
import typing as t
from collections.abc import Mapping, Sequence

from . import yamlio
from .errors import InvalidInput
from .message import EVENTS
from .notifiers import KINDS
from .schema import Fields, Problem, secret_in, show

SEVERITIES = ("critical", "high", "medium", "low")
UNLESS = ("acknowledged", "contained", "never")
TIMEOUT = 10  # seconds that a notifier has
KEYS = ("notify", "escalation", "severity_matrix", "legal", "production")  # of the incident file; those that a file of defaults may give
WAYS = ("env", "file", "secret")  # where a secret of a notifier is: never in the incident file

_BAD = ("partial", "refused", "error", "escalated", "severity")
_NEWS = ("contained", "open", *_BAD, "released", "partly_released", "acknowledged")
# severity -> kind of channel -> events. Each kind of notifier says which it is (GROUP).
MATRIX: dict[str, dict[str, tuple[str, ...]]] = {
    "critical": {"page": EVENTS, "chat": EVENTS, "mail": EVENTS, "ticket": EVENTS, "machine": EVENTS},
    "high": {"page": ("opened", *_BAD, "released", "acknowledged"), "chat": EVENTS, "mail": EVENTS, "ticket": EVENTS, "machine": EVENTS},
    "medium": {"page": ("escalated", "acknowledged", "released"), "chat": EVENTS, "mail": _NEWS, "ticket": EVENTS, "machine": EVENTS},
    "low": {"page": (), "chat": _NEWS, "mail": _BAD, "ticket": _NEWS, "machine": EVENTS},
}
_COMMON = ("kind", "name", "at", "on", "out_of_band", "timeout")
_NAME = re.compile(r"[A-Za-z0-9](?:[\w .-]{0,62}[\w.-])?", re.ASCII)
_FORMS = {
    "env": (re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}"), "not the name of an environment variable"),
    "file": (re.compile(r"[^\x00-\x1f\x7f-\x9f{}]{1,1024}"), "not a path"),
    "secret": (
        re.compile(
            r"arn:(?:aws|aws-cn|aws-us-gov):(?:secretsmanager:[a-z0-9-]{1,32}:[0-9]{12}:secret:|ssm:[a-z0-9-]{1,32}:[0-9]{12}:parameter/)[\w/+=.@-]{1,512}",
            re.ASCII,
        ),
        "not the ARN of a secret of Secrets Manager or of a parameter",
    ),
}
_DURATION = re.compile(r"([0-9]{1,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int:
    """``10m``: 600."""
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _SECONDS[found[2]] if found else 0


def read(fields: Fields, refused: Mapping[str, str]) -> list[t.Any]:
    """The entries of ``notify``, as they were written. ``refused``: keys that would hold a secret, and what is said of them."""
    result: list[t.Any] = []
    names: dict[str, str] = {}
    for path, item in fields.sequence("notify"):
        channel = _channel(item, path, fields.problems, refused)
        first = names.setdefault(str(channel.get("name")).lower(), path)
        if first != path and channel.get("name"):
            fields.problems.append(
                (f"{path}.name", f"is the name of {first} too; an escalation could not tell them apart: {show(channel['name'])}")
            )
        result.append(channel)
    return result


def escalation(fields: Fields, names: Sequence[str]) -> list[t.Any]:
    """The entries of ``escalation``: {after, unless, to}."""
    result: list[t.Any] = []
    for path, item in fields.sequence("escalation"):
        inner = Fields(item if item is not None else [], path, fields.problems, ("after", "unless", "to"))
        entry = {
            "after": inner.text("after", required=True, pattern=_DURATION, says="not a duration such as 10m"),
            "unless": inner.choice("unless", UNLESS, "acknowledged"),
            "to": inner.texts("to"),
        }
        if not entry["to"]:
            inner.problems.append((f"{path}.to", "is empty; name channels of incident.notify"))
        inner.problems.extend(
            (f"{path}.to", f"there is no channel {show(name)} in incident.notify") for name in entry["to"] if name not in names
        )
        result.append(entry)
    return result


def matrix(fields: Fields) -> dict[str, t.Any]:
    """``severity_matrix``: {severity: {kind of notifier: [events]}}, which takes the place of single cells of ``MATRIX``."""
    path = f"{fields.path}.severity_matrix"
    outer = Fields(fields.raw.get("severity_matrix"), path, fields.problems, SEVERITIES)
    result: dict[str, t.Any] = {}
    for level in SEVERITIES:
        if outer.raw.get(level) is not None:
            inner = Fields(outer.raw[level], f"{path}.{level}", fields.problems, KINDS)
            result[level] = {kind: _words(inner, kind, EVENTS) for kind in KINDS if kind in inner.raw}
    return result


def production(fields: Fields) -> list[str]:
    """``production``: accounts (12 digits) and ARNs that are in production."""
    return fields.texts("production", re.compile(r"[0-9]{12}|arn:[!-~]{5,1500}"), "not an account (12 digits, in quotes) or an ARN")


def wants(channel: Mapping[str, t.Any], level: str, event: str, changed: Mapping[str, t.Any]) -> bool:
    """Whether the channel is told of ``event`` at this severity. ``changed``: the incident's ``severity_matrix``."""
    if level not in channel.get("at", SEVERITIES):
        return False
    if "on" in channel:
        return event in channel["on"]
    cell = changed.get(level, {}).get(channel["kind"])
    return event in (MATRIX[level][KINDS[channel["kind"]].GROUP] if cell is None else cell)


def out_of_band(channels: Sequence[Mapping[str, t.Any]], level: str) -> bool:
    """Whether one of them is beside what the attacker may read, and is told at this severity."""
    return any(c.get("out_of_band") and level in c.get("at", SEVERITIES) for c in channels)


def defaults(path: str) -> dict[str, t.Any]:
    """The keys of ``KEYS`` in a file of defaults, for incidents that do not have them. Raises InvalidInput."""
    raw = yamlio.read(path)
    if not isinstance(raw, dict):
        raise InvalidInput("the file of defaults was refused", [("notify_file", f"must be a mapping with {', '.join(KEYS)}")])
    if unknown := [key for key in raw if key not in KEYS]:
        raise InvalidInput("the file of defaults was refused", [("notify_file", f"unknown key {show(key)}") for key in unknown])
    if isinstance(raw.get("legal"), str):  # a path counts from beside the file that names it
        raw["legal"] = os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(raw["legal"]))
    return raw


def _channel(raw: t.Any, path: str, problems: list[Problem], refused: Mapping[str, str]) -> dict[str, t.Any]:
    kind = raw.get("kind") if isinstance(raw, dict) else None
    known = KINDS.get(kind) if isinstance(kind, str) else None
    secrets = [f"{name}_{way}" for name in (known.SECRETS if known else ()) for way in WAYS]
    given = (*_COMMON, *(known.OPTIONS if known else ()), *secrets)
    every = (*given, *(raw if isinstance(raw, dict) and not known else ()))  # without a kind nothing can be said of the other keys
    fields = Fields(raw if raw is not None else [], path, problems, [key for key in every if known or key not in refused], refused)
    fields.choice("kind", tuple(KINDS), "", required=True)
    fields.text("name", required=True, pattern=_NAME, says="must be 1 to 64 of A-Z a-z 0-9 _ . - and blanks")
    for key, words in (("at", SEVERITIES), ("on", EVENTS)):
        if key in fields.raw:
            _words(fields, key, words)
    fields.flag("out_of_band")
    if fields.count("timeout", TIMEOUT) > 60:
        problems.append((f"{path}.timeout", "must be 60 seconds at most"))
    if known:
        for name, option in known.OPTIONS.items():
            if option.many:
                if not fields.texts(name, option.pattern, option.says) and option.required:
                    problems.append((f"{path}.{name}", "is empty"))
            else:
                fields.text(name, required=option.required, pattern=option.pattern, says=option.says)
        for name, required in known.SECRETS.items():
            _secret(fields, name, required)
        if fields.raw.get("tls") == "none" and any(key.startswith("password_") for key in fields.raw):
            problems.append((f"{path}.tls", "none would send the password in the clear"))
    return {str(key): value for key, value in fields.raw.items() if value is not None}


def _secret(fields: Fields, name: str, required: bool) -> None:
    there = [f"{name}_{way}" for way in WAYS if fields.raw.get(f"{name}_{way}") is not None]
    listed = f"{name}_env (an environment variable), {name}_file (a path) or {name}_secret (an ARN)"
    if len(there) > 1:
        fields.problems.append((fields.path, f"has {' and '.join(there)}; name one"))
    elif not there and required:
        fields.problems.append((fields.path, f"needs one of {listed}"))
    for key in there:
        pattern, says = _FORMS[key.rpartition("_")[2]]
        value = fields.raw[key]
        if isinstance(value, str) and secret_in(value):
            continue  # said already, and not shown
        fields.text(key, pattern=pattern, says=says)


def _words(fields: Fields, key: str, known: Sequence[str]) -> list[str]:
    found = fields.texts(key)
    fields.problems.extend((f"{fields.path}.{key}", f"{show(word)} is none of {', '.join(known)}") for word in found if word not in known)
    return found

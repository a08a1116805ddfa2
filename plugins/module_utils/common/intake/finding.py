# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the formats share: the facts of a finding, and how they are dug out of data that nobody vouches for."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterator

from ..schema import Problem

DEEPEST = 24


@dataclasses.dataclass(frozen=True)
class Finding:
    """``suspects``: (path in the finding, entry as the incident file writes it); ``seen``: when it began, RFC 3339 or ""; ``ips``: where from."""

    source: str
    id: str
    title: str
    severity: str
    suspects: tuple[tuple[str, dict[str, str]], ...]
    seen: str = ""
    ips: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()  # what it says was touched, for people


class Format(t.Protocol):
    """A file of this folder. ``findings``: the single findings in a document of this format, with their paths; [] when it is another format.

    ``read``: the facts of one; what is wrong with it goes to ``problems``.
    """

    NAME: str

    def findings(self, document: dict[str, t.Any]) -> list[tuple[str, dict[str, t.Any]]]: ...

    def read(self, finding: dict[str, t.Any], path: str, problems: list[Problem]) -> Finding | None: ...


def dig(value: t.Any, *path: str | int) -> t.Any:
    """What lies there, None where anything on the way is missing or of another type."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def text(value: t.Any, *path: str | int) -> str:
    """The text there, "" for anything else; at most 2,000 characters. Half a character (a lone surrogate, which no file can hold) becomes ``?``."""
    found = dig(value, *path)
    return found[:2000].encode("utf-8", "replace").decode() if isinstance(found, str) else ""


def mappings(value: t.Any, *path: str | int) -> Iterator[tuple[int, dict[str, t.Any]]]:
    """The mappings in the list there, with their numbers."""
    found = dig(value, *path)
    for number, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, dict):
            yield number, item


def listed(path: str, value: t.Any, is_one: Callable[[t.Any], bool]) -> list[tuple[str, dict[str, t.Any]]]:
    """What lies in a list that holds findings of one format and nothing else, with their paths; [] for any other value."""
    good = isinstance(value, list) and all(is_one(item) for item in value)
    return [(f"{path}[{number}]", item) for number, item in enumerate(value)] if good else []


def camel(value: t.Any, depth: int = 0) -> t.Any:
    """The same with keys that begin in lower case: the API answers `AccountId` where events say `accountId`."""
    if depth > DEEPEST:
        return None
    if isinstance(value, dict):
        return {k[:1].lower() + k[1:] if isinstance(k, str) else k: camel(v, depth + 1) for k, v in value.items()}
    return [camel(v, depth + 1) for v in value] if isinstance(value, list) else value


def aws_suspect(key: str, arn: str = "", user: str = "", account: str = "") -> dict[str, str] | None:
    """The narrowest entry that the facts allow: the key, else the ARN, else the user's name."""
    where = {"account": account} if account else {}
    if key[:4] in ("AKIA", "ASIA"):
        return {"cloud": "aws", **where, "access_key_id": key}
    if arn.startswith("arn:"):
        return {"cloud": "aws", "arn": arn}
    return {"cloud": "aws", **where, "user": user} if user else None


def nothing(path: str, problems: list[Problem], what: str) -> None:
    problems.append((path, f"names no identity: {what}"))

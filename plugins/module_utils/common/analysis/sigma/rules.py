# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Sigma rule as this collection understands it: tests of fields, put together by and, or, not. Everything else in a rule's file was refused by name."""

from __future__ import annotations

import dataclasses
import enum
import typing as t


class Unsupported(Exception):
    """What a rule uses and nothing here can ask. The text is for people; it holds the collection's own words and short pieces of the rule."""


class Wild(enum.Enum):
    MANY = "*"
    ONE = "?"


@dataclasses.dataclass(frozen=True)
class Text:
    """The whole value, in which wildcards stand for text. ``cased``: upper and lower case differ."""

    parts: tuple[str | Wild, ...]
    cased: bool = False

    @property
    def plain(self) -> str | None:
        """The text if it holds no wildcard."""
        return None if any(isinstance(part, Wild) for part in self.parts) else "".join(str(part) for part in self.parts)


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A regular expression of RE2, found anywhere in the value."""

    expression: str


@dataclasses.dataclass(frozen=True)
class Number:
    """``operation``: = <> < <= > >=. What is no number fits none of them."""

    number: int | float
    operation: str = "="


@dataclasses.dataclass(frozen=True)
class Truth:
    true: bool


@dataclasses.dataclass(frozen=True)
class Present:
    """Whether the field has a value."""

    there: bool


@dataclasses.dataclass(frozen=True)
class Network:
    """``first`` and ``last`` address: numbers in version 4, 32 hexadecimal digits in version 6."""

    version: int
    first: int | str
    last: int | str


@dataclasses.dataclass(frozen=True)
class Same:
    """The value of another field. ``begins``, ``ends``: only that part of it; both: anywhere in it."""

    field: str
    begins: bool = False
    ends: bool = False


Match = t.Union[Text, Pattern, Number, Truth, Present, Network, Same]  # noqa: UP007 - pylint takes the classes' own | for a mistake


@dataclasses.dataclass(frozen=True)
class Test:
    """``field`` "": anywhere in the event."""

    field: str
    match: Match


@dataclasses.dataclass(frozen=True)
class And:
    of: tuple[Node, ...]


@dataclasses.dataclass(frozen=True)
class Or:
    of: tuple[Node, ...]


@dataclasses.dataclass(frozen=True)
class Not:
    of: Node


Node = t.Union[And, Or, Not, Test]  # noqa: UP007


@dataclasses.dataclass(frozen=True)
class Rule:
    """``source``: the log that it is about, a name of ``columns.SOURCES``. ``mitre``: technique ids. All texts are a stranger's."""

    file: str
    id: str
    title: str
    level: str
    mitre: tuple[str, ...]
    source: str
    asks: Node


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A rule, or a file, that was not asked."""

    file: str
    why: str
    title: str = ""


def tests(node: Node) -> t.Iterator[Test]:
    if isinstance(node, Test):
        yield node
    elif isinstance(node, Not):
        yield from tests(node.of)
    else:
        for inner in node.of:
            yield from tests(inner)


def fields(node: Node) -> set[str]:
    """The names of all fields that are asked for, as the rule writes them."""
    found: set[str] = set()
    for test in tests(node):
        found |= {test.field} - {""}
        if isinstance(test.match, Same):
            found.add(test.match.field)
    return found

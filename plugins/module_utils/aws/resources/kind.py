# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of resource with a policy of its own share: how its document is named, read and written, and what a Step on it looks like."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Callable, Mapping

from ...common import resources as forms
from ...common.errors import CloudError, EvictError
from ...common.plan import Call, Path, Probe, Target
from ...common.reader import Reader

Event = Mapping[str, t.Any]
Name = Mapping[str, t.Any]
PARSED = "Document"  # where the session puts a policy that AWS answers as text, parsed; the text stays where it was


class Gone(EvictError):
    """The resource is not there any more."""


class Unfenceable(EvictError):
    """It is there, and its policy cannot or must not be changed; ``remedy``: the next best control."""


@dataclasses.dataclass(frozen=True)
class Writer:
    """From a new document (None: no policy any more; a text: as it stands) to the Call that writes it.

    ``revision``: where in the answer of the read stands what makes the write fail if somebody else wrote meanwhile (parameter RevisionId).
    """

    make: Callable[[str | None], Call]
    revision: Path = ()

    def __call__(self, document: t.Any) -> Call:
        return self.make(document if document is None or isinstance(document, str) else text(document))


@dataclasses.dataclass(frozen=True)
class Resource:
    """One resource. ``document``: the name of its policy as an Edit has it."""

    arn: str
    target: Target
    document: Name
    text: str


class Kind(t.Protocol):
    """A file of this folder.

    ``EVENTS``: eventName of the suspects' calls that read or change one; ``NAMED``: where in requestParameters its name or ARN stands.
    ``DENIED``: what is denied to the contained; ``CHANGE``: the action that changes its policy; ``SIZE``: bytes of the policy, ``STATEMENTS``: how many.
    ``TEXT``: the policy in the answer of the read; ``GONE``: error codes of a resource that is not there.
    ``NEEDS_ALLOW``: identity policies do not count alone.
    ``resolve``: the resource behind a name or ARN; ``document``: how its policy is read and written; ``covered``: Resource of the statements.
    """

    SERVICE: str
    NOUN: str
    EVENTS: frozenset[str]
    NAMED: tuple[str, ...]
    DENIED: tuple[str, ...]
    CHANGE: str
    SIZE: int
    STATEMENTS: int
    TEXT: Path
    GONE: tuple[str, ...]
    NEEDS_ALLOW: bool
    READS: tuple[str, ...]

    def resolve(self, target: Target, name: str, partition: str, reader: Reader, /) -> Resource: ...

    def document(self, target: Target, name: Name, /) -> tuple[Probe, Writer]: ...

    def covered(self, one: Resource, /) -> list[str]: ...


def text(document: t.Any) -> str:
    """As it is sent, and counted."""
    return json.dumps(document, separators=(",", ":"))


def name_in(name: str) -> str:
    """The name in an ARN, or the name itself."""
    found = forms.parse(name)
    return found.name if found else name


def ask(call: Call, gone: tuple[str, ...], what: str, reader: Reader) -> dict[str, t.Any]:
    """The answer; ``Gone`` when the resource is not there."""
    try:
        return reader.get(call)
    except CloudError as error:
        if error.code in gone:
            raise Gone(f"{what} is not there any more", object=what, operation=call.name) from error
        raise

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of place share: what one declares, and what its search tells."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping

from ...common.errors import EvictError
from ...common.plan import Call, Target
from ...common.reader import Reader
from .. import failures
from ..needles import Needles, Spot

Item = t.TypeVar("Item")
SURE, LIKELY, OLD = 100, 80, 40  # confidence: it is read from here; most likely; it was, or only an older version holds it


@dataclasses.dataclass(frozen=True)
class Found:
    """An object that holds what is looked for. ``id``: its ARN, or the name by which the API takes it; ``text``: in words; ``state``: current, pending,

    previous, in use and so on; ``version``: the VersionId, RevisionId or revision that was seen; ``used_by``: what runs with it; ``data``: what else is
    needed to write there. No value of a secret, nor a part of one.
    """

    target: Target
    id: str
    text: str
    spots: tuple[Spot, ...]
    state: str = "current"
    version: str = ""
    confidence: int = SURE
    used_by: tuple[str, ...] = ()
    data: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Seen:
    """So many objects were looked at."""

    count: int = 1


@dataclasses.dataclass(frozen=True)
class Gap:
    """Of ``object`` nothing is known, or not all."""

    object: str
    error: EvictError


@dataclasses.dataclass(frozen=True)
class Part:
    """Something that can be looked at beside everything else: its search goes to a thread of its own."""

    object: str
    search: Callable[[], Iterator[Told]]


Told = t.Union[Found, Seen, Gap, Part]  # noqa: UP007 - ansible-test's pylint takes no | of classes


class Kind(t.Protocol):
    """A file of this folder. ``search``: what is told of one region of an account; it changes nothing.

    It asks through ``reader`` alone, so that a second search with other ``needles`` sends nothing, and is given no more than it needs.
    """

    KIND: str
    NOUN: str
    READS: tuple[str, ...]

    def search(self, target: Target, needles: Needles, reader: Reader, /) -> Iterator[Told]: ...


def found(target: Target, id: str, text: str, spots: Iterable[Spot], **more: t.Any) -> Iterator[Told]:
    """One ``Found`` when there are spots."""
    spots = tuple(spots)
    if spots:
        yield Found(target, id, text, spots, **more)


def each(items: Iterable[Item], name: Callable[[Item], str], look: Callable[[Item], Iterable[Told]]) -> Iterator[Told]:
    """``look`` at each of what has been read already; one that cannot be understood is a gap and hides no other."""
    for item in items:
        yield Seen()
        yield from guarded(name(item), lambda item=item: look(item))  # type: ignore[misc]


def guarded(object: str, look: Callable[[], Iterable[Told]]) -> Iterator[Told]:
    """What ``look`` tells; an error becomes a gap. Of an error that nobody expected only its type is told: its text might hold a value."""
    try:
        yield from look()
    except EvictError as error:
        yield Gap(object, error)
    except Exception as error:  # a bug, or an answer that is not what AWS's model says
        yield Gap(object, EvictError(f"could not be understood ({type(error).__name__})", object=object, operation="search"))


def throttled(error: EvictError) -> bool:
    """AWS was too busy: to be asked again later, with less at a time."""
    return failures.throttled(str(getattr(error, "code", "")))


def pages(
    reader: Reader, target: Target, service: str, operation: str, parameters: Mapping[str, t.Any], size: int
) -> Iterator[dict[str, t.Any]]:
    """The pages of a listing, one at a time: what is on the first can be looked at before the last has come."""
    token: str | None = None
    while True:
        config = {"MaxItems": size, "PageSize": size} | ({"StartingToken": token} if token else {})
        page = reader.get(Call(target, service, operation, {**parameters, "PaginationConfig": config}))
        yield page
        token = page.get("NextToken")
        if not token:
            return


def batches(items: list[Item], size: int) -> Iterator[list[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]

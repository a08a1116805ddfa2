# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the places share to which a rotation writes a new credential."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterator

from ...common import credential_text
from ...common.errors import EvictError
from ...common.plan import Secret, Step, Target
from ...common.reader import Reader
from .. import ecs


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a dependent keeps the credential. ``half``: "" = both halves, else "id" or "secret" alone; ``spec``: the dependent as it was declared."""

    target: Target
    kind: str
    name: str
    half: str = ""
    spec: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    noun: str = ""

    @property
    def text(self) -> str:
        return f"{self.noun or self.kind} {self.name} in {self.target.region or self.target.account}"

    @property
    def id(self) -> str:
        return f"{self.kind}/{self.target.account}/{self.target.region}/{self.name}" + (f"#{self.half}" if self.half else "")


@dataclasses.dataclass(frozen=True)
class Change:
    """One rotation, as a target sees it. ``new``: the id of the new key; ``secret``: where its secret comes from, in memory; ``user``: whose it is.

    ``staged``: a target may yield the first part of its Steps alone, and is asked again while the place is ``old``: of two creations whose answers are lost
    at once it could not be told which is which. ``written``: the place holds the new key, and what is left is what works with it. ``kept``: another place
    keeps the secret of the old key, for the way back. ``incident``, ``now`` and ``until`` (RFC 3339) are for what is kept in a place without versions.
    """

    user: str
    old: str
    new: str
    secret: Secret
    staged: bool = False
    written: bool = False
    kept: bool = True
    incident: str = ""
    now: str = ""
    until: str = ""

    def step_id(self, place: Place, part: str = "") -> str:
        """``!`` is in no name of a place, so that no part of one place is another place."""
        return f"{self.user}#rotation/{self.new}/{place.id}" + (f"!{part}" if part else "")

    def arguments(self, place: Place, at: list[str] | None = None) -> dict[str, t.Any]:
        """Of the edit ``replace_credential``."""
        found: dict[str, t.Any] = {
            "old": self.old,
            "new": self.new,
            "secret": "" if place.half == "id" else self.secret,
        }  # an id alone needs none
        return {**found, **({"at": at} if at else {}), **({"half": place.half} if place.half else {})}

    def back(self, place: Place, part: str = "") -> Secret:
        """The secret of the old key, for the way back of the Step ``part``: the machine finds it (``kept``), in memory."""
        return back_of(self.step_id(place, part))


def back_of(step_id: str) -> Secret:
    return Secret(f"{step_id}!back", ("Secret",))


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a place is read. ``actions``: each alone shows what it holds; ``policy``: the place's own, parsed; ``key``: the KMS key that it takes as well

    ("" for one of AWS's own, which holds nobody back); ``public``: why everybody reads it; ``runs_as``: identities whose code is given what it holds;
    ``others``: {one of the actions: what it is asked on, where that is not ``resource``}.
    """

    actions: tuple[str, ...]
    resource: str
    policy: t.Any = None
    key: str = ""
    public: str = ""
    runs_as: tuple[str, ...] = ()
    others: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


class Kind(t.Protocol):
    """A file of this folder. ``value``: the text or map that is there (it holds secrets: it never leaves memory); ``steps``: write ``change`` to it,

    with a read-back and a way back; the pre-image stays in the cloud's own versions. A file may have

    - ``place``: (entry as declared, account of the user) -> (Target, name), where these are not what AWS's ARNs and regions say;
    - ``CLOUD``: the cloud of its Target when that is not aws (``module_utils/outside``);
    - ``OPAQUE = True``: nobody can read it; ``value`` is the id of the key that is in place, "" for none of ours;
    - ``BLIND = True``: nobody can read it, and nothing tells which key is in place; ``value`` raises when there is nothing;
    - ``served``: further values that are in use, as old versions that are still led to;
    - ``refuse``: raises when the place cannot be moved as a whole;
    - ``identity``: the ARN that it runs as;
    - ``behind``: (place, new key, reader) -> what still works with an older value, though the new one is written: it is waited for; "" for nothing.
      Raises ``EvictError`` when waiting is of no use;
    - ``kept``: (place, key, reader) -> the secret of ``key`` out of what the place keeps of before, "" for none;
    - ``undone``: what the probe of a Step sees after it was taken back;
    - ``changed``: (place, reader) -> when its value was written last, RFC 3339, for services that have to be restarted;
    - ``taken_back``: (place, change, reader) -> Steps that belong to the way back beside the undo of those that were made;
    - ``reading``: how it is read (``Reading``); a kind without is read by whom its dependent declares (``readable_by``), and nothing is written to it
      before that is known;
    - ``tidy``: (place, change, reader) -> Steps that remove what was kept for the way back, when the old key is off.
    """

    KIND: str
    NOUN: str
    READS: tuple[str, ...]

    def value(self, place: Place, reader: Reader) -> t.Any: ...

    def steps(self, place: Place, change: Change, reader: Reader) -> Iterator[Step]: ...


def values(kind: Kind, place: Place, reader: Reader) -> list[t.Any]:
    """All that is in use there: the value, and what ``served`` adds."""
    more = getattr(kind, "served", None)
    return [kind.value(place, reader), *(more(place, reader) if more else ())]


def state(kind: Kind, place: Place, change_from: t.Collection[str], new: str, reader: Reader) -> str:
    """old | moving | new | other | unknown:<why>: which key is there. A secret alone cannot be told from another: it is ``half``.

    ``moving``: the new one is written, and not all that works with it has it. ``old`` while anything in use holds an old key; what could not be
    moved whole is unknown, before anything is written.
    """
    opaque = getattr(kind, "OPAQUE", False)
    try:
        found = values(kind, place, reader)
        if found[0] is None:
            return "unknown: there is nothing"
        if getattr(kind, "BLIND", False):
            return "half" if place.half else "unknown: it cannot be read: declare half"
        if place.half == "secret":
            credential_text.half(found[0], "x")
            return "half"
        held = set().union(*(credential_text.identities(value, {*change_from, new} - {""}) for value in found if value is not None))
        if old := held & set(change_from):
            for key in sorted(old) if not opaque else ():
                _movable(kind, place, key, new, found[0], reader)
            return "old"
    except EvictError as error:
        return f"unknown: {error.message}"
    if not new or new not in held:
        return "other"
    try:
        return "moving" if behind(kind, place, new, reader) else "new"
    except EvictError:
        return "moving"  # whoever waits for it is told why that is of no use


def behind(kind: Kind, place: Place, new: str, reader: Reader) -> str:
    """What still works with an older value, though the new one is written; "" for nothing."""
    look = getattr(kind, "behind", None)
    if look and (said := look(place, new, reader)):
        return str(said)
    return ecs.not_restarted(place.target, restarts(place), kind.changed(place, reader), reader) if restarts(place) else ""  # type: ignore[attr-defined]


def restarts(place: Place) -> list[str]:
    """ECS services, CLUSTER/SERVICE, that read the value when they start and have to be started anew."""
    declared = place.spec.get("restart")
    return list(declared.get("ecs_service", ())) if isinstance(declared, t.Mapping) else []


def steps(kind: Kind, place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """All Steps of a place; of what only reads it when it starts the last, once it is written."""
    if not change.written or hasattr(kind, "behind"):
        yield from kind.steps(place, change, reader)
    if restarts(place) and (change.written or not change.staged):
        yield from restarted(kind, place, change, reader)


def restarted(kind: Kind, place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """The services that have not been started since the value was changed."""
    since = kind.changed(place, reader) if change.written else ""  # type: ignore[attr-defined]
    for service in restarts(place):
        if not since or ecs.not_restarted(place.target, [service], since, reader, progress=False):
            yield ecs.restart(place.target, service, change.user, change.step_id(place, f"restart/{service}/{since}"), reader)


def _movable(kind: Kind, place: Place, key: str, new: str, value: t.Any, reader: Reader) -> None:
    """Raises ``EvictError`` when ``key`` and its secret cannot be replaced there."""
    if credential_text.identities(value, {key}):
        alone = isinstance(value, str) and value.strip() == key
        if alone != (place.half == "id"):
            what = "the id alone: declare it as half: id, and where its secret is" if alone else "more than the id: declare it without half"
            raise EvictError(f"holds {what}", object=place.text, operation="rotate")
        credential_text.replaced(value, key, new or "-", "-")
    if refuse := getattr(kind, "refuse", None):
        refuse(place, key, new, reader)

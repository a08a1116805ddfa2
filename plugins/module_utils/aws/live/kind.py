# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of live thing share: who counts as its starter, what one is, and the Step that ends it."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping

from ...common.guard import identity, kind_of
from ...common.plan import Call, Phase, Probe, Step, Target
from ...common.reader import Reader

if t.TYPE_CHECKING:
    from ..principal import Principal

Event = Mapping[str, t.Any]
BY_HAND = "ended by hand"


@dataclasses.dataclass(frozen=True)
class Live:
    """One thing of a suspect that IAM does not end. ``principal``: ARN of who started it; ``text``: in words; ``data``: what its kind needs to end it.

    ``why``: when nothing here can end it; it is named with ``until`` then, and no Step is made.
    """

    target: Target
    id: str
    principal: str
    text: str
    data: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    why: str = ""
    until: str = BY_HAND


class Kind(t.Protocol):
    """A file of this folder. ``EVENTS``: (eventSource, eventName) of the calls that start one; ``ACCESS``: its name in ``residual``.

    ``LISTED``: the service itself says who started it, so every enabled region is asked once; otherwise only the log knows, and the service is
    asked where the log names one. ``found``: what runs now; ``steps``: what ends it.
    """

    KIND: str
    NOUN: str
    ACCESS: str
    LISTED: bool
    EVENTS: frozenset[tuple[str, str]]
    READS: tuple[str, ...]

    def found(self, target: Target, who: Suspects, started: Iterable[Event], reader: Reader, /) -> Iterable[Live]: ...

    def steps(self, live: Live, /) -> Iterator[Step]: ...


class Suspects:
    """The contained principals, as services name them. ``actions``: {identity: what is done to the role}; ``ends``: {ARN: when its last old token ends}.

    ``person``: whose session an ARN is, of the people of Identity Center: the role behind it is others' as well.
    """

    def __init__(
        self, principals: Iterable[Principal], actions: Mapping[str, str], ends: Mapping[str, str],
        person: Callable[[str], Principal | None] | None = None,
    ) -> None:  # fmt: skip
        self._known = {identity(p.arn): p for p in principals}
        self.actions, self.ends = actions, ends
        self._person = person or (lambda _arn: None)

    @property
    def all(self) -> list[Principal]:
        return list(self._known.values())

    def started_by(self, arn: str) -> Principal | None:
        """Whose it is: a user's, whatever session of it; of a role only what the suspect's sessions started, unless all of it is cut."""
        if person := self._person(arn):
            return person
        principal = self._known.get(identity(arn))
        if principal is None or principal.only:
            return None
        session = arn.split("/", 2)[2] if kind_of(arn) == "assumed-role" and arn.count("/") >= 2 else ""
        if principal.kind != "role" or session in principal.sessions or self.cut(principal):
            return principal
        return None

    def caller(self, event: Event) -> Principal | None:
        """Who made a call that is in the suspects' trail already."""
        if person := self._person(field(event, "userIdentity", "arn")):
            return person
        issuer = field(event, "userIdentity", "sessionContext", "sessionIssuer", "arn")
        return self._known.get(identity(issuer or field(event, "userIdentity", "arn")))

    def cut(self, principal: Principal) -> bool:
        """Nobody else's work is in it: a user, a denied role, or a role that was itself named as compromised."""
        return principal.kind != "role" or principal.whole or self.actions.get(identity(principal.arn)) == "deny"

    def denied(self, principal: Principal) -> bool:
        return principal.kind != "role" or self.actions.get(identity(principal.arn)) == "deny"

    def until(self, principal: Principal) -> str:
        """When the last token of it from before its cutoff runs out (RFC 3339)."""
        return self.ends.get(principal.arn, BY_HAND)


def field(place: t.Any, *path: str) -> str:
    """The text at ``path`` of a CloudTrail record, however its names are capitalised; "" where there is none."""
    for part in path:
        items = place.items() if isinstance(place, Mapping) else ()
        place = next((value for key, value in items if str(key).lower() == part.lower()), None)
    return str(place) if isinstance(place, (str, int)) else ""


def named(who: Suspects, started: Iterable[Event], *path: str) -> dict[str, Principal]:
    """{id: who started it} of what the answers (``path`` in responseElements) of the suspects' own calls name."""
    found = ((field(event.get("responseElements"), *path), who.caller(event)) for event in started)
    return {name: principal for name, principal in found if name and principal}


def ended(live: Live, kind: str, do: Call, probe: Probe, irreversible: str, action: str = "end") -> Step:
    """The Step that ends it; ``probe`` reads the ids of it that still run."""
    return Step(
        id=f"{live.principal}#live/{kind}/{live.target.region}/{live.id}", principal=live.principal, resource=live.text, action=action,
        phase=Phase.RESOURCE, before=[live.id], after=[], do=(do,), probe=probe, irreversible=irreversible,
    )  # fmt: skip


def states(key: str, name: str, field_name: str, wanted: Iterable[str]) -> list[dict[str, str]]:
    """The part of a probe's path that picks ``name`` while it is in one of the ``wanted`` states."""
    return [{key: name, field_name: state} for state in wanted]

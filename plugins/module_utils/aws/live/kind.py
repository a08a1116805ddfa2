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

    ``person``: whose session an ARN is, of the people of Identity Center: the role behind it is others' as well; ``behind``: whose a role may be.
    ``others``: see ``everybody.others``; ``former``: {identity under a name that a user had before: the user}.
    """

    def __init__(
        self, principals: Iterable[Principal], actions: Mapping[str, str], ends: Mapping[str, str],
        person: Callable[[str], Principal | None] | None = None, behind: Callable[[str], list[Principal]] | None = None,
        others: Callable[[str, bool], str] | None = None, former: Mapping[str, Principal] | None = None,
    ) -> None:  # fmt: skip
        self.all = list(principals)
        self._known = {identity(p.arn): p for p in self.all}
        self._former = former or {}  # for the trail alone: what has such a name now may be somebody else
        self.behind: Callable[[str], list[Principal]] = behind or (lambda _arn: [])
        self._others = others or (lambda _arn, _logged: "")
        self._doubts: dict[str, str] = {}  # ARN under which something is named -> why it is not ended
        self.actions, self.ends = actions, ends
        self._person = person or (lambda _arn: None)

    def started_by(self, arn: str) -> Principal | None:
        """Whose it is: a user's, whatever session of it; of a role only what the suspect's sessions started, unless it is denied: then nobody works in it.

        What may be the suspects' and may be somebody else's, or nobody's whom the run contains, is of a principal of that ARN: see ``settled``.
        """
        if person := self._person(arn):
            return person
        principal = self._known.get(identity(arn)) or next((p for p in self.all if arn and p.suspect == arn), None)
        if principal is None:
            return self._named(arn, self._others(arn, False))
        if principal.only:
            return None
        if principal.kind != "role" or _session(arn) in principal.sessions or self.denied(principal):
            return principal
        why = f"{principal.arn} is suspect as a whole, but not denied, and whose its session {arn} is nobody says: if it is a suspect's, end it by hand"
        return self._named(arn, f"{why}, or name that session under incident.suspects") if principal.whole else None

    def _named(self, arn: str, why: str) -> Principal | None:
        if not (why and kind_of(arn)):
            return None
        self._doubts[arn] = why
        return Principal(arn.split(":")[4], kind_of(arn), arn.rsplit("/", 1)[-1], "", arn, "", sessions={_session(arn)})

    def settled(self, live: Live, started: Iterable[Event]) -> Live:
        """``live`` with why it is not ended, where its starter is in doubt; the log is sure where a suspect's own call answered with its id."""
        if live.principal not in self._doubts:
            return live
        callers = (self.caller(event) for event in started if live.id in _texts(event.get("responseElements")))
        sure = next((p for p in callers if p and p.arn not in self._doubts), None)
        return (
            dataclasses.replace(live, principal=sure.arn)
            if sure
            else dataclasses.replace(live, why=live.why or self._doubts[live.principal])
        )

    def caller(self, event: Event) -> Principal | None:
        """Who made a call that is in the suspects' trail already."""
        if person := self._person(field(event, "userIdentity", "arn")):
            return person
        issuer = field(event, "userIdentity", "sessionContext", "sessionIssuer", "arn")
        arn = issuer or field(event, "userIdentity", "arn")
        return self._known.get(identity(arn)) or self._former.get(identity(arn)) or self._named(arn, self._others(arn, True))

    def denied(self, principal: Principal) -> bool:
        """Nobody else's work is in it."""
        return principal.kind != "role" or self.actions.get(identity(principal.arn)) == "deny"

    def until(self, principal: Principal) -> str:
        """When the last token of it from before its cutoff runs out (RFC 3339)."""
        return self.ends.get(principal.arn, BY_HAND)


def _session(arn: str) -> str:
    return arn.split("/", 2)[2] if kind_of(arn) == "assumed-role" and arn.count("/") >= 2 else ""


def _texts(place: t.Any) -> set[str]:
    """Every text in a part of a CloudTrail record."""
    if isinstance(place, str):
        return {place}
    parts = place.values() if isinstance(place, Mapping) else place if isinstance(place, list) else ()
    return {text for part in parts for text in _texts(part)}


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

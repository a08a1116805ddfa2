# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of clock share: who set one going, what one is, and the Step that stops it."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping

from ...common.errors import CloudError
from ...common.plan import Action, Phase, Probe, Step, Target
from ...common.reader import Reader
from ..live.kind import Event, field

CLOCK = "#clock/"  # in the ids of these Steps
CARRIED = "suspend the rule, which was written or carried along"  # an action: of what may be its owner's
PERHAPS = "suspended, though it may be its owner's: the log knows no write from before the suspect's. Enable it by hand if it is theirs, else delete it"
KEPT = "a suspect set it going, and it was stopped; a verdict of false positive sets it going again"


@dataclasses.dataclass(frozen=True)
class Started:
    """A call that set a clock going. ``principal``: ARN of the suspect who made it, "" when it was anybody else.

    ``doubt``: why it may be the owner's work all the same.
    """

    event: Event
    principal: str = ""
    doubt: str = ""

    @property
    def at(self) -> str:
        return str(self.event.get("eventTime") or "")

    @property
    def by(self) -> str:
        """ARN of the caller."""
        return field(self.event, "userIdentity", "arn") or field(self.event, "userIdentity", "type") or "somebody unknown"

    @property
    def left(self) -> str:
        """Why nothing is done about it; "" when it is a suspect's."""
        return "" if self.principal else "not a suspect's: left alone"

    def asked(self, *path: str) -> str:
        return field(self.event.get("requestParameters"), *path)

    def answered(self, *path: str) -> str:
        return field(self.event.get("responseElements"), *path)

    def arn_of(self, service: str, resource: str) -> str:
        """The ARN of something in the account and region of the call."""
        partition = field(self.event, "userIdentity", "arn").split(":")[1:2] or ["aws"]
        return f"arn:{partition[0]}:{service}:{self.event.get('awsRegion')}:{self.event.get('recipientAccountId')}:{resource}"


@dataclasses.dataclass(frozen=True)
class Clock:
    """Something that runs out, or has been switched off, by somebody's call.

    ``principal``: ARN of the suspect who did it, "" for anybody else; ``text``: the object, in words; ``what``: what happens to it;
    ``deadline`` (RFC 3339, "" for none): when, at the earliest; ``state``: running | stopped | unknown | failed; ``why``: when it runs, why nothing
    here stops it (a Step is made where there is none); ``remedy``: what is left to do when it cannot be stopped; ``at``: when it was set going, of
    what is not stopped twice on the strength of one call; ``data``: what its kind needs to stop it, its ``arn`` where the id is none, and
    ``since`` (with ``until``), the time in which
    nothing was logged.
    """

    target: Target
    id: str
    principal: str
    text: str
    what: str
    deadline: str = ""
    state: str = "running"
    why: str = ""
    remedy: str = ""
    at: str = ""
    data: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


class Kind(t.Protocol):
    """A file of this folder. ``EVENTS``: (eventSource, eventName) of the calls that set one going; ``LISTED``: those of them that are looked up in every

    region, whoever made them; ``EARLY``: stopped as soon as the fences stand. ``found``: what became of each; ``steps``: what stops one.
    """

    KIND: str
    NOUN: str
    EARLY: bool
    EVENTS: frozenset[tuple[str, str]]
    LISTED: tuple[str, ...]
    READS: tuple[str, ...]

    def found(self, target: Target, started: Iterable[Started], reader: Reader, /) -> Iterable[Clock]: ...

    def steps(self, clock: Clock, /) -> Iterator[Step]: ...


def named(source: str, *names: str) -> frozenset[tuple[str, str]]:
    return frozenset((f"{source}.amazonaws.com", name) for name in names)


def in_order(started: Iterable[Started]) -> list[Started]:
    """Oldest first. Times have seconds, and CloudTrail answers with the newest first, so of one second the first that came is the last."""
    calls = list(started)
    calls.reverse()
    return sorted(calls, key=lambda s: s.at)


def newest(started: Iterable[Started], which: Callable[[Started], str], *names: str) -> dict[str, Started]:
    """{object: the last call about it}, of the calls called ``names``."""
    found: dict[str, Started] = {}
    for one in in_order(started):
        name = which(one) if one.event.get("eventName") in names else ""
        if name:
            found[name] = one
    return found


def unread(target: Target, name: str, one: Started, text: str, what: str, error: CloudError) -> Clock:
    """A clock of which nobody knows whether it runs."""
    return Clock(target, name, one.principal, text, what, state="unknown", why=error.message)


def stop(
    clock: Clock, kind: str, do: Iterable[Action], probe: Probe, before: t.Any, after: t.Any, action: str, *, undo: Iterable[Action] = (),
    irreversible: str = "",
) -> Step:  # fmt: skip
    """The Step that stops it. Optional: that an identity is contained does not hang on it, and what failed is told as a clock that runs."""
    return Step(
        id=step_id(clock, kind), principal=clock.principal, resource=clock.text, action=action, phase=Phase.RESOURCE, before=before, after=after,
        do=tuple(do), undo=tuple(undo), irreversible=irreversible, probe=probe, optional=True,
    )  # fmt: skip


def step_id(clock: Clock, kind: str) -> str:
    """The id of its Step."""
    return f"{clock.principal}{CLOCK}{kind}/{clock.target.region}/{clock.id}"

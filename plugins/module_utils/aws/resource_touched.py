# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which resources the suspects' own calls name, from the events that the quick scope kept. Pure."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterable

from ..common import resources as forms
from ..common.plan import Target
from . import resources
from .live.kind import Event, field
from .resources import Kind, bucket

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclasses.dataclass
class Touched:
    """A resource that is asked for: ``name`` as an ARN, or as the event has it. ``how``: in words; ``opened``: calls that may have opened it to everybody;

    ``loosened``: one of them did change that, whatever the rest was before.
    """

    kind: Kind
    target: Target
    name: str
    how: str = ""
    by: set[str] = dataclasses.field(default_factory=set)
    opened: list[str] = dataclasses.field(default_factory=list)
    declared: bool = False
    loosened: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """One for one resource, as far as its name tells."""
        name = short(self.kind.SERVICE, self.name)
        return (self.kind.SERVICE, "" if self.kind.SERVICE == bucket.SERVICE else self.target.account, self.target.region, name)


def short(service: str, name: str) -> str:
    """Its name without what AWS adds: of a secret's ARN the six letters at the end, of a queue's URL the host."""
    found = forms.parse(name)
    plain = found.name if found else name
    if found and service == "secretsmanager":
        plain = re.sub(r"-[A-Za-z0-9]{6}$", "", plain)
    return plain.rsplit("/", 1)[-1] if service == "sqs" else plain.removeprefix("key/")


def touched(events: Iterable[Event], caller: t.Callable[[Event], str], until: str = "") -> list[Touched]:
    """In the order of the events, each once. ``caller``: who made the call; ``until``: the end of the incident's window (RFC 3339)."""
    found: dict[tuple[str, str, str, str], Touched] = {}
    for event in sorted(events, key=lambda e: str(e.get("eventTime"))):
        service = str(event.get("eventSource")).partition(".")[0]
        kind = resources.KINDS.get(service)
        if kind is None or event.get("eventName") not in kind.EVENTS:
            continue
        for account, region, name in _names(kind, event):
            who = caller(event)
            one = Touched(kind, Target("aws", account, region), name, f"{event.get('eventName')} by {who} at {event.get('eventTime')}")
            one = found.setdefault(one.key, one)
            one.by.add(who)
            if (
                kind.SERVICE == bucket.SERVICE
                and event.get("eventName") in bucket.OPENING
                and (not until or str(event.get("eventTime")) <= until)
            ):
                one.opened.append(str(event.get("eventName")))
                one.loosened |= bucket.loosens(event)
    return list(found.values())


def _names(kind: Kind, event: Event) -> Iterable[tuple[str, str, str]]:
    """(account, region, name) of what a call is about: what AWS itself says in ``resources`` first, else what was asked for."""
    account, region = str(event.get("recipientAccountId")), "" if kind.SERVICE == bucket.SERVICE else str(event.get("awsRegion"))
    listed = [r for r in event.get("resources") or [] if isinstance(r, dict)]
    for entry in listed:
        named = forms.parse(str(entry.get("ARN") or ""))
        if named and named.service == kind.SERVICE:
            yield named.account or str(entry.get("accountId") or account), named.region or region, named.arn
            return
    for path in kind.NAMED:
        value = _value(event.get("requestParameters"), path)
        for name in value if isinstance(value, list) else [value]:
            if (
                not isinstance(name, str)
                or not name
                or len(name) > 2048
                or (kind.SERVICE == bucket.SERVICE and not _BUCKET.fullmatch(name))
            ):
                continue
            named = forms.parse(name)
            if named and named.service == kind.SERVICE:
                yield named.account or account, named.region or region, name
            elif kind.SERVICE == "sqs" and (owner := re.search(r"/([0-9]{12})/", name)):
                yield owner[1], region, name
            elif kind.SERVICE == "ecr" and (registry := field(event.get("requestParameters"), "registryId")):
                yield registry, region, name
            else:
                yield account, region, name


def _value(place: t.Any, name: str) -> t.Any:
    items = place.items() if isinstance(place, dict) else ()
    return next((value for key, value in items if str(key).lower() == name.lower()), None)

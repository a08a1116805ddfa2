# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the lineage: a node (an identity or credential in wrong hands), how its events are known, and what one call opened."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import typing as t
from collections.abc import Mapping

Row = Mapping[str, t.Any]
ROGUE, REVIEW = "rogue", "review"
SKEW = dt.timedelta(minutes=5)  # between the clocks of services, and of accounts
# How exactly a match names one credential: of several that hold an event the highest says whose it is.
EXACT, NARROW, WIDE = 3, 2, 1
_DEEPEST = 200_000  # characters of one answer that are read; longer ones are told as not read


@dataclasses.dataclass(frozen=True)
class Match:
    """Which events are a node's: ``handle`` (see ``hits.HANDLES``) equals ``value``, and all that is given beside it holds.

    ``pick``: all | foreign (what comes from the owner's networks is left to the owner) | attacker (only what comes from a network of the attacker) |
    new (in doubt when it was there before ``since``).
    ``through``: somebody in the chain of delegation. ``created_*``: when the session was made.
    """

    handle: str
    value: str
    rank: int = EXACT
    pick: str = "all"
    account: str = ""
    operation: str = ""
    through: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    created_from: dt.datetime | None = None
    created_to: dt.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Watch:
    """Openings of sessions by others that hold ``find`` in their request (the ARN of a role or a provider): whose they are is decided for each.

    ``mode``: made (the attacker made the role), trust (rewrote whom it trusts: ``admitted``), passed (handed it to ``service``), provider (made the
    provider), portal (took the role in Identity Center's portal).
    """

    find: str
    mode: str
    since: dt.datetime
    service: str = ""
    admitted: tuple[str, ...] = ()
    named: str = ""  # what the session is called after


@dataclasses.dataclass
class Node:
    """A row of ``tainted``, and how its events are known."""

    kind: str
    id: str
    arn: str
    cloud: str
    account: str
    since: dt.datetime | None
    verdict: str = ROGUE
    confidence: int = 100
    until: dt.datetime | None = None
    via: str = ""
    parent: str = ""
    evidence: list[str] = dataclasses.field(default_factory=list)
    matches: tuple[Match, ...] = ()
    watches: tuple[Watch, ...] = ()
    latent: bool = False  # in doubt until a call of the attacker's is seen with it
    whole: bool = False  # the identity itself is the attacker's, not a credential of an innocent one

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.id


@dataclasses.dataclass(frozen=True)
class Act:
    """One successful call of a tainted identity that opens something."""

    row: Row
    node: Node
    verdict: str
    confidence: int

    @property
    def time(self) -> dt.datetime:
        return t.cast(dt.datetime, self.row["time"])

    @property
    def account(self) -> str:
        return str(self.row["account"] or self.row["actor_account"] or "")

    def asked(self, *path: str | int) -> t.Any:
        return at(_json(self.row["request"]), *path)

    def answered(self, *path: str | int) -> t.Any:
        return at(_json(self.row["response"]), *path)

    def written(self, *path: str | int) -> t.Any:
        """In the event as it came."""
        return at(_json(self.row["raw"]), *path)


def opened(
    act: Act, kind: str, id: str, arn: str = "", *, account: str = "", sure: int = 100, verdict: str = ROGUE, until: dt.datetime | None = None,
    matches: tuple[Match, ...] = (), watches: tuple[Watch, ...] = (), whole: bool = False, since: dt.datetime | None = None, latent: bool = False,
) -> Node:  # fmt: skip
    """The node that ``act`` opened. It is no surer and no worse than the call was."""
    return Node(
        kind, id, arn, str(act.row["cloud"] or ""), account or act.account, since or act.time,
        ROGUE if verdict == act.verdict == ROGUE else REVIEW, act.confidence * sure // 100, until, str(act.row["operation"]), act.node.id,
        [str(act.row["event_uid"])], matches, watches, latent, whole,
    )  # fmt: skip


def at(place: t.Any, *path: str | int) -> t.Any:
    """The value at ``path``, however its names are capitalised; None where there is none."""
    for part in path:
        if isinstance(part, int):
            place = place[part] if isinstance(place, list) and -len(place) <= part < len(place) else None
        elif isinstance(place, Mapping):
            lower = part.lower()
            place = place[part] if part in place else next((v for k, v in place.items() if str(k).lower() == lower), None)
        else:
            return None
    return place


def text(value: t.Any, longest: int = 2048) -> str:
    """``value`` if it is text (or a number) that may be an id; else nothing."""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value) if len(str(value)) <= longest else ""
    return ""


def items(value: t.Any) -> list[t.Any]:
    """The entries of a list, of one alone, or of CloudTrail's ``{"items": [...]}``."""
    if isinstance(value, Mapping) and isinstance(at(value, "items"), list):
        return list(at(value, "items"))
    return list(value) if isinstance(value, list) else [value] if value else []


def moment(value: t.Any) -> dt.datetime | None:
    """A time as CloudTrail writes it in answers ("Nov 20, 2026, 11:00:00 AM"), RFC 3339 or seconds; None where it is none."""
    said = text(value, 40)
    try:
        if said.replace(".", "", 1).isdigit():
            return dt.datetime.fromtimestamp(float(said), dt.UTC).replace(tzinfo=None)
        if "T" in said:
            read = dt.datetime.fromisoformat(said)
            return read.astimezone(dt.UTC).replace(tzinfo=None) if read.tzinfo else read
        return dt.datetime.strptime(" ".join(said.split()), "%b %d, %Y, %I:%M:%S %p")  # noqa: DTZ007 - UTC, naive as the tables
    except (ValueError, OverflowError, OSError):
        return None


def _json(value: t.Any) -> t.Any:
    return read_json(value) if isinstance(value, str) and len(value) <= _DEEPEST else None


def read_json(text: str) -> t.Any:
    """JSON text of the log; None when it is none, or nested beyond reason. Half a character (a lone surrogate, which no file can hold) becomes ``?``."""
    try:
        value = json.loads(text)
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) if "\\ud" in text.lower() else value
    except (ValueError, RecursionError):
        return None

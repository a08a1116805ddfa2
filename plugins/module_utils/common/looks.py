# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Second looks: when a containment is to be looked at again, and which of these looks have been made. Knows no cloud."""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Mapping, Sequence

AFTER = (datetime.timedelta(minutes=15), datetime.timedelta(minutes=60))  # the last change: audit logs are complete by then
HOLD, LOOK = (
    "hold",
    "look",
)  # kinds of notes: {"share", "since", "due": […]} and {"share", "since", "at"}; share: of a host of many, "" for all
Notes = Mapping[str, Sequence[Mapping[str, t.Any]]]


def due(since: str) -> list[str]:
    """RFC 3339, UTC."""
    return [(datetime.datetime.fromisoformat(since) + after).astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for after in AFTER]


def due_by(notes: Notes, share: str | None, now: str) -> list[tuple[str, str]]:
    """(share, since) of each containment of which a look was due by ``now`` and has not been made; of one ``share``, or of all."""
    latest = {n["data"]["share"]: n["data"]["since"] for n in notes.get(HOLD, ())}
    return [(one, since) for one, since in latest.items() if share in (None, one) and min(outstanding(notes, one), default="~") <= now]


def outstanding(notes: Notes, share: str | None = None) -> list[str]:
    """Due times of the looks that nobody has made yet; of one ``share``, or of all."""
    latest = {n["data"]["share"]: n["data"] for n in notes.get(HOLD, ())}
    made = [n["data"] for n in notes.get(LOOK, ())]
    return sorted(
        moment
        for hold in latest.values()
        if share in (None, hold["share"])
        for moment in hold["due"]
        if not any((m["share"], m["since"]) == (hold["share"], hold["since"]) and m["at"] >= moment for m in made)
    )

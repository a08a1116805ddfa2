# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue interactive sessions (T1648): Spark with a role of its own, for up to 48 hours. AWS does not say who made one, so the log has to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..each import each
from .kind import Event, Live, Suspects, ended, field, states

KIND = "glue_session"
NOUN = "Glue sessions"
ACCESS = "Glue session"
LISTED = False
EVENTS: frozenset[tuple[str, str]] = frozenset({("glue.amazonaws.com", "CreateSession")})
READS: tuple[str, ...] = ("glue:GetSession",)
_RUNNING = ("PROVISIONING", "READY")
_ABSENT = ("EntityNotFoundException",)


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Sessions that the log names and that have not ended."""

    def one(event: Event) -> Iterator[Live]:
        name, principal = field(event.get("requestParameters"), "id"), who.caller(event)
        if not (name and principal) or event.get("errorCode"):
            return
        if reader.read(_probe(target, name)):
            yield Live(target, name, principal.arn, f"Glue session {name} in {target.region}")

    return each(started, one)


def _probe(target: Target, name: str) -> Probe:
    return Probe(Call(target, "glue", "GetSession", {"Id": name}), ("Session", states("Id", name, "Status", _RUNNING), "Id"), _ABSENT)


def steps(live: Live) -> Iterator[Step]:
    """Stopped, with the statement that runs in it."""
    do = Call(live.target, "glue", "StopSession", {"Id": live.id})
    yield ended(live, KIND, do, _probe(live.target, live.id), "a stopped session is made anew, not resumed")

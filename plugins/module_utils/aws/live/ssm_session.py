# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Session Manager sessions (T1651): a shell on an instance goes on when the identity that opened it is denied. Session.Owner says whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import Event, Live, Suspects, ended, named, states

KIND = "ssm_session"
NOUN = "Session Manager sessions"
ACCESS = "SSM session"
LISTED = True
EVENTS: frozenset[tuple[str, str]] = frozenset(
    {("ssm.amazonaws.com", "StartSession"), ("ssm.amazonaws.com", "ResumeSession"), ("ecs.amazonaws.com", "ExecuteCommand")}
)
READS: tuple[str, ...] = ("ssm:DescribeSessions",)
_OPEN = ("Connected", "Connecting", "Disconnected")


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> list[Live]:
    """Open sessions of the suspects. Those of ECS Exec belong to the service's own role, so the log has to tell whose they are."""
    events = list(started)
    logged = {**named(who, events, "sessionId"), **named(who, events, "session", "sessionId")}
    lives = []
    for session in reader.get(Call(target, "ssm", "DescribeSessions", {"State": "Active"})).get("Sessions", []):
        name, status = str(session.get("SessionId")), session.get("Status")
        principal = who.started_by(str(session.get("Owner", ""))) or logged.get(name)
        if principal and status in _OPEN:
            where = f"{session.get('Target', 'an unknown target')} in {target.region}"
            lives.append(Live(target, name, principal.arn, f"SSM session {name} on {where}"))
    return lives


def steps(live: Live) -> Iterator[Step]:
    """Terminated; what was started in it and runs on by itself is for the host's own investigation."""
    one = {"State": "Active", "Filters": [{"key": "SessionId", "value": live.id}]}
    probe = Probe(
        Call(live.target, "ssm", "DescribeSessions", one), ("Sessions", states("SessionId", live.id, "Status", _OPEN), "SessionId")
    )
    do = Call(live.target, "ssm", "TerminateSession", {"SessionId": live.id})
    yield ended(live, KIND, do, probe, "a terminated session cannot be resumed: its owner opens a new one")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Command (T1651): AWS does not say who sent a command, so the log has to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..each import each
from .kind import Event, Live, Suspects, ended, named, states

KIND = "ssm_command"
NOUN = "Run Command commands"
ACCESS = "SSM command"
LISTED = False
EVENTS: frozenset[tuple[str, str]] = frozenset({("ssm.amazonaws.com", "SendCommand")})
READS: tuple[str, ...] = ("ssm:ListCommands",)
_RUNNING = ("Pending", "InProgress", "Delayed")
_ABSENT = ("InvalidCommandId",)


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Commands that the log names and that have not ended."""
    logged = named(who, started, "command", "commandId")

    def one(name: str) -> Iterator[Live]:
        for command in reader.read(Probe(Call(target, "ssm", "ListCommands", {"CommandId": name}), ("Commands",), _ABSENT)) or ():
            if command.get("Status") in _RUNNING:
                text = f"SSM command {name} ({command.get('DocumentName', '?')}) in {target.region}"
                yield Live(target, name, logged[name].arn, text)

    return each(logged, one)


def steps(live: Live) -> Iterator[Step]:
    """Cancelled: what has not been delivered is not run; a process that runs already may go on."""
    probe = Probe(
        Call(live.target, "ssm", "ListCommands", {"CommandId": live.id}),
        ("Commands", states("CommandId", live.id, "Status", _RUNNING), "CommandId"),
        _ABSENT,
    )
    yield ended(
        live,
        KIND,
        Call(live.target, "ssm", "CancelCommand", {"CommandId": live.id}),
        probe,
        "a cancelled command is sent anew, not resumed",
    )

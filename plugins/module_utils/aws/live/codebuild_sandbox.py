# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CodeBuild sandboxes (T1648): a machine with its project's role that takes commands for up to 8 hours. AWS does not say who started one, so the log has to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..principal import Principal
from .kind import Event, Live, Suspects, ended, field, named, states

KIND = "codebuild_sandbox"
NOUN = "CodeBuild sandboxes"
ACCESS = "CodeBuild sandbox"
LISTED = False
_STARTED = "StartSandbox"
_USED = ("StartCommandExecution", "StartSandboxConnection")
EVENTS: frozenset[tuple[str, str]] = frozenset(("codebuild.amazonaws.com", name) for name in (_STARTED, *_USED))
READS: tuple[str, ...] = ("codebuild:BatchGetSandboxes",)
_ENDED = ("SUCCEEDED", "FAILED", "FAULT", "TIMED_OUT", "STOPPED")
_RUNNING = ("QUEUED", "SUBMITTED", "PENDING", "PROVISIONING", "STARTING", "IN_PROGRESS", "RUNNING")  # AWS lists them nowhere


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Sandboxes that a suspect started, and those of others in which one is at work: a command or a connection cannot be ended without the sandbox."""
    events = list(started)
    mine = named(who, [e for e in events if e.get("eventName") == _STARTED], "sandbox", "id")
    theirs: dict[str, Principal] = {}
    for event in events:
        name, principal = field(event.get("requestParameters"), "sandboxId"), who.caller(event)
        if event.get("eventName") in _USED and name and principal and name not in mine:
            theirs[name] = principal
    names = sorted({*mine, *theirs})
    for start in range(0, len(names), 100):
        asked = {"ids": names[start : start + 100]}
        for sandbox in reader.get(Call(target, "codebuild", "BatchGetSandboxes", asked)).get("sandboxes", []):
            name, status = str(sandbox.get("id")), str(sandbox.get("status"))
            if status in _ENDED or name not in names:
                continue
            text = f"sandbox {name} in {target.region}"
            if name in mine:
                yield Live(target, name, mine[name].arn, text, {"status": status})
            else:
                why = "somebody else started it, and no command or connection in it is ended by itself: aws codebuild stop-sandbox, if they agree"
                yield Live(target, name, theirs[name].arn, text, why=why)


def steps(live: Live) -> Iterator[Step]:
    """Stopped, with the commands and connections in it."""
    running = sorted({*_RUNNING, live.data.get("status", _RUNNING[0])})
    probe = Probe(
        Call(live.target, "codebuild", "BatchGetSandboxes", {"ids": [live.id]}),
        ("sandboxes", states("id", live.id, "status", running), "id"),
    )
    yield ended(live, KIND, Call(live.target, "codebuild", "StopSandbox", {"id": live.id}), probe, "a stopped sandbox is started anew")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo from the ledger, three-way: what the incident found first, what we wrote, and what is there now. Knows no cloud."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping

from . import plan
from .errors import EvictError
from .plan import Phase, Ref, Step
from .reader import Reader

PREFIX = "undo:"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What becomes of one change: ``step`` undoes it, or ``why`` (kind: due | kept | conflict | irreversible | unknown) says why it stays.

    ``due`` (RFC 3339): when it may be undone.
    """

    resource: str
    principal: str
    step: Step | None = None
    kind: str = ""
    why: str = ""
    due: str | None = None

    def row(self) -> dict[str, t.Any]:
        return {"object": self.resource, "kind": self.kind, "why": self.why, "due": self.due}


def standing(history: Mapping[str, Mapping[str, t.Any]]) -> list[tuple[Step, Step]]:
    """(first, latest) of each change that was made and not undone since, in the reverse order of their making.

    Of a creation, the probe of both looks for the one id that was made.
    """
    found = []
    answers = {name: plan.Kept(entry["answered"]["answer"]) for name, entry in history.items() if entry.get("answered")}
    for name, entry in history.items():
        made = entry.get("made")
        if name.startswith(PREFIX) or entry.get("step") is None or not made:
            continue
        undo = history.get(PREFIX + name) or {}
        undone = (undo.get("made") or {}).get("status") == "done"
        if undone and undo["places"]["made"] > entry["places"]["made"]:
            continue
        first, latest = plan.decode(entry["first"]), plan.decode(made["step"] or entry["step"])
        if isinstance(latest.owns, Ref):
            identity = plan.Kept((entry.get("answered") or {}).get("answer", ())).get(latest.owns.path)
            probe = dataclasses.replace(latest.probe, path=(*latest.probe.path, {"": identity}))
            first = latest = dataclasses.replace(latest, before=None, after=identity, probe=probe)
        elif all(ref.step in answers for ref in plan.refs(latest.after)):
            latest = dataclasses.replace(latest, after=plan.resolve(latest.after, answers))
        found.append((entry["places"]["made"], first, latest))
    found.sort(key=lambda row: row[0], reverse=True)
    return [(first, latest) for _place, first, latest in found]


def released(history: Mapping[str, Mapping[str, t.Any]]) -> set[str]:
    """Principals of which something was fenced, and no fence stands any more: a release has given them back."""
    fenced = {plan.decode(e["step"]).principal for n, e in history.items() if not n.startswith(PREFIX) and e.get("made") and _is_fence(e)}
    return fenced - {latest.principal for _first, latest in standing(history) if latest.phase == Phase.FENCE}


def _is_fence(entry: Mapping[str, t.Any]) -> bool:
    return bool(entry.get("step")) and plan.decode(entry["step"]).phase == Phase.FENCE


def judge(first: Step, latest: Step, reader: Reader, keep: Callable[[Step], tuple[str, str, str | None] | None]) -> Verdict | None:
    """The verdict on one change; None when what was first there is there again. ``keep`` -> (kind, why, due) when a rule of the cloud keeps it."""
    if latest.probe is None:
        return Verdict(latest.resource, latest.principal, kind="unknown", why="nothing tells what is there now")
    try:
        now = reader.read(latest.probe)
    except EvictError as error:
        return Verdict(latest.resource, latest.principal, kind="unknown", why=error.message)
    if now == first.before:
        return None
    if kept := keep(latest):
        return Verdict(latest.resource, latest.principal, kind=kept[0], why=kept[1], due=kept[2])
    if latest.irreversible:
        return Verdict(latest.resource, latest.principal, kind="irreversible", why=latest.irreversible)
    if now != latest.after:
        return Verdict(latest.resource, latest.principal, kind="conflict", why="somebody has changed it since; look at it by hand")
    step = dataclasses.replace(
        first, id=PREFIX + first.id, before=now, after=first.before, do=first.undo, undo=first.do, needs=(), owns=None,
        action=f"undo: {latest.action}", irreversible="", expires=None, undoes=first.id, probe=first.probe,
    )  # fmt: skip
    return Verdict(latest.resource, latest.principal, step=step)

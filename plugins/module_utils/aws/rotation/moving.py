# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of a machine: moving one place to its end, waiting for what works with it, and the way back."""

from __future__ import annotations

import dataclasses
import datetime
import time
import typing as t

from ...common import credential_text, plan
from ...common.errors import EvictError
from ...common.plan import Edit, Secret, Step
from ...common.reader import Reader
from .. import targets
from ..session import iso
from . import revoking

if t.TYPE_CHECKING:
    from .course import Course

PARTS = 20  # of one place, one after the other: an environment, and each version that aliases lead to
SECONDS, POLL = 600.0, 3.0  # for which a place is waited for, if it does not say; between two looks
_MOVED = ("old", "half", "moving")  # states of a place that is not through


def move(machine: Course, place: targets.Place) -> bool:
    """The Steps of one place, until it shows the new key and all that works with it has it. Whether there was anything to do."""
    kind, moved = targets.KINDS[place.kind], False
    made: list[str] = []  # ids of what this run has carried out
    for _part in range(PARTS):
        state = machine.state_of(place)
        if state not in _MOVED:
            break
        moved = True
        this = _change(machine, place, written=state == "moving")

        def make(reader: Reader, change: targets.Change = this, done: tuple[str, ...] = tuple(made)) -> list[Step]:
            steps = list(targets.steps(kind, place, change, reader))
            again = [s for s in steps if s.id in done and not s.true]
            if again:
                raise EvictError(f"{again[0].resource}: it was changed, and is what it was before again{_why(kind, place, change.new, reader)}",
                                 object=place.text, operation="rotate")  # fmt: skip
            return steps

        before = machine.runner.carried_out
        planned = machine.carry_out(make)
        made += [s.id for s in planned if machine.runner.done[s.id].status == "done"]
        if machine.runner.check:
            break
        if state == "moving" and machine.runner.carried_out == before:
            _settle(machine, place)
    return moved


def _why(kind: targets.Kind, place: targets.Place, new: str, reader: Reader) -> str:
    try:
        targets.behind(kind, place, new, reader)
    except EvictError as error:
        return f": {error.message}"
    return ""


def _change(machine: Course, place: targets.Place, written: bool = False) -> targets.Change:
    old = next((k for k in (machine.old, *sorted(machine.also)) if machine.holds(place, k)), machine.old)
    if not written and not machine.remembered.get(old) and (found := secret(machine, old)):
        machine.remembered[old] = found
    now = machine.aws.now()
    limit = (machine.deadline() or now) + datetime.timedelta(seconds=machine.options.soak + 86400.0)
    kept = hasattr(targets.KINDS[place.kind], "kept") or bool(secret(machine, old, place))
    return dataclasses.replace(
        machine.change(), old=old, staged=not machine.runner.check, written=written, kept=kept,
        incident=machine.case.incident.id, now=iso(now), until=iso(limit),
    )  # fmt: skip


def secret(machine: Course, key: str, but: targets.Place | None = None) -> str:
    """The secret of ``key`` out of a place that has it, or keeps it of before, or as this run has seen it; it stays in memory.

    ``but``: whether it will be there later on, too: in another place that keeps what was before.
    """
    for place in machine.places:
        kind = targets.KINDS[place.kind]
        keeps = getattr(kind, "kept", None)
        if getattr(kind, "OPAQUE", False) or (but is not None and (place == but or not keeps)):
            continue
        try:
            found = next(
                (s for v in targets.values(kind, place, machine.reader) if v is not None and (s := credential_text.secret_of(v, key))), ""
            )
            found = found or (str(keeps(place, key, machine.reader)) if keeps and not place.half else "")
        except EvictError:
            continue
        if found:
            return found
    return machine.remembered.get(key, "") if but is None else ""


def _settle(machine: Course, place: targets.Place) -> None:
    """Until nothing works with the older value; stops the rotation when that takes too long, or has failed."""
    kind, limit = targets.KINDS[place.kind], float(place.spec.get("seconds") or SECONDS)
    end = time.monotonic() + limit
    while True:
        try:
            said = targets.behind(kind, place, machine.new, machine.reader)
        except EvictError as error:
            remedy = "see why, then run again" + ("" if machine.cut else "; the old key was not touched")
            machine.runner.fail(EvictError(error.message, object=place.text, operation="rotate", remedy=remedy))
            machine.wait_for(f"{place.text} does not work with the new key")
        if not said:
            return
        last = machine.deadline()
        if last and not machine.cut and machine.aws.now() >= last:
            machine.run_of.warn(f"the deadline of {machine.old} came while {place.text} was waited for: {machine.fall}")
            machine.mode = "emergency"
            revoking.disable(machine)
            machine.wait_for(f"{place.text}: {said}; run again to go on")
        if time.monotonic() > end:
            machine.wait_for(f"{place.text}: {said} after {limit:.0f} s of waiting; run again to go on")
        time.sleep(min(POLL, limit))


def _made(machine: Course, place: targets.Place) -> list[Step]:
    """The Steps of a place that were carried out and can be taken back, the last one first."""
    own = machine.change().step_id(place)
    made = [
        e["made"]["step"] or e["step"]
        for i, e in machine.case.history.items()
        if (i == own or i.startswith(f"{own}!")) and machine.is_made(i)
    ]
    return [step for step in map(plan.decode, reversed(made)) if step.undo]


def roll_back(machine: Course, place: targets.Place) -> str:
    """The Steps of one place, backwards; of one half, those of all halves, since one without the other works for nobody. Why that could not be."""
    mine = [p for p in reversed(machine.places) if p.half] if place.half else [place]
    if why := next((why for p in mine if (why := stays(machine, p))), ""):
        return why
    for one in mine:
        take_back(machine, one)
    return ""


def stays(machine: Course, place: targets.Place) -> str:
    """Why a place cannot be taken back, "" when it can: asked of all halves before one is. Stops the rotation when somebody has changed it since."""
    for step in _made(machine, place):
        if not machine.runner.shows(step, machine.reader):
            machine.refuse(f"{place.text}: somebody has changed it since, so it was not given the old key back", "see to it by hand; the old key still works",
                           f"{place.text} does not work with the new key; the old one was not touched")  # fmt: skip
        if why := _remember(machine, step):
            return step.irreversible or why
    return ""


def take_back(machine: Course, place: targets.Place) -> None:
    """The Steps of a place backwards."""
    kind = targets.KINDS[place.kind]
    more = getattr(kind, "taken_back", None)
    for step in _made(machine, place):
        undone = getattr(kind, "undone", lambda s: s.before)
        back = dataclasses.replace(step, id=f"undo:{step.id}", before=step.after, after=undone(step), do=step.undo, undo=step.do, needs=(),
                                   action=f"undo: {step.action}", undoes=step.id, irreversible="")  # fmt: skip
        machine.carry_out(lambda _r, b=back: [b])  # type: ignore[misc]
    change = _change(machine, place, written=True)
    if more:
        machine.carry_out(lambda reader: more(place, change, reader))
    if targets.restarts(place):
        machine.carry_out(lambda reader: targets.restarted(kind, place, change, reader))


def _remember(machine: Course, step: Step) -> str:
    """The secret that goes back, in memory; why there is none."""
    for action in step.undo:
        given = action.arguments if isinstance(action, Edit) else action.parameters
        if any(isinstance(ref, Secret) and ref == targets.back_of(step.id) for ref in plan.refs(action)):
            found = secret(machine, str(given["new"]))
            if not found:
                return f"no dependent keeps the secret of {given['new']} any more"
            machine.runner.remember(targets.back_of(step.id).step, {"Secret": found})
    return ""


def tidy(machine: Course) -> None:
    """What places without versions kept for the way back, when the old key is off."""
    for place in machine.places:
        if remove := getattr(targets.KINDS[place.kind], "tidy", None):
            for key in sorted(machine.compromised):
                change = dataclasses.replace(machine.change(), old=key)
                machine.carry_out(lambda reader, p=place, c=change, r=remove: r(p, c, reader))  # type: ignore[misc]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of a place that does not work with the new key."""

from __future__ import annotations

import dataclasses

from ...common import plan as plans
from .. import targets
from .course import Course


def roll_back(c: Course, place: targets.Place) -> None:
    """The Steps of one place, backwards; of one half, those of all halves, since one without the other works for nobody."""
    for mine in [p for p in reversed(c.places) if p.half] if place.half else [place]:
        _take_back(c, mine)


def _take_back(c: Course, place: targets.Place) -> None:
    kind, own = targets.KINDS[place.kind], c.change().step_id(place)
    made = [e["made"]["step"] or e["step"] for i, e in c.case.history.items() if (i == own or i.startswith(f"{own}!")) and c.is_made(i)]
    for step in [s for s in map(plans.decode, reversed(made)) if s.undo]:
        if not c.runner.shows(step, c.reader):
            c.refuse(f"{place.text}: somebody has changed it since, so it was not given the old key back", "see to it by hand; the old key still works",
                     f"{place.text} does not work with the new key; the old one was not touched")  # fmt: skip
        for name, answer in (kind.back(place, step, c.reader) if hasattr(kind, "back") else {}).items():
            c.runner.remember(name, answer)
        undone = getattr(kind, "undone", lambda s: s.before)
        back = dataclasses.replace(step, id=f"undo:{step.id}", before=step.after, after=undone(step), do=step.undo, undo=step.do, needs=(),
                                   action=f"undo: {step.action}", undoes=step.id, irreversible="")  # fmt: skip
        c.carry_out(lambda _r, b=back: [b])  # type: ignore[misc]

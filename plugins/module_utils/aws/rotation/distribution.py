# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dependents get the new key, one after the other, so that a stop leaves as few as may be in between."""

from __future__ import annotations

import dataclasses

from .. import targets
from . import proving, readers
from .course import Course

_PARTS = 20  # of one place, one after the other: an environment, and each version that aliases lead to


def distribute(c: Course) -> None:
    """STORED with the first place, DISTRIBUTED with the last; one after the other, so that a stop leaves as few as may be in between."""
    change, moved = c.change(), False
    if any(c.shown.get(p.id) != "new" for p in c.places):
        readers.settle(c)
        proving.ready(c)
    for number, place in enumerate(c.places):
        for _part in range(_PARTS):
            if c.state_of(place) not in ("old", "half"):
                break
            moved = True
            old = next((k for k in (c.old, *sorted(c.also)) if c.holds(place, k)), c.old)
            this = dataclasses.replace(change, old=old, staged=not c.runner.check)
            c.carry_out(lambda reader, p=place, c=this: targets.KINDS[p.kind].steps(p, c, reader))  # type: ignore[misc]
            if c.runner.check:
                break
        if number == 0:
            c.reach("STORED")
    c.reach("DISTRIBUTED", again=moved, places=[p.id for p in c.places])

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dependents get the new key, one after the other, so that a stop leaves as few as may be in between."""

from __future__ import annotations

from . import moving, proving, readers
from .course import Course


def distribute(c: Course) -> None:
    """STORED with the first place, DISTRIBUTED with the last; one after the other, so that a stop leaves as few as may be in between."""
    moved = False
    if any(c.shown.get(p.id) != "new" for p in c.places):
        readers.settle(c)
        proving.ready(c)
    for number, place in enumerate(c.places):
        moved = moving.move(c, place) or moved
        if number == 0:
            c.reach("STORED")
    c.reach("DISTRIBUTED", again=moved, places=[p.id for p in c.places])

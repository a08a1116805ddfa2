# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rotation of one user's key: from a free slot to the deletion of the old one, resumed from the ledger and from what is there.

The stages, each in a file of its own: ``decision``, ``clamping``, ``minting``, ``distribution``, ``proving``, ``rollback``, ``revoking``; what they share
is ``course``. The secret of the new key lives in memory. A new key is made anew only while no place holds the one before.
"""

from __future__ import annotations

import typing as t

from ..session import iso
from . import clamping, decision, distribution, minting, proving, readers, revoking
from .course import Course, Stop
from .options import STATES


class Machine(Course):
    """``begin``, ``ready``, then ``go_on`` as far as it can. ``row`` is its line of the result, ``open`` what it waits for."""

    _found: dict[str, str]

    def begin(self) -> bool:
        """What comes before anything else: the mode, and in an emergency the end of the old key. Whether there is more to do."""
        try:
            keys = self.keys()
            if not self.new and self.old not in keys:
                self.wait_for("is not there any more, and this case has not rotated it")
            found = {place.id: self.state_of(place) for place in self.places}
            if self.reached("OLD_DELETED") and not self.compromised & set(keys):
                return False
            clamping.at_once(self)
            self.mode = decision.mode(self)
            if self.cut:  # before anything may stop it
                revoking.disable(self)
            elif self.mode == "bridge":
                clamping.can_bridge(self)
            self._found = found
        except Stop:
            return False
        return True

    def ready(self) -> bool:
        """The plan, and the bridge. Whether there is more to do."""
        try:
            decision.plan(self, self.keys(), self._found)
            if self.mode == "bridge" and not self.cut:
                clamping.clamp(self)
        except Stop:
            return False
        return True

    def go_on(self) -> None:
        """The rest, as far as it goes."""
        try:
            if not self.alone:  # whether the bridges of the others stand
                decision.stop_if(self, readers.guard(self, self._found, ahead=False))
            minting.mint_key(self)
            distribution.distribute(self)
            proving.verify(self)
            proving.healthy(self)
            if not self.cut:
                revoking.quiescent(self)
                proving.prove(self)
                revoking.disable(self)
            revoking.soak(self)
            revoking.delete(self)
        except Stop:
            pass

    def row(self) -> dict[str, t.Any]:
        """{user, old, new, mode, state, deadline, places: [{place, state}]}, without a secret."""
        reached = {n["state"] for n in self.notes()} | set(self.states)
        state = next((s for s in reversed(STATES) if s in reached), "")
        limit = self.deadline() if "OLD_DISABLED" not in reached else None
        shown = [{"place": p.text, "state": self.shown.get(p.id, "")} for p in self.places]
        return {
            "user": self.user.arn,
            "old": self.old,
            "new": self.new,
            "mode": self.mode,
            "state": state,
            "deadline": iso(limit) if limit else None,
            "places": shown,
        }

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The standing fence in use: the tag on each principal to which everything is denied, and whether an account's fence is trusted.

Trusted means that in this case a live session in the account was seen denied by it, see ``canary``; until then the tag is set and nothing is said of it.
Where nothing else stands above the account, each run sends a canary of its own: somebody may have detached the fence since.
"""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Callable, Iterator

from ..common.plan import Phase, Step
from ..common.reader import Reader
from ..common.run import STANDS, Done
from . import shared_tag, standing_fence
from .canary import Canary
from .principal import Principal
from .session import iso

if t.TYPE_CHECKING:
    from .respond import Response

CONTROL = f"tag:{standing_fence.TAG}"
BESIDE = t.cast(Phase, int(Phase.FENCE) + 2)  # behind every identity fence that waits, before snapshots


def mark(principal: Principal, incident: str, reader: Reader) -> Iterator[Step]:
    yield shared_tag.add(principal, standing_fence.TAG, incident, reader, "tag: the standing fence denies everything")


class TagFences:
    """One run's."""

    def __init__(
        self,
        run: Response,
        *,
        again: bool = False,
        alone: Callable[[str], bool] = lambda _account: False,
        lost: Callable[[str], None] = lambda _account: None,
    ) -> None:
        self.run, self._again = run, again  # send a canary where an earlier one was not denied
        self._alone, self._lost = alone, lost  # whether nothing else stands above an account; told when its fence is not trusted any more
        self.why: dict[str, str] = {}  # account -> why its fence is not trusted, as this run found out
        self._lock = threading.Lock()
        self._looked: set[str] = set()

    def id(self, principal: Principal) -> str:
        return shared_tag.step_id(principal.arn, standing_fence.TAG)

    def steps(self, principal: Principal, reader: Reader) -> Iterator[Step]:
        """For a principal to which everything is denied."""
        self.look(principal.account)
        yield from mark(principal, self.run.incident.id, reader)

    def look(self, account: str, *, anew: bool = False) -> None:
        """Send a canary: once in a case, and once in each run where the tags alone hold; ``anew``: whatever an earlier one has shown."""
        with self._lock:
            if account in self._looked:
                return
            self._looked.add(account)
        canary = Canary(self.run, account, lambda denied, why: self._told(account, denied, why))
        trusted, asked = self.trusted(account), bool(self._notes(account))
        if not anew and (not self._alone(account) if trusted else asked and not self._again):
            canary.clean()
        else:
            canary.start()

    def _told(self, account: str, denied: bool, why: str) -> None:
        self.why[account] = why
        if not self.run.runner.check:
            self.run.case.note("canary", {"account": account, "denied": denied, "why": why, "at": iso(self.run.aws.now())})
            self.run.case.ledger.flush()
            if not denied:
                self._lost(account)

    def trusted(self, account: str) -> bool:
        notes = self._notes(account)
        return bool(notes and notes[-1]["denied"])

    def _notes(self, account: str) -> list[dict[str, t.Any]]:
        return [n["data"] for n in self.run.case.notes("canary") if n["data"]["account"] == account]

    def done_of(self, principal: Principal) -> Done | None:
        """The tag, where it stands and holds."""
        done = self.run.runner.done.get(self.id(principal))
        return done if done and done.status in STANDS and self.trusted(principal.account) else None

    def row(self, account: str) -> dict[str, t.Any]:
        """What an account's row of ``fences`` says of it."""
        if self.trusted(account):
            at = f"at {seen} " if (seen := self._notes(account)[-1].get("at")) else ""
            return {
                "standing": "canary",
                "standing_why": f"{at}a live session in the account was refused the calls that lift it, and denied by it; of users' keys nothing more is shown",
            }
        earlier = [str(note["why"]) for note in self._notes(account)]
        return {"standing": "unknown", "standing_why": self.why.get(account) or (earlier or ["no canary was sent"])[-1]}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other runs of a case say that began or went on after this one had read its ledger: who they are, for how long they freeze an account's IAM, and which

policies they have made. The ledger is asked, never a policy: under our names somebody else may have written one, and whoever is exempt in it would be let in.
So an exemption lasts as long as the case has it noted and somebody is held, and a freeze as long as its run needs it, at most until the end that it was given.
"""

from __future__ import annotations

import threading
import time
import typing as t

from ..common import plan
from ..common.errors import EvictError
from ..common.ledger_read import Chains, read_chains
from .organization import ID
from .responders import NOTE, Noted
from .session import iso

if t.TYPE_CHECKING:
    from .respond import Response

FREEZE = "freeze"  # {"account", "until"}: nobody but the exempt writes in its IAM until then; "": the run does not need that any more


class Beside:
    """One run's view of the others. Reads the store only when it is told to ``look``."""

    def __init__(self, run: Response) -> None:
        self._run, self._case = run, run.case
        self._state = run.case.ledger.state
        self._chains: Chains | None = None
        self._began = 0.0  # when the last look at the store was begun
        self._lock, self._looking = threading.Lock(), threading.Lock()
        self._frozen: dict[str, str] = {}  # account -> until when, by this run

    def look(self) -> None:
        """Read what is new in the ledger; accounts that are planned side by side share it. What cannot be read is as it was."""
        asked = time.monotonic()
        with self._looking:
            if self._began > asked:
                return
            began = time.monotonic()
            try:
                if self._chains:
                    self._chains.catch_up(self._case.store)
                else:
                    self._chains = read_chains(self._case.store)
            except EvictError:
                return
            self._state, self._began = self._chains.state, began

    def responders(self) -> list[Noted]:
        """Who works on the case, of all accounts; see ``responders.exempt``."""
        return [*self._case.notes(NOTE), *self._state.notes.get(NOTE, ())]

    def made(self, step: str) -> str | None:
        """The id of the policy that another run has made as that Step; looks, since whoever asks has seen it."""
        self.look()
        answered = self._state.steps.get(step, {}).get("answered")
        found = plan.dig(plan.Kept(answered["answer"]), ID) if answered else None
        return str(found) if found else None

    def freeze(self, account: str, until: str) -> None:
        """Note for how long this run freezes an account; "": not any more. Durable before any Step that comes after it."""
        with self._lock:
            if self._case.check or self._frozen.get(account, "") == until:
                return
            self._frozen[account] = until
        self._case.note(FREEZE, {"account": account, "until": until})

    def thaw(self) -> None:
        for account in list(self._frozen):
            self.freeze(account, "")

    def until(self, account: str) -> str:
        """For how long other runs freeze that account (RFC 3339); "" when none does. A run that has ended does not, whatever it has left."""
        ended = {run for run, about in self._state.runs.items() if about["status"] is not None} | {self._case.ledger.run}
        last = {n["run"]: n["data"]["until"] for n in self._state.notes.get(FREEZE, ()) if n["data"]["account"] == account}
        now = iso(self._run.aws.now())
        return max((until for run, until in last.items() if run not in ended and until > now), default="")

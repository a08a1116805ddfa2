# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of the responder's own role. Whoever sits behind it is exempt from every fence, and opens new sessions faster than they can be named.

So when somebody works against the containment, and suspects had sessions of that role, it is not said who has to leave but who may stay.
"""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Iterator

from ..common import plan
from ..common.chain import Job
from ..common.guard import identity
from ..common.plan import Phase
from ..common.run import STANDS
from . import own, policy, sessions
from .principal import Principal
from .session import iso, parse

if t.TYPE_CHECKING:
    from .contain import Containment


class Door:
    """One run's."""

    def __init__(self, run: Containment) -> None:
        self.run = run

    def shut_all(self) -> None:
        """At once, behind whoever works against the containment."""
        for role in list(self.run.findings.spared.values()):
            role.inline = None  # the listing is from before our own policies
            self.run.runner.add(role.arn, role.account, self.shut(role))
        self.run.runner.wait()

    def shut(self, role: Principal) -> Iterator[Job]:
        """All sessions of ``role`` from before ``Hold.until`` but the responder's; nothing while nobody fights, or for a role that is not its own."""
        until = self.run.hold.until
        if until is None or not (names := own.names(self.run.aws, role.arn)):
            return
        self.run.warn(
            f"the suspects had sessions of {role.arn}, under which the response works: all but {', '.join(names)} that were opened before {iso(until)} are"
            " denied; whoever else works there opens a new one after that"
        )
        yield Job(Phase.FENCE, lambda r: sessions.revoke_others(role, self.run.incident, until, names, r))

    def shut_until(self, role: str) -> str:
        """Sessions of ``role`` (ARN) from before then (RFC 3339) need not be named any more; "" where the door was not shut."""
        if done := self.run.runner.done.get(self._step(role, "session")):
            return policy.cutoff_of(done.step.after)
        entry = self.run.case.history.get(self._step(role, "session"))
        return policy.cutoff_of(plan.decode(entry["step"]).after) if entry and entry.get("made") and entry.get("step") else ""

    def _step(self, role: str, purpose: str) -> str:
        return f"{role}#policy/{self.run.incident.policy_name(purpose)}"

    def closed_since(self, source: str) -> datetime.datetime | None:
        """When the suspects' sessions of a role that is not cut (its ARN, or a session's) were denied last; None for any other, or where they are not."""
        role = next((arn for arn in list(self.run.findings.spared) if identity(arn) == identity(source)), "")
        times = []
        for purpose in ("userid", "session") if role else ():
            done, past = self.run.runner.done.get(self._step(role, purpose)), self.run.case.history.get(self._step(role, purpose)) or {}
            if done and done.status not in STANDS:
                return None
            if at := (done.at if done and done.status == "done" else past.get("made") and (past.get("outcome") or {}).get("at")):
                times.append(parse(at))
        return max(times, default=None)

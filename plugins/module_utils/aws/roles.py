# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a role that is suspect: denied, clamped, revoked or one session of it, by rule, and what follows from the decision."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import threading
import typing as t
from collections.abc import Iterable

from ..common.chain import Job
from ..common.errors import Refused
from ..common.guard import identity
from ..common.plan import Phase, Step
from ..common.reader import Reader
from . import claims, quarantine, sharing, snapshot, space
from .principal import Principal

if t.TYPE_CHECKING:
    from .contain import Containment


class Roles:
    """Of one containment. ``actions``: what was decided, {identity: RoleAction}."""

    def __init__(self, run: Containment) -> None:
        self._run = run
        self._lock = threading.Lock()
        self.actions: dict[str, quarantine.RoleAction] = {}

    def jobs(self, principal: Principal) -> Iterable[Job]:
        """All that is to be done to a role now."""
        action = self._decide(principal)
        yield self.fence_job(principal, action.action)
        if principal.planted:
            yield self._run.mend_job(principal.arn, principal)
        yield from snapshot.jobs(principal, self._run.case, self._run.options.kinds)
        if action.action in ("revoke", "deny"):
            # At once, so that live sessions end in seconds; again in the second pass, when the path to a new one is closed.
            yield Job(Phase.FENCE, lambda r: self._run.revoke(principal, r, self._run.aws.now()))

    def fence_job(self, role: Principal, action: str) -> Job:
        """To deny, clamp, or hold one session, as ``action`` says."""
        return Job(Phase.FENCE, lambda r: self._fence(role, action, r))

    def _fence(self, role: Principal, action: str, reader: Reader) -> Iterable[Step]:
        if action == "deny" and (self._noted(role) or {}).get("action") != "deny":  # what stands already is not asked about again
            decided = self.actions[identity(role.arn)]
            try:
                others = self._run.may_deny(role, asked=self._run.incident.role_action == "deny", look=bool(self._run.scope))
                decided = dataclasses.replace(decided, breaks=(*decided.breaks, *(f"session of {who}" for who in others)))
            except Refused as error:  # the next best control comes with it anyway: its sessions are revoked
                self._run.refuse(error, role.arn)
                decided, action = dataclasses.replace(decided, action="revoke", why=error.message), "revoke"
            self._note(role, decided)
            self._run.announce(role)
        steps = quarantine.fence_role(role, self._run.incident, action, self._run.moving.networks, self._run.aws.now(), reader)
        return space.fitting(role, steps, reader, self._run.runner)

    def _noted(self, role: Principal) -> dict[str, t.Any] | None:
        """The latest decision, for what the incident file asks now."""
        key, wanted = identity(role.arn), self._wanted(role)
        noted = reversed([n["data"] for n in self._run.case.notes("role_action")])
        return next((data for data in noted if (data["role"], data["wanted"]) == (key, wanted)), None)

    def _note(self, role: Principal, action: quarantine.RoleAction) -> None:
        with self._lock:
            self.actions[identity(role.arn)] = action
            if (self._noted(role) or {}).get("action") != action.action:
                about = {"role": identity(role.arn), "wanted": self._wanted(role)}
                self._run.case.note("role_action", {**about, **dataclasses.asdict(action)})

    def _decide(self, principal: Principal, *, settled: bool = False, others: list[str] | None = None) -> quarantine.RoleAction:
        """By rule; a decision of an earlier run stands, so that a second run changes nothing, unless the incident file asks for another.

        ``settled``: the sources are fenced and the logs are read; before that, what can be done at once is done.
        """
        wanted, before = self._wanted(principal), self._noted(principal)
        refused = before and wanted == "deny" != before["action"]  # by a guard: perhaps it is lifted now
        if before and not (refused or settled or self._run.options.revoke_again):
            action = quarantine.RoleAction(before["action"], before["why"], tuple(before["breaks"]))
        elif principal.forced and wanted == principal.forced != self._run.incident.role_action:
            action = quarantine.RoleAction(principal.forced, principal.discovered)
        elif instead := self._run.moving.role_action(principal):
            action = quarantine.RoleAction(instead, "the dependents of its source may hold sessions of it, and work on")
        else:
            via, now = claims.open_paths(self._run, principal) if settled else [], self._run.aws.now()
            action = quarantine.decide(principal, wanted=wanted, networks=self._run.moving.networks, others=others, now=now, open_paths=via)
        if action.action == "deny":
            self.actions[identity(principal.arn)] = action  # noted when the guards have passed it
        else:
            self._note(principal, action)
        return action

    def _wanted(self, role: Principal) -> str:
        return (
            self._run.moving.role_action(role)
            or (role.forced if self._run.incident.role_action == "auto" else "")
            or self._run.incident.role_action
        )

    def settle(self) -> None:
        """With the sources fenced and the logs read, the first decision on a role may become another; once for each."""
        settled = {n["data"]["role"] for n in self._run.case.notes("role_settled") if n["data"]["wanted"] == self._run.incident.role_action}
        roles = [p for p in self._run.principals.values() if p.kind == "role" and identity(p.arn) not in settled and not p.forced]
        if roles:
            with concurrent.futures.ThreadPoolExecutor(len(roles)) as pool:
                list(pool.map(self._settle, roles))
        self._run.runner.wait()

    def _settle(self, principal: Principal) -> None:
        wanted, key = self._run.incident.role_action, identity(principal.arn)
        others = sharing.others(self._run, principal) if wanted != "deny" and self._run.scope else None
        if wanted == "deny" or (wanted != "session" and others is None):
            return  # looked at before the deny, or nothing is known that was not known before
        before, principal.inline = self.actions[key], None  # the listing is from before our own policies
        action = self._decide(principal, settled=True, others=others)
        self._run.case.note("role_settled", {"role": key, "wanted": wanted, "action": action.action})
        if action != before:
            self._run.announce(principal)
        if action.action != before.action:
            jobs = [self.fence_job(principal, action.action)]
            if action.action in ("deny", "revoke"):
                jobs.append(Job(Phase.SESSION, lambda r: self._run.revoke(principal, r, self._run.aws.now())))
            self._run.runner.add(principal.arn, principal.account, jobs)

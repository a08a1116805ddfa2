# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a call was the attacker's: by whom it was made, with which key, in which session.

Whoever is denied as a whole is nobody else. A shared role that works on by design, and a user whose dependents do, are others' too: of these it is what the
logs trace to a suspect, and what the control refuses that such a role or user was given.
"""

from __future__ import annotations

import datetime
import ipaddress
import typing as t
from collections.abc import Iterator

from ..common import plan, restore
from ..common.guard import identity
from . import credentials, policy, put_back
from .principal import Principal
from .scope import caller_arn
from .session import iso, parse

if t.TYPE_CHECKING:
    from .contain import Containment
    from .events import Event

_CLOCKS = datetime.timedelta(seconds=60)  # between the clock of a run and CloudTrail's


class Attackers:
    """One run's."""

    def __init__(self, run: Containment) -> None:
        self.run, self.case = run, run.case
        self._before = run.case.history  # what earlier runs did; what this one does is the runner's
        self._released = {identity(arn) for arn in restore.released(self._before)}

    def was_released(self, arn: str) -> bool:
        """Whether runs before this one had fenced it and given it back."""
        return identity(arn) in self._released

    def made(self, event: Event) -> bool:
        """Whether a suspect made the call: by the key or the session, also of a role that is trusted; or somebody contained, by this run or one before."""
        who = event.get("userIdentity") or {}
        key, arn, author = str(who.get("accessKeyId") or ""), str(who.get("arn") or ""), identity(caller_arn(event))
        contained = self.run.principals.get(author) or self.run.former.get(author)
        keys, whole = self.case.compromised()
        if key in keys or (contained and key in contained.only | contained.compromised):
            return True
        spared = contained is not None and self.run.moving.spares(contained)
        if self.run.scope and self.run.scope.knows(key, "" if spared else arn):  # a user's own ARN is its dependents', too
            return True
        if contained is None or contained.only:
            return author in whole and author not in self._released
        if contained.kind == "role":
            return self._of_role(contained, author, event)
        return self._of_spared(contained, key, event) if spared else True

    def _of_role(self, role: Principal, author: str, event: Event) -> bool:
        action = self.run.roles.actions.get(author)
        if role.planted or role.forced or action is None or action.action == "deny":
            return True
        session = str((event.get("userIdentity") or {}).get("arn") or "").rsplit("/", 1)[-1]
        return session in role.sessions or (action.action == "clamp" and self._outside(event)) or self._too_old(role, event)

    def _of_spared(self, user: Principal, key: str, event: Event) -> bool:
        """All but the key that its dependents were given, what they open with it, and what was not switched off."""
        if key in self.run.moving.made(user.arn):
            return False
        if not key.startswith("AKIA"):  # while the old key lives, nobody can tell with which of them it was opened
            return self.run.moving.waits(user) or self._too_old(user, event)
        off = any(done.step.principal == user.arn and credentials.id_of(done.step) == key for done in list(self.run.runner.done.values()))
        return off or user.whole or not self.run.moving.waits(user)

    def _outside(self, event: Event) -> bool:
        try:
            address = ipaddress.ip_address(str(event.get("sourceIPAddress")))
        except ValueError:
            return False  # a service, on the caller's behalf
        return not event.get("vpcEndpointId") and not any(address in ipaddress.ip_network(n) for n in self.run.moving.networks)

    def _too_old(self, principal: Principal, event: Event) -> bool:
        """Whether its session was opened when the attacker still could. Of one whose age is not told nobody can say that it was not."""
        about = (event.get("userIdentity") or {}).get("sessionContext") or {}
        opened, at = str((about.get("attributes") or {}).get("creationDate") or ""), str(event.get("eventTime") or "")
        return any(until and opened <= until and at >= since for until, since in self._limits(principal))

    def _limits(self, principal: Principal) -> Iterator[tuple[str, str]]:
        """(until when, RFC 3339, opened sessions are the attacker's; of what they did since when).

        A later run may move a cutoff, since somebody fights and nobody knows from where. That says nothing of what was done before that run began, in
        sessions that until then were allowed to work: the first cutoff does, and the one that stood.
        """
        session, trust = f"{principal.arn}#policy/{self.run.incident.policy_name('session')}", f"{principal.arn}{put_back.HELD}trust"
        past = self._before.get(session) or {}
        if past.get("made"):
            yield policy.cutoff_of(plan.decode(past["first"]).after), ""
            began = self.case.ledger.state.runs.get(past["run"])
            since = iso(parse(began["time"]) - _CLOCKS) if began else ""
            yield policy.cutoff_of(plan.decode(past["made"]["step"] or past["step"]).after), since
        if done := self.run.runner.done.get(session):
            yield policy.cutoff_of(done.step.after), self.run.hold.start() if past.get("made") else ""
        # Whoever a suspect had let in could come until the trust policy was mended.
        mended, past = self.run.runner.done.get(trust), self._before.get(trust) or {}
        for at in (mended.at if mended else "", str((past.get("outcome") or {}).get("at") or "") if past.get("made") else ""):
            if at:
                yield iso(parse(at) + datetime.timedelta(seconds=self.run.settles)), ""

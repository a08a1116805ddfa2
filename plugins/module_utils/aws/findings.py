# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the logs add to a containment: each thing that a suspect minted, reached or made is admitted like a suspect, or left to a person."""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from ..common import manual
from ..common.chain import FENCE_FIRST, Job
from ..common.errors import EvictError, Refused
from ..common.guard import identity, kind_of
from ..common.run import STANDS
from . import own, residual
from .live.kind import BY_HAND
from .principal import Principal, role, user
from .scope import Found, caller_arn
from .session import parse

if t.TYPE_CHECKING:
    from .contain import Containment

# What suspects did to somebody else's second factor or password: no credential of theirs, so nothing that could be cut.
_WEAKENED = {
    "DeactivateMFADevice": "the MFA device {} was deactivated",
    "DeleteVirtualMFADevice": "the MFA device {} was deleted",
    "UpdateLoginProfile": "the console password was changed",
}
EVENTS = frozenset(("iam.amazonaws.com", name) for name in _WEAKENED)
# Refusals of suspects that leave no row of their own: a person decided so, or ``residual.refused`` has one.
_TOLD = ("guard plan", "guard Identity Center role", "guard root")
_SPARED = ("guard caller", "guard trust_chain", "guard protected")


class Findings:
    """One run's. ``suggested``: entries for ``suspects`` of what was not touched.

    ``mended``: roles that are not cut, whose trust policy a suspect has written; ``spared``: {ARN: role} of those whose ``sessions`` are denied.
    ``acted_as``: ARNs of the sessions that suspects opened and the users that they made, contained or not.
    """

    def __init__(self, run: Containment) -> None:
        self.run = run
        self.suggested: list[dict[str, str]] = []
        self.mended: set[str] = set()
        self.acted_as: set[str] = set()
        self.spared: dict[str, Principal] = {}
        self._left_to_trusted: dict[str, Found] = {}  # by ARN
        self._keys: set[str] = set()  # ids of access keys that suspects made for others
        self._made: set[str] = set()  # identities of users that suspects made
        self._renames: list[Found] = []  # calls of suspects that gave a user another name
        self._lock = threading.RLock()

    def found(self, found: Found) -> None:
        """Called by the scope's threads for each thing that the attacker's calls opened: go on following, and leave the rest to the pool."""
        if found.renamed:
            with self._lock:
                self._renames.append(found)
            return
        if found.whole and kind_of(found.arn) == "user":
            with self._lock:
                self._made.add(identity(found.arn))
        with self._lock:
            self.acted_as |= {found.acted_as} - {""}
        if found.only and found.key:
            with self._lock:
                self._keys.add(found.key)
        if self.run.scope and found.key:
            if found.key.startswith("AKIA"):
                self.run.scope.ask(found.account, "AccessKeyId", found.key)
            elif name := found.session or found.name:
                self.run.scope.ask(found.account, "Username", name)
            self.run.scope.belongs(found.key)
            with self._lock:
                key, at = identity(found.arn), parse(found.at)
                self.run.minted[key] = max(self.run.minted.get(key, at), at)
        self.run.runner.pool.submit(FENCE_FIRST, found.account, lambda: self.take(found))

    def made_by_suspects(self, key: str) -> bool:
        with self._lock:
            return key in self._keys

    def take(self, found: Found) -> None:
        name = found.arn.rsplit("/", 1)[-1]
        kind = kind_of(found.arn)
        known = self.run.principals.get(identity(found.arn))
        if known is None and identity(found.arn) in self.run.former and not found.whole:
            known = self.run.former[identity(found.arn)]  # what it did or was given under the name that it had then
        try:
            if kind not in ("user", "role"):
                return  # a session that minted for itself: its issuer is in the trail already
            if known is None and identity(found.arn) in self.run.trusted:
                self._trusted(found, kind)
                return
            principal = known or (role if kind == "role" else user)(self.run.aws, found.account, name, found.arn)
            fresh = dataclasses.replace(
                principal, discovered=principal.discovered if known else found.how, compromised=found.compromised, sessions={found.session} - {""},
                sources={found.source} - {""} if kind == "role" else set(), only={found.only} - {""}, only_kinds={found.kind} - {""}, whole=found.whole,
            )  # fmt: skip
            if known and not known.discovered:
                fresh.discovered = ""
            if found.name and found.by in self._keys and (known is None or known.only):
                fresh.only, fresh.only_kinds = {found.by}, {"access_key"}  # minted with the attacker's key: its owner is not cut for that
            if kind == "role":
                fresh.planted = bool(found.trust)
                fresh.forced = "deny" if found.whole and fresh.discovered else ""
            self.run.admit(fresh)
            self.run.note_suspect(fresh.arn, source=found.source, keys=found.compromised, whole=found.whole)
        except Refused as error:
            if error.operation == "guard limit":
                self.leave(found, error.message)
            else:
                self.run.refuse(error, found.arn, uncut=kind == "user")  # of a role, what the suspect has of it is taken away
                self.spare(error, found)
        except EvictError as error:
            self.leave(found, error.message)

    def follow_names(self) -> bool:
        """Users that suspects made, or are, under the names that they have now, when the logs are read; whether there was one.

        A user that somebody made and renamed before anybody noticed is known to the logs by its first name alone, and that may be another user's by now.
        """
        with self._lock:
            renames = sorted(self._renames, key=lambda found: found.at)
        bad = (
            {identity(p.arn) for p in list(self.run.principals.values()) if p.kind == "user" and not p.only}
            | set(self.run.former)
            | self._made
        )
        before, known = {identity(f"{r.arn.rpartition('/')[0]}/{r.renamed}") for r in renames}, len(self.run.principals)
        for _again in renames:
            bad |= {identity(r.arn) for r in renames if identity(f"{r.arn.rpartition('/')[0]}/{r.renamed}") in bad}
        for found in renames:
            key = identity(found.arn)
            there = self.run.principals.get(key)
            if key in bad and (there is None or there.only) and key not in self.run.former and key not in before:
                self.take(dataclasses.replace(found, whole=True))
            row = {"object": found.arn, "why": f"{found.how}: give it its name back by hand", "due": None}
            if key not in bad and row not in self.run.open:
                self.run.open.append(row)
        return len(self.run.principals) > known

    def _trusted(self, found: Found, kind: str) -> None:
        """The suspect is in a user or role that the incident file trusts. It works on; a session of a role that is known by its name does not."""
        named = kind == "role" and bool(found.session)
        only = "only that session is denied" if named else "it is not touched"
        self.leave(found, f"the incident file trusts it, so {only}: look whether that still holds")
        if named:  # a trust policy may name a partner rightly, and what it was before is not known: it is not mended unasked
            self.spare(None, dataclasses.replace(found, trust=None))
        if not named or found.trust:
            with self._lock:
                self._left_to_trusted.setdefault(found.arn, found)

    def spare(self, error: Refused | None, found: Found) -> None:
        """The suspect has laid hands on a role that is not to be cut: its trust policy is mended, and the suspect's own sessions of it are denied."""
        if (
            (error and error.operation not in _SPARED)
            or kind_of(found.arn) != "role"
            or (found.key and own.is_own(self.run.aws, self.run.case, found.key))
        ):
            return
        jobs: list[Job] = []
        why = "it is not cut, only that was undone: look at it by hand"
        if found.trust:
            with self._lock:
                self.mended.add(found.arn)
            if self.run.scope:
                self.run.scope.strangers(found.account, found.arn)
        left = own.leave(self.run.aws, self.run.case, found.account, found.arn, found.session)
        if found.session and not left:
            try:
                facts = role(self.run.aws, found.account, found.arn.rsplit("/", 1)[-1], found.arn)
            except EvictError as error:
                self.leave(found, error.message)
                return
            with self._lock:  # all of its sessions, also when the suspect has taken an earlier deny away
                facts = self.spared.setdefault(facts.arn, facts)
                self.run.own_in_wrong_hands.add(facts.arn)
                shut = self.run.door.shut_until(facts.arn) >= found.at  # by an earlier run: it needs no name
                facts.sessions = facts.sessions | (set() if shut else {found.session})
            if not shut and not self.run.hold.passing:  # else once for all that a pass finds: there may be hundreds
                jobs.append(self.run.roles.fence_job(facts, "session"))
        if jobs:
            self.run.runner.add(found.arn, found.account, jobs)
        row = {"object": found.arn, "why": f"{found.how}; {left or why}", "due": None}
        with self._lock:
            if (jobs or left or found.trust or found.session) and row not in self.run.open:
                self.run.open.append(row)

    def open_items(self) -> list[dict[str, t.Any]]:
        """Spared roles of which a session that had to be denied is not; what a person has to look at."""
        rows = [{"object": arn, "why": why, "due": None} for arn, why in self._not_denied().items()]
        return rows + manual.open_items(self.manual())

    def _not_denied(self) -> dict[str, str]:
        """{ARN of a spared role: which of its sessions were to be denied and are not}."""
        name = self.run.incident.policy_name("userid")
        done = {arn: self.run.runner.done.get(f"{arn}#policy/{name}") for arn in self.spared}
        return {
            arn: f"the sessions {', '.join(sorted(self.spared[arn].sessions))} could not be denied" + (f": {d.message}" if d else "")
            for arn, d in sorted(done.items())
            if not d or d.status not in STANDS
        }

    def manual(self) -> list[manual.Row]:
        """What suspects took from the logins of others, of whom no more is cut than the suspects made."""
        rows = []
        for event in self.run.scope.kept if self.run.scope else ():
            request, name = event.get("requestParameters") or {}, str(event.get("eventName"))
            user = f"arn:{self.run.aws.partition}:iam::{event.get('recipientAccountId')}:user/{request.get('userName')}"
            known = self.run.principals.get(identity(user)) or self.run.former.get(identity(user))
            if (event.get("eventSource"), name) not in EVENTS or (known and not known.only):
                continue
            device = str(request.get("serialNumber") or "")
            what = f"{_WEAKENED[name].format(device)} by {caller_arn(event)} at {event.get('eventTime')}"
            own = known.arn if known else user if request.get("userName") else device
            todo = "ask the owner to enrol a device and to set a new password, and look what was done with the login since"
            rows.append(manual.row(self.run.case, f"manual/login/{event.get('eventID')}", own, f"{what}: {todo}", "a suspect did it"))
        return rows

    def residual(self) -> list[residual.Row]:
        """What suspects have of those that are not cut, and the suspects that are not."""
        kind, now = "role session", self.run.aws.now()
        failed = self._not_denied()
        end = residual.ends(kind, now)
        rows = [residual.row(arn, kind, end, failed[arn]) if arn in failed else residual.signing(arn, end) for arn in sorted(self.spared)]
        for arn, found in sorted(self._left_to_trusted.items()):
            what = {"user": "access key", "role": kind}[kind_of(arn)]
            rows.append(residual.row(arn, what, BY_HAND, f"{found.how}; the incident file trusts it, so it was not touched"))
        told = [*self.run.refused, *self.run.runner.failures]  # what failed first may have been done since
        return rows + [
            residual.row(entry["object"], "any credential of it", BY_HAND, entry["message"])
            for entry in self.run.uncut
            if entry in told and entry["operation"] not in _TOLD
        ]

    def leave(self, found: Found, why: str) -> None:
        """Somebody has to look at what was found: it is suggested for the incident file, once, and the case stays open."""
        suggestion = {"cloud": "aws", "arn": found.arn}
        with self._lock:
            if suggestion not in self.suggested:
                self.suggested.append(suggestion)
                self.run.open.append({"object": found.arn, "why": f"{found.how}; {why}", "due": None})

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every mutating verb begins with: resolve the suspects, guard them, and take each principal once."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
import typing as t
from collections.abc import Iterable

from ..common import errors, planning
from ..common import incident as incidents
from ..common.case import Case
from ..common.chain import FENCE_FIRST
from ..common.errors import EvictError, Refused
from ..common.guard import Guard, identity, kind_of
from ..common.run import Runner
from . import credentials, sharing, untouchable
from .account_state import Change
from .administrators import Administrators
from .authors import Authors
from .branch import Branch
from .compute.chosen import known_role
from .identity_center import session_of
from .principal import Principal
from .resolving import resolve
from .scope import caller_arn
from .session import Aws


class Response:
    """One run over a case. ``principals``: {identity: Principal} of all that was admitted; ``refused``: entries of ``failed``.

    A verb overrides ``start``, which queues the jobs of an admitted principal. ``cuts``: whether it may take all access from a user.
    """

    cuts = True
    people: t.Any = None  # whom no identity policy holds; of a containment only

    def __init__(self, aws: Aws, case: Case, runner: Runner) -> None:
        self.aws, self.case, self.incident, self.runner = aws, case, case.incident, runner
        self.principals: dict[str, Principal] = {}
        self.former: dict[str, Principal] = {}  # identity under a name that a user had before -> the one that it is contained under now
        self.refused: list[dict[str, str]] = []
        self.uncut: list[
            dict[str, str]
        ] = []  # entries, as in ``refused`` and in the runner's failures, of suspects and users that stay alive
        self.open: list[dict[str, t.Any]] = []  # what a person has to look at
        self.resolved: dict[str, Principal] = {}  # by the suspect's path in the incident file
        self.left: list[dict[str, t.Any]] = []  # rows of what a named person judged to be a false positive
        self.own_in_wrong_hands: set[str] = set()  # roles that are not cut, of which single sessions are denied
        self.suspects: list[t.Any] = list(self.incident.suspects)
        self.held_back: list[tuple[t.Any, dict[str, str]]] = []  # of whom the log may yet say that they wrote themselves into our trust
        self._lock = threading.RLock()
        self.guard = Guard(
            protected=self.incident.protected, overrides=[dataclasses.asdict(o) for o in self.incident.overrides],
            limit=self.incident.limits["principals"],
        )  # fmt: skip
        self._branch = Branch(aws, self.guard, self.warn)
        self.administrators = Administrators(self)

    @functools.cached_property
    def _spared(self) -> dict[str, str]:
        """Whom people spared in the reviewed plan. A plan that cannot be read holds no containment up."""
        try:
            return planning.spared(self.incident, self.case.store, self.case.ledger)
        except EvictError as error:
            self.warn(f"whom the plan spares is not known, so nobody is: {error.message}")
            return {}

    def warn(self, text: str) -> None:
        """Said once in the result's warnings."""
        with self._lock:
            if text not in self.case.warnings:
                self.case.warnings.append(text)

    def start(self, principal: Principal) -> None:
        """Queue what is to be done to ``principal``; called once for each."""
        raise NotImplementedError

    def resolve(self, suspect: t.Any) -> Principal:
        return resolve(self.aws, suspect)

    def spares(self, _principal: Principal) -> bool:
        """Whether it is not denied as a whole."""
        return False

    def remember(self, suspect: t.Any, principal: Principal) -> None:
        """Note what a suspect turned out to be."""
        self.note_suspect(principal.arn, suspect=suspect.value, keys=principal.compromised, whole=principal.whole)

    def follow(self, principal: Principal) -> None:
        """Called each time something more is known of a principal."""

    def take(self, suspects: Iterable[t.Any], start: bool = True) -> None:
        """Resolve, guard and (with ``start``) handle each; a suspect that fails stops no other. Returns at once: the runner works."""
        self.aws.reached = lambda account: self.runner.pool.submit(FENCE_FIRST, account, lambda: self._know_own(account))
        self._branch.begin()
        for suspect in suspects:
            self.runner.pool.submit(FENCE_FIRST, suspect.account, lambda s=suspect: self._take(s, start))  # type: ignore[misc]

    def _take(self, suspect: t.Any, start: bool = True) -> None:
        try:
            if suspect.cloud != "aws":
                raise Refused(f"{suspect.value}: {suspect.cloud} is not contained by aws_contain", object=suspect.value, operation="resolve",
                              remedy="contain it by hand; this release answers AWS")  # fmt: skip
            verdicts = [n["data"] for n in self.case.notes("verdict") if n["data"]["suspect"] == suspect.value]
            if verdicts:
                self.left.append({"suspect": suspect.value, **verdicts[-1]})
                return
            if suspect.value == self.aws.own_key:
                self.guard.check(self.aws.caller["arn"], discovered=False)
            if suspect.kind.endswith("_arn") and not session_of(suspect.value):  # a role of Identity Center is several people's
                self._check(suspect.value, discovered=False)  # before it is looked up: the caller may not be allowed to read itself
            principal = known_role(self, suspect) or self.resolve(suspect)
            self.admit(principal, start)
            self.resolved[suspect.path] = principal
            self.remember(suspect, principal)
        except Refused as error:
            entry = self.refuse(error, suspect.value, uncut=True)
            if error.operation == "guard trust_chain":
                self.held_back.append((suspect, entry))
        except EvictError as error:
            self.runner.fail(error, suspect.value)
            self._stays(errors.as_entry(error, suspect.value, ""))

    def _check(self, arn: str, *, discovered: bool) -> None:
        """Raises ``Refused``. Who was written into the trust policy of the responder's role by a suspect is not protected by that."""
        try:
            self.guard.check(arn, discovered=discovered)
        except Refused as error:
            role = self.guard.via(arn)
            if error.operation != "guard trust_chain" or not (event := self._rewritten(role, arn)):
                raise
            self.guard.forget_chain(arn)
            self.own_trust_rewritten(role, event)
            self.guard.check(arn, discovered=discovered)

    def _rewritten(self, role: str, arn: str) -> dict[str, t.Any] | None:
        """The newest event in which ``arn`` or a suspect wrote the trust policy of ``role``, on which the responder stands; None when there is none."""
        if kind_of(role) != "role":
            return None
        authors = Authors(self.aws, self.case, role.split(":")[4], credentials.Asked.by(self.incident).since)
        suspects = {identity(s.value) for s in self.suspects} | {identity(arn)} | set(self.principals)
        written = list(authors.all_of(Change(role, "trust", None, None)))
        by = [(event, {identity(caller_arn(event)), str((event.get("userIdentity") or {}).get("accessKeyId"))}) for event in written]
        found = next((event for event, who in by if who & suspects), None)
        if found or not written:
            return found
        named = [s.value for s in self.suspects if s.kind in ("access_key", "session_key")]
        for event, _who in by:
            if authors.comes_from(str((event.get("userIdentity") or {}).get("accessKeyId") or ""), suspects | set(named)):
                return event
        minted = authors.minted(named, [arn.rsplit("/", 1)[-1]] if kind_of(arn) == "user" else [])
        return next((event for event, who in by if who & minted), None)

    def own_trust_rewritten(self, role: str, event: dict[str, t.Any]) -> None:
        """Called when the trust policy of a role on which the responder stands turns out to be somebody else's work."""
        who = (event.get("userIdentity") or {}).get("arn")
        self.warn(
            f"the trust policy of {role}, on which the response stands, was rewritten by {who} at {event.get('eventTime')}: look at it"
        )

    def refuse(self, error: Refused, object: str, *, uncut: bool = False) -> dict[str, str]:
        entry = error.as_dict()
        entry["object"] = entry["object"] or object
        with self._lock:
            if entry not in self.refused:
                self.refused.append(entry)
        if uncut:
            self._stays(entry)
        return entry

    def _stays(self, entry: dict[str, str]) -> None:
        with self._lock:
            if entry not in self.uncut:
                self.uncut.append(entry)

    def take_held_back(self) -> None:
        """Once more those who were refused since the responder's role is reached through them, now that the log is newer. Returns when they are handled."""
        again, self.held_back = self.held_back, []
        self.refused = [entry for entry in self.refused if entry not in [e for _s, e in again]]
        self.take([suspect for suspect, _e in again])
        self.runner.wait()

    def admit(self, principal: Principal, start: bool = True) -> None:
        """Guard the principal; contain it, once, however many suspects it is."""
        self._know_own(principal.account)
        if principal.account == self.aws.caller["account"]:  # the roles of other accounts may be reached through it
            for account in sorted({s.account for s in self.suspects if s.cloud == "aws" and s.account}):
                self._know_own(account)
        untouchable.refuse(principal)
        self._check(principal.arn, discovered=bool(principal.discovered) and not self._same(principal))  # a new name is no new identity
        self._check_spared(principal)
        if self.cuts and principal.kind == "user" and not principal.only:
            self.administrators.check(principal)
        key = identity(principal.arn)
        with self._lock:
            for old in self._same(principal):
                self.retire(old, principal)
            known = self.principals.get(key)
            grown = known is None or known.join(principal)
            if known is None:
                self.principals[key] = principal
        if start:
            self.follow(principal)
            if grown:
                self.start(known or principal)

    def _check_spared(self, principal: Principal) -> None:
        """Raises ``Refused``. Whom people named as a suspect is handled all the same: the plan that contradicts it is refused as a whole."""
        who = self._spared.get(identity(principal.arn))
        if who and (principal.discovered or principal.suspect not in self._reported()):
            raise Refused(
                f"{principal.arn} is refused: {who}", object=principal.arn, operation="guard plan",
                remedy="decide anew in a copy of the plan that plan.yml imports, or name it under incident.suspects",
            )  # fmt: skip

    def _reported(self) -> set[str]:
        """What people named. In check mode nobody noted yet which suspects come from a plan: those that the case does not know."""
        named = {suspect.value for suspect in planning.reported(self.incident, self.case.ledger)}
        if self.case.check:
            with contextlib.suppress(EvictError):
                named &= {suspect.value for suspect in incidents.from_case(self.case.store).suspects}
        return named

    def _same(self, principal: Principal) -> list[Principal]:
        """The same user under names that it had when it was found: a user may get another name, and keeps its id, its keys and its policies."""
        found = [p for p in list(self.principals.values()) if p.kind == principal.kind == "user" and p.id == principal.id != ""]
        return [p for p in found if identity(p.arn) != identity(principal.arn)]

    def retire(self, old: Principal, now: Principal) -> None:
        """From now on it is contained under the name that it has: all that was known of it holds, and what failed under the old one is no failure."""
        with self._lock:
            now.join(old)
            self.principals.pop(identity(old.arn), None)
            self.former = {key: now if one is old else one for key, one in self.former.items()} | {identity(old.arn): now}
            self.runner.forgive_all(lambda about: about.startswith((old.arn, f"UserName={old.name} in {old.account}")))

    def may_deny(self, role: Principal, *, asked: bool, look: bool = True) -> list[str]:
        """The guards of a full deny on a role; a user has passed them when it was admitted. Raises ``Refused``; returns who else uses it.

        ``asked``: by a person, so that nobody has looked yet who else uses it; ``look``: in the logs.
        """
        others = sharing.check(self, role) if asked and look else []
        self.administrators.check(role)
        return others

    def note_suspect(self, arn: str, *, suspect: str = "", source: str = "", keys: Iterable[str] = (), whole: bool = False) -> None:
        """Recorded once, so that a release knows what belongs to which suspect and which credentials are in wrong hands.

        ``source``: the principal through which a discovered one was reached; ``whole``: all that it holds is compromised.
        """
        lasting = sorted(key for key in keys if not key.startswith("ASIA"))  # sessions end by themselves
        data = {"suspect": suspect, "arn": arn, "keys": lasting, "whole": whole, "source": source}
        if not self.runner.check and data not in [n["data"] for n in self.case.notes("suspect")]:
            self.case.note("suspect", data)

    def _know_own(self, account: str) -> None:
        """The identities that the response stands on in ``account``, and what they are reached through; read once."""
        self._branch.know(account)

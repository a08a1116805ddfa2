# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root users in a containment, and what is claimed of whom only a fence above the account holds.

Of a member account's root: a statement above the account, which can be taken back; what it holds is listed, and deleted when the incident file asks for it.
Of the management account's: nothing can be done from outside, and that is said loudly.
"""

from __future__ import annotations

import functools
import threading
import typing as t

from ..common import manual
from ..common.chain import Job
from ..common.errors import EvictError
from ..common.plan import Phase
from ..common.reader import Reader
from ..common.run import STANDS, Done
from . import residual, root_user
from . import service_control as scp
from .principal import Principal
from .service_control import Held
from .session import parse

if t.TYPE_CHECKING:
    from .contain import Containment

Row = dict[str, t.Any]


def row(principal: Principal, claim: Row, controls: list[str]) -> Row:
    """As an entry of ``principals`` of the result."""
    return {**principal.row(), **claim, "controls": controls}


def failed_of(run: Containment, arn: str) -> list[Done]:
    """The Steps of one principal that did not come true."""
    return [d for d in list(run.runner.done.values()) if d.step.principal == arn and d.status not in STANDS and not d.step.optional]


def settled(run: Containment, arn: str, held: list[Done], open_in: list[str]) -> Row:
    """What may be said: ``held`` are the Steps that hold it, ``open_in`` the accounts in which nothing does."""
    if run.runner.check:
        return {
            "action": "would be contained" if not open_in else f"would not be held in {', '.join(open_in)}",
            "contained_at": None,
            "proof": "unknown",
        }
    bad = failed_of(run, arn)
    if open_in:
        return {"action": f"not held in {', '.join(open_in)}", "contained_at": None, "proof": "unknown"}
    if bad:
        return {"action": f"held, but failed: {', '.join(d.step.resource for d in bad)}", "contained_at": None, "proof": "unknown"}
    since = max((at for d in held if (at := _at(run, d))), default=None)
    if since and (run.aws.now() - parse(since)).total_seconds() < run.settles:
        return {"action": "cut, not yet spread to every endpoint of AWS: run again", "contained_at": None, "proof": "unknown"}
    return {"action": "contained", "contained_at": since, "proof": "read-back"}


def _at(run: Containment, done: Done) -> str:
    if done.status == "done":
        return done.at
    history = run.case.history.get(done.step.id) or {}
    return str((history.get("outcome") or {}).get("at") or "")


class Roots:
    """One run's. ``found``: {account: principal}; ``credentials``: {account: what its root holds}."""

    def __init__(self, run: Containment) -> None:
        self.run, self.case, self.runner = run, run.case, run.runner
        self.found: dict[str, Principal] = {}
        self.credentials: dict[str, dict[str, t.Any]] = {}
        self._no_audit: dict[str, str] = {}
        self._lock = threading.RLock()

    def take(self, principal: Principal, start: bool) -> None:
        """Guard it, and (with ``start``) have its account fenced. Raises ``Refused``."""
        self.run.guard.check(principal.arn, discovered=bool(principal.discovered))
        self.run.administrators.check(principal)
        with self._lock:
            known = self.found.setdefault(principal.account, principal)
            known.join(principal)
        if start:
            if self.run.scope:
                self.run.scope.belongs(principal.arn, *principal.compromised)
                for key in sorted(k for k in principal.compromised if k.startswith("AKIA")):
                    self.run.scope.ask(principal.account, "AccessKeyId", key)
                self.run.scope.ask(principal.account, "Username", "root")
            self.run.fences.also({principal.account})

    def held(self, account: str) -> list[Held]:
        """What the fence above ``account`` says of its root."""
        return [Held(self.found[account].arn, scp.ASSUMED_ROOT)] if account in self.found else []

    def above(self, account: str) -> list[Done]:
        return self.run.fences.above(account, self.found[account].arn) if account in self.found else []

    def cut(self) -> None:
        for account, root in self.found.items():
            self.runner.add(root.arn, account, [Job(Phase.CREDENTIAL, functools.partial(self._root, account, root))])

    def _root(self, account: str, root: Principal, reader: Reader) -> list[t.Any]:
        """What the root user holds; deleted when the incident file asks for it."""
        if self._management(account):
            return []
        try:
            self.credentials[account] = root_user.held(account, reader)
        except EvictError as error:
            self._no_audit[account] = error.message
            if self.run.incident.root_credentials == "delete":
                raise
            return []
        return list(root_user.delete(account, root.arn, reader)) if self.run.incident.root_credentials == "delete" else []

    def _management(self, account: str) -> bool:
        return "management account" in self.run.fences.why(account)

    # -- what came of it ---------------------------------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        found = []
        for account, root in self.found.items():
            above = self.above(account)
            claim = settled(self.run, root.arn, above, [] if above else [account])
            holds = {"holds": self.credentials.get(account), "holds_why": self._no_audit.get(account, "")}
            found.append({**row(root, claim, self.run.fences.named(account, above)), **holds})
        return found

    def manual(self) -> list[Row]:
        return [self._root_row(account, root) for account, root in self.found.items() if self._needs_hand(account)]

    def residual(self) -> list[Row]:
        left = [(a, p) for a, p in self.found.items() if not self.above(a)]
        return [
            residual.row(p.arn, "root credential", residual.BY_HAND, self.run.fences.why(a) or "no service control policy") for a, p in left
        ]

    def _needs_hand(self, account: str) -> bool:
        held = self.credentials.get(account)
        gone = held is not None and (not (held["access_keys"] or held["certificates"] or held["password"]) or self._deleted(account))
        return not (gone and self.above(account))

    def _deleted(self, account: str) -> bool:
        mine = [d for i, d in list(self.runner.done.items()) if i.startswith(f"{self.found[account].arn}#{root_user.PART}")]
        return bool(mine) and all(d.status in STANDS for d in mine)

    def _root_row(self, account: str, root: Principal) -> Row:
        signs_in = "sign in as root: change the password, delete its access keys and signing certificates, look at its MFA devices, at the account's e-mail" \
                   " address and its mailbox, and at the alternate contacts"  # fmt: skip
        if self._management(account):
            why = "THIS IS THE MANAGEMENT ACCOUNT: no policy binds its root, nothing was cut, and it reaches every account of the organization"
        elif not self.above(account):
            why = f"nothing holds it: {self.run.fences.why(account) or 'no service control policy'}"
        elif account in self._no_audit:
            why = f"a service control policy denies it everything meanwhile; what it holds is not known: {self._no_audit[account]}"
        else:
            signs_in = f"delete what it holds: root_credentials: delete in the incident file, or {signs_in}"
            held = self.credentials.get(account) or {}
            why = (
                f"a service control policy denies it everything meanwhile; it holds {len(held.get('access_keys', ()))} access key(s),"
                f" {len(held.get('certificates', ()))} certificate(s)" + (", a password" if held.get("password") else "")
            )
        return manual.row(self.case, f"manual/root/{account}", root.arn, signs_in, why, self._cut(account))

    def _cut(self, account: str) -> list[t.Any] | None:
        return manual.newest_cut(self.case.history, self.found[account].arn, [account])

    def warnings(self) -> list[str]:
        """What is said loudly."""
        return [
            f"{root.arn}: the root user of the management account is a suspect. {self._root_row(account, root)['what']}"
            for account, root in self.found.items()
            if self._management(account)
        ]

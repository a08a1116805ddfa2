# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The branch that the response sits on: the caller, the roles it acts with, and what those are reached through, all the way.

A role that a trusted role may be assumed from, and so on; and the identity providers on the way. Read in the accounts that this run works in and in the
caller's own: no other account is entered for it, so what lies behind a role elsewhere is guarded only up to that role. Where a trust names a whole account
(``:root``, ``*``) there is nobody to name. A read that fails is said, and stops nothing.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

from ..common.errors import EvictError
from ..common.guard import Guard, identity
from ..common.plan import Call, Target
from ..common.reader import Reader
from . import quarantine
from .session import Aws

READS = ("iam:GetRole",)
_ROLE = re.compile(r"arn:[\w-]+:(?:iam|sts)::(\d{12}):(?:role|assumed-role)/(.+)")
_NAMED = re.compile(r"arn:[\w-]+:(?:iam|sts)::\d{12}:(?:user|role|assumed-role|federated-user|saml-provider|oidc-provider)/.+")
_MOST = 30  # roles that are read; a chain is two or three long


class Branch:
    """One run's. ``warn`` is told what could not be read. Accounts are read side by side; what several lead to is read once."""

    def __init__(self, aws: Aws, guard: Guard, warn: Callable[[str], None]) -> None:
        self._aws, self._guard, self._warn = aws, guard, warn
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._done: set[str] = set()
        self._roles: dict[str, str] = {}  # identity of each role of the chain -> its ARN
        self._reader = Reader({"aws": aws})

    def begin(self) -> None:
        """What is known without a request."""
        for arn in (self._aws.caller["arn"], self._aws.management_arn):
            self._guard.add_own(arn)

    def know(self, account: str) -> None:
        """Everything of the branch that lies in ``account``; read once. Returns when the guard knows it."""
        with self._lock:
            lock = self._locks.setdefault(account, threading.Lock())
        with lock:
            if account in self._done:
                return
            self.begin()
            acting, mine = self._aws.responder_arn(account), self._aws.caller["account"]
            self._guard.add_own(acting)
            with self._lock:
                todo = [acting, *([self._aws.caller["arn"]] if account == mine else []), *self._roles.values()]
            seen: set[str] = set()
            while todo:
                arn = todo.pop(0)
                role = _ROLE.fullmatch(arn)
                if not role or identity(arn) in seen or role[1] not in (account, mine):
                    continue
                if len(seen) >= _MOST:
                    self._warn(f"what the responder's role is reached through goes on beyond {_MOST} roles; the rest is not guarded")
                    break
                seen.add(identity(arn))
                todo += self._trusted(arn, role[1])
            self._done.add(account)

    def _trusted(self, arn: str, account: str) -> list[str]:
        """Whoever may assume the role, and the providers of whoever may sign in to it: they are part of the branch."""
        name = identity(arn).rsplit("/", 1)[-1]
        try:
            facts = self._reader.get(Call(Target("aws", account), "iam", "GetRole", {"RoleName": name}))["Role"]
        except EvictError as error:  # the caller and its roles are protected all the same
            self._warn(
                f"account {account}: not known what the responder's role {name} is reached through, so nothing guards that: {error.message}"
            )
            return []
        trusted = quarantine.trusted_by(facts)
        found = [one for one in (*trusted["AWS"], *trusted["Federated"]) if _NAMED.fullmatch(one)]
        for one in found:
            self._guard.add_chain(one, via=str(facts.get("Arn") or arn))
        with self._lock:
            self._roles.update({identity(one): one for one in found if _ROLE.fullmatch(one)})
        return found

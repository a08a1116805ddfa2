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
import typing as t
from collections.abc import Callable

from ..common.errors import EvictError
from ..common.guard import Guard, identity
from ..common.plan import Call, Target
from . import quarantine
from .session import Aws

READS = ("iam:GetRole",)
_ROLE = re.compile(r"arn:[\w-]+:(?:iam|sts)::(\d{12}):(?:role|assumed-role)/(.+)")
_NAMED = re.compile(r"arn:[\w-]+:(?:iam|sts)::\d{12}:(?:user|role|assumed-role|federated-user|saml-provider|oidc-provider)/.+")
_MOST = 30  # roles that are read; a chain is two or three long


class Branch:
    """One run's. ``warn`` is told what could not be read."""

    def __init__(self, aws: Aws, guard: Guard, warn: Callable[[str], None]) -> None:
        self._aws, self._guard, self._warn = aws, guard, warn
        self._lock = threading.RLock()
        self._locks: dict[str, threading.Lock] = {}
        self._done: set[str] = set()
        self._roles: dict[str, str] = {}  # identity of each role of the chain -> its ARN
        self._read: set[str] = set()

    def know(self, account: str) -> None:
        """Everything of the branch that lies in ``account``; read once. Returns when the guard knows it."""
        with self._lock:
            lock = self._locks.setdefault(account, threading.Lock())
        with lock:
            if account in self._done:
                return
            own = [self._aws.caller["arn"], self._aws.responder_arn(account), self._aws.management_arn]
            for arn in own:
                self._guard.add_own(arn)
            mine = self._aws.caller["account"]
            with self._lock:  # one run's chain is read by one thread at a time: others wait for what they need anyway
                self._add(own[1])
                if account == mine or own[1] == own[0]:
                    self._add(own[0])
                while todo := [a for i, a in self._roles.items() if i not in self._read and _account(a) in (account, mine)]:
                    for arn in todo[: max(_MOST - len(self._read), 0)]:
                        self._trust(arn)
                    if len(self._read) >= _MOST:
                        self._warn(f"what the responder's role is reached through goes on beyond {_MOST} roles; the rest is not guarded")
                        break
                self._done.add(account)

    def _add(self, arn: str) -> None:
        if _ROLE.fullmatch(arn):
            self._roles.setdefault(identity(arn), arn)

    def _trust(self, arn: str) -> None:
        """Whoever may assume the role, and the providers of whoever may sign in to it, are part of the branch."""
        self._read.add(identity(arn))
        name = identity(arn).rsplit("/", 1)[-1]
        try:
            facts = self._aws.call(Call(Target("aws", _account(arn)), "iam", "GetRole", {"RoleName": name}))["Role"]
        except EvictError as error:  # the caller and its roles are protected all the same
            self._warn(
                f"account {_account(arn)}: not known what the responder's role {name} is reached through, so nothing guards that: {error.message}"
            )
            return
        trusted: dict[str, list[str]] = quarantine.trusted_by(facts)
        for one in (*trusted["AWS"], *trusted["Federated"]):
            if _NAMED.fullmatch(one):
                self._guard.add_chain(one, via=str(facts.get("Arn") or arn))
                self._add(one)


def _account(arn: str) -> str:
    found = t.cast("re.Match[str]", _ROLE.fullmatch(arn))
    return found[1]

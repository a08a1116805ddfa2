# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may not be touched: the responder's own branch, protected objects, and more discovered identities than the incident allows.

A guard (except the caller's own live session) is lifted for one object by an entry of ``incident.overrides``; what was lifted is recorded.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import typing as t
from collections.abc import Iterable, Mapping

from .errors import Refused

_AWS_IDENTITY = re.compile(r"arn:[\w-]+:(?:iam|sts)::(\d{12}):(user|role|assumed-role)/(.+)")


def identity(arn: str) -> str:
    """One spelling for one identity: paths and session names do not matter, since IAM names are unique in an account."""
    found = _AWS_IDENTITY.fullmatch(arn)
    if not found:
        return arn
    account, kind, name = found.groups()
    return f"{account}:role/{name.split('/')[0]}" if kind == "assumed-role" else f"{account}:{kind}/{name.rsplit('/', 1)[-1]}"


def session_arn(role: str, session: str) -> str:
    """The ARN of a session of ``role`` (its ARN), as services and the log write it: without the role's path."""
    return f"arn:{role.split(':')[1]}:sts::{role.split(':')[4]}:assumed-role/{role.rsplit('/', 1)[-1]}/{session}"


def kind_of(arn: str) -> str:
    """``user`` of arn:aws:iam::111122223333:user/x; "" for what is no ARN. A path holds what its maker likes, ``:role/`` too, so nothing else tells it."""
    return arn.split(":", 5)[5].partition("/")[0] if arn.count(":") > 4 else ""


class Guard:
    """Checks each principal once. ``own``: ARNs of the caller and of the role that it uses; ``chain``: what that role is trusted by."""

    def __init__(
        self,
        *,
        protected: Iterable[str],
        overrides: Iterable[Mapping[str, str]],
        limit: int,
        own: Iterable[str] = (),
        chain: Iterable[str] = (),
    ) -> None:
        self._own = {identity(a) for a in own}
        self._chain = {identity(a): "" for a in chain}
        self._protected = {identity(a) for a in protected}
        self._overrides = {(o["guard"], identity(o["object"])): dict(o) for o in overrides}
        self._limit, self._discovered = limit, set[str]()
        self._lock = threading.Lock()
        self.lifted: list[dict[str, str]] = []

    def add_own(self, arn: str, chain: Iterable[str] = ()) -> None:
        """One more identity that the response stands on, and what it is reached through."""
        self._own.add(identity(arn))
        for one in chain:
            self.add_chain(one, via=arn)

    def via(self, arn: str) -> str:
        """The role whose trust policy makes ``arn`` a part of the chain; "" when none does."""
        return self._chain.get(identity(arn), "")

    def forget_chain(self, arn: str) -> None:
        """``arn`` is no part of the way on which the responder came: it put itself there."""
        self._chain.pop(identity(arn), None)

    def add_chain(self, arn: str, *, via: str) -> None:
        """What the response is reached through: an identity, or the provider by which one signs in. ``via``: the role that trusts it."""
        self._chain.setdefault(identity(arn), via)

    def refuse(self, guard: str, arn: str, why: str, remedy: str) -> None:
        """Raises ``Refused``, unless ``overrides`` lift this guard for this object; what is lifted is noted."""
        lifted = self._overrides.get((guard, identity(arn)))
        if lifted is None:
            add = f"or lift it for this object: overrides: [{{guard: {guard}, object: {json.dumps(arn)}, reason: …, by: …}}]"
            raise Refused(f"{arn} is refused: {why}", object=arn, operation=f"guard {guard}", remedy=f"{remedy}; {add}" if remedy else add)
        with self._lock:
            if lifted not in self.lifted:
                self.lifted.append(lifted)

    def check(self, arn: str, *, discovered: bool) -> None:
        """Raises ``Refused`` with the guard, the object and what to do."""
        if identity(arn) in self._own:
            raise Refused(
                f"{arn} is refused: it is the identity that runs this command, and cutting it would end the response", object=arn,
                operation="guard caller", remedy="run the same command from another identity, e.g. break-glass: AWS_PROFILE=break-glass ansible-playbook …",
            )  # fmt: skip
        if (via := self._chain.get(identity(arn))) is not None:
            why = "the responder's role is reached through it" + (f": {via} trusts it" if via else "")
            self.refuse("trust_chain", arn, why, "run from another identity")
        if identity(arn) in self._protected:
            self.refuse("protected", arn, "it is listed under incident.protected", "")
        if discovered:
            self._count(arn)

    def _count(self, arn: str) -> None:
        """The ceiling holds for what was discovered; whom a person named is always handled."""
        with self._lock:
            if identity(arn) in self._discovered or len(self._discovered) < self._limit:
                self._discovered.add(identity(arn))
                return
        self.refuse(
            "limit", arn, f"this run has already added {self._limit} discovered identities (incident.limits.principals)",
            "look at it and name it under incident.suspects",
        )  # fmt: skip


def share_hash(shares: Mapping[str, t.Any]) -> str:
    """What a host may be handed: a hash over every account's share, so that a host refuses anything that the guard did not see."""
    return hashlib.sha256(json.dumps(shares, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

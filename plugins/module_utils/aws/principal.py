# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An identity in AWS that is, or may be, suspect."""

from __future__ import annotations

import dataclasses
import typing as t

from ..common.plan import Call, Target
from .credentials import service_specific_credential
from .session import Aws

READS = ("iam:GetUser", "iam:GetRole")


@dataclasses.dataclass
class Principal:
    """An identity. ``facts``: the answer of GetUser or GetRole. ``compromised``: key ids known to be in wrong hands.

    ``sessions``: names of the role sessions that are suspect; ``only``: contain nothing of it but these key ids (a credential that the
    attacker made for somebody else); ``sources``: ARNs from which a role was assumed by the attacker.
    """

    account: str
    kind: str  # user | role | root | identity_center_user
    name: str
    id: str
    arn: str
    suspect: str
    facts: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    discovered: str = ""  # how, when nobody named it
    compromised: set[str] = dataclasses.field(default_factory=set)
    sessions: set[str] = dataclasses.field(default_factory=set)
    sources: set[str] = dataclasses.field(default_factory=set)
    only: set[str] = dataclasses.field(default_factory=set)
    only_kinds: set[str] = dataclasses.field(default_factory=set)  # of credential, that ``only`` is of
    whole: bool = False  # the identity itself was named, so every credential that it holds counts as compromised
    planted: bool = False  # a suspect wrote the trust policy of this role, and it has not been mended
    forced: str = ""  # what is done to this role whoever else uses it, since the suspect made it or it works against the response
    inline: set[str] | None = None  # names of its inline policies, once they have been listed
    used: str = ""  # of the key that was reported: when, by which service, where
    cloud: str = "aws"

    @property
    def target(self) -> Target:
        return Target("aws", self.account)

    @property
    def phantom(self) -> str:
        """What it exists for, when a console made it to hold an API key; "" otherwise."""
        return service_specific_credential.phantom(self.name) if self.kind == "user" else ""

    def row(self) -> dict[str, t.Any]:
        """The ``Principal`` of interfaces.md."""
        return {"cloud": "aws", "account": self.account, "kind": self.kind, "id": self.id, "arn": self.arn, "name": self.name,
                "suspect": self.suspect, "state": "resolved", "reason": "; ".join(filter(None, (self.discovered, self.phantom)))}  # fmt: skip

    def join(self, other: Principal) -> bool:
        """Two suspects that are one identity: everything known of both. Whether more of its credentials are to be contained now."""
        before = set(self.only), self.planted, self.forced
        for name in ("compromised", "sessions", "sources", "only_kinds"):
            getattr(self, name).update(getattr(other, name))
        self.only = self.only | other.only if self.only and other.only else set()
        self.whole, self.planted, self.forced = self.whole or other.whole, self.planted or other.planted, self.forced or other.forced
        self.used = self.used or other.used
        return before != (self.only, self.planted, self.forced)


def user(aws: Aws, account: str, name: str, suspect: str) -> Principal:
    facts = aws.call(Call(Target("aws", account), "iam", "GetUser", {"UserName": name}))["User"]
    return Principal(account, "user", facts["UserName"], facts["UserId"], facts["Arn"], suspect, facts)


def role(aws: Aws, account: str, name: str, suspect: str) -> Principal:
    facts = aws.call(Call(Target("aws", account), "iam", "GetRole", {"RoleName": name}))["Role"]
    return Principal(account, "role", facts["RoleName"], facts["RoleId"], facts["Arn"], suspect, facts)

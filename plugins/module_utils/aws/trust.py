# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trust policy that a suspect wrote: whom it must not let in any more.

What it was before is not always known, so it is narrowed: contained identities, everybody ("*") and accounts that are not of the organization go; services,
federation and everybody else stay, since a workload may need them.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

from ..common import edits
from ..common.errors import EvictError
from ..common.guard import identity
from ..common.plan import Call, Edit, Phase, Probe, Step, Target
from ..common.reader import Reader
from . import put_back
from .principal import Principal
from .session import Aws

READS = ("iam:GetRole", "organizations:DescribeAccount")
_NOBODY = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}  # AWS refuses a trust policy without a statement


def mend(aws: Aws, arn: str, contained: set[str], trusted: t.Iterable[str], reader: Reader, role: Principal | None) -> Iterator[Step]:
    """The Step that narrows the trust policy of the role ``arn``, if it lets in whom it must not. ``contained``: identities.

    ``role``: is told when nothing of what a suspect wrote is left.
    """
    account = arn.split(":")[4]
    target, who = Target("aws", account), {"RoleName": arn.rsplit("/", 1)[-1]}
    probe = Probe(Call(target, "iam", "GetRole", who), ("Role", "AssumeRolePolicyDocument"), put_back.ABSENT)
    before = reader.read(probe)
    if before is None:
        return
    inside = _Inside(aws, account, contained, {identity(name) for name in trusted})
    old = edits.statements_of(before)
    new = [s for statement in old for s in _narrowed(statement, inside)]
    if role:
        role.planted = False
    if new == old:
        return
    arguments = {"remove": [s for s in old if s not in new], "add": [s for s in new if s not in old] or ([] if new else [_NOBODY])}
    document = {"kind": "iam.role-trust", **who}
    yield Step(
        id=f"{arn}{put_back.HELD}trust", principal=arn, resource=f"{arn} trust policy", action=f"let in no more: {', '.join(sorted(inside.refused))}",
        phase=Phase.RESOURCE, before=before, after=edits.apply("swap_statements", before, arguments), probe=probe,
        do=(Edit(target, document, "swap_statements", arguments),),
        undo=(Edit(target, document, "swap_statements", {"remove": arguments["add"], "add": arguments["remove"]}),),
    )  # fmt: skip


def _narrowed(statement: dict[str, t.Any], inside: _Inside) -> list[dict[str, t.Any]]:
    principal = statement.get("Principal")
    if statement.get("Effect") != "Allow" or not principal:
        return [statement]
    by_kind = {"AWS": principal} if isinstance(principal, str) else dict(principal)
    names = by_kind.get("AWS", [])
    kept = [name for name in ([names] if isinstance(names, str) else names) if inside(str(name))]
    if kept == ([names] if isinstance(names, str) else names):
        return [statement]
    by_kind["AWS"] = kept[0] if len(kept) == 1 else kept
    if not kept:
        del by_kind["AWS"]
    return [{**statement, "Principal": by_kind}] if by_kind else []


def in_organization(aws: Aws, account: str) -> bool:
    """Whether ``account`` is the caller's or, as far as anybody can say, in its organization."""
    if account == aws.caller["account"]:
        return True
    try:
        aws.call(Call(Target("aws", ""), "organizations", "DescribeAccount", {"AccountId": account}))
    except EvictError:
        return False  # not ours, or nobody can say: a suspect let it in
    return True


class _Inside:
    """Whether a name in a trust policy may go on assuming the role; ``refused``: those that may not."""

    def __init__(self, aws: Aws, account: str, contained: set[str], trusted: set[str]) -> None:
        self._aws, self._contained, self._trusted, self.refused = aws, contained, trusted, set[str]()
        self._ours = {account: True}

    def __call__(self, name: str) -> bool:
        found = identity(name) in self._trusted or (identity(name) not in self._contained and self._of_ours(name))
        if not found:
            self.refused.add(name)
        return found

    def _of_ours(self, name: str) -> bool:
        account = re.search(r"\b\d{12}\b", name)
        if account is None:
            return name != "*"  # the id of an identity that is deleted lets nobody in
        if account[0] not in self._ours:
            self._ours[account[0]] = in_organization(self._aws, account[0])
        return self._ours[account[0]]

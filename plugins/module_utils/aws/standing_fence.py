# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fence above the account that an organization deploys beforehand: a service control policy that waits for a tag. Pure.

``TAG`` on a user or role, with any value, denies it everything, so that containment is one call to IAM and needs no right to Organizations. Nobody but the
exempt can set or remove that tag, pass it with a session, change what carries it, take the quarantine policy away, or take this policy off an account.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable

from ..common.errors import EvictError
from . import deny_all
from . import service_control as scp

NAME = "evict-standing-fence"
TAG = "evict-quarantine"
POLICY = "evict-quarantine"  # a customer-managed deny that an organization may keep in every account
_ARN = re.compile(r"arn:(aws[\w-]*):iam::(\d{12}|\*):(?:user|role)/[\w+=,.@/-]{1,576}", re.ASCII)
_DETACH = [f"iam:Detach{noun}Policy" for noun in ("User", "Role", "Group")]
_TAGS = ["iam:TagUser", "iam:TagRole", "iam:UntagUser", "iam:UntagRole", "iam:CreateUser", "iam:CreateRole", "sts:TagSession"]
_VERSIONS = ["iam:CreatePolicy*", "iam:DeletePolicy*", "iam:SetDefaultPolicyVersion"]


def document(exempt: Iterable[str], partition: str = "aws") -> dict[str, t.Any]:
    """The policy. ``exempt``: ARNs of users and roles; of the account alone ``*`` may stand for all, since nobody else can make or change such a role.

    Any value of the tag counts, an empty one too. Whether ``Null`` takes an empty one for none is not documented, so it is said in a second way: with a
    session tag an outsider, whom no policy of the organization binds, could override the tag of a role that trusts him. Keys of tags are told apart
    without regard to case, and so is this one.
    """
    arns = sorted(set(exempt))
    if not arns:
        raise EvictError("a standing fence without anybody exempt could never be lifted", object=NAME, operation="render",
                         remedy="name the responder's role and the break-glass role")  # fmt: skip
    if wrong := [arn for arn in arns if not _ARN.fullmatch(arn)]:
        raise EvictError(f"not the exact ARN of a user or role: {', '.join(wrong)}", object=NAME, operation="render",
                         remedy="no wildcard but in the place of the account")  # fmt: skip
    but = {"ArnNotLike": {"aws:PrincipalArn": arns}}
    kept = [f"arn:{partition}:iam::*:policy/{POLICY}", f"arn:{partition}:iam::aws:policy/{deny_all.NAME}"]
    return scp.document([
        _deny("Quarantine", "*", "*", {"Null": {f"aws:PrincipalTag/{TAG}": "false"}}),
        _deny("Empty", "*", "*", {"StringLike": {f"aws:PrincipalTag/{TAG}": "*"}}),
        _deny("Tag", _TAGS, "*", {"ForAnyValue:StringEqualsIgnoreCase": {"aws:TagKeys": [TAG]}, **but}),
        _deny("Tagged", list(scp.WRITES), "*", {"Null": {f"aws:ResourceTag/{TAG}": "false"}, **but}),
        _deny("Detach", _DETACH, "*", {"ArnLike": {"iam:PolicyARN": kept}, **but}),
        _deny("Version", _VERSIONS, kept[0], but),
        _deny("Exempt", list(scp.WRITES), arns, but),
        scp.undoing("EvictStandingUndoing", arns),
    ])  # fmt: skip


def _deny(sid: str, action: t.Any, resource: t.Any, condition: dict[str, t.Any]) -> scp.Statement:
    return {"Sid": f"EvictStanding{sid}", "Effect": "Deny", "Action": action, "Resource": resource, "Condition": condition}


def commands(text: str, target: str) -> list[str]:
    """How a person deploys it, from the management account: printed, never run. ``target``: of the organization, where it is to hold."""
    return [
        f"aws organizations create-policy --type SERVICE_CONTROL_POLICY --name {NAME} --description 'Waits for the tag {TAG}' --content '{text}'",
        f"aws organizations attach-policy --target-id {target} --policy-id <the id it prints>",
    ]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identities that AWS lets nobody fence by a policy of their own."""

from __future__ import annotations

import json
import typing as t

from ..common.errors import Refused
from . import identity_center
from .principal import Principal


def refuse(principal: Principal) -> None:
    """Roles and identities that AWS itself does not let anybody fence by an identity policy: says which layer to use instead."""
    path = str(principal.facts.get("Path", "/"))
    if principal.kind == identity_center.KIND:
        raise Refused(
            f"{principal.arn} ({principal.name}) is a user of IAM Identity Center: no policy of IAM is theirs alone", object=principal.arn,
            operation="guard Identity Center role", remedy="name them under incident.suspects and run aws_contain (contain.yml)",
        )  # fmt: skip
    if principal.kind == "root":
        raise Refused(
            f"{principal.arn} is the root user: no IAM policy binds it", object=principal.arn, operation="guard root",
            remedy="name it under incident.suspects and run aws_contain (contain.yml); by hand, for a member account, attach this SCP from the management"
            " account, and sign in to delete the root's access keys: "
            + _scp({"StringLike": {"aws:PrincipalArn": principal.arn}}),
        )  # fmt: skip
    if path.startswith("/aws-service-role/"):
        raise Refused(
            f"{principal.arn} is a service-linked role: AWS lets nobody change its policies or revoke its sessions", object=principal.arn,
            operation="guard service-linked role", remedy="contain what drives the service (the identity that configured it), not the role",
        )  # fmt: skip
    if path.startswith("/aws-reserved/"):  # its name alone says nothing: anybody may begin one so
        session = sorted(principal.sessions) or ["<user name>"]
        scp = _scp({"StringLike": {"aws:userId": [f"*:{name}" for name in session]}, "ArnLike": {"aws:PrincipalArn": principal.arn}})
        raise Refused(
            f"{principal.arn} belongs to IAM Identity Center: IAM refuses to change it, and whoever has its permission set shares it",
            object=principal.arn, operation="guard Identity Center role",
            remedy="name the person instead: identity_center_user: NAME, or the session arn:aws:sts::ACCOUNT:assumed-role/AWSReservedSSO_…/NAME. By hand:"
            " disable the user in the identity provider, then, from the management account: aws organizations create-policy --type"
            f" SERVICE_CONTROL_POLICY --name evict-identity-center --description incident --content '{scp}' and aws organizations attach-policy"
            f" --policy-id <the id it prints> --target-id {principal.account}",
        )  # fmt: skip


def _scp(condition: dict[str, t.Any]) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Sid": "Evict", "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}],
        },
        separators=(",", ":"),
    )

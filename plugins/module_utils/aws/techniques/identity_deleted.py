# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-91: Attacker lockout or clean-up of identities (own keys, victims' keys, users, policies, IdP deleted)."""

from __future__ import annotations

ID = "AWS-91"
NAME = "Attacker lockout or clean-up of identities (own keys, victims' keys, users, policies, IdP deleted)"
TACTIC = "defense-evasion"
MITRE = (
    "T1070",
    "T1531",
)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:DeleteAccessKey": "{q.accessKeyId} of {at.iam}user/{q.userName}",
    "iam:DeleteUser": "{at.iam}user/{q.userName}",
    "iam:DeleteLoginProfile": "console password of {at.iam}user/{q.userName}",
    "iam:DetachRolePolicy": "{q.policyArn} on {at.iam}role/{q.roleName}",
    "iam:DetachUserPolicy": "{q.policyArn} on {at.iam}user/{q.userName}",
    "iam:DeleteUserPolicy": "policy {q.policyName} of {at.iam}user/{q.userName}",
    "iam:DeleteRolePolicy": "policy {q.policyName} of {at.iam}role/{q.roleName}",
    "iam:DeleteGroup": "{at.iam}group/{q.groupName}",
    "iam:RemoveUserFromGroup": "{at.iam}user/{q.userName} in {at.iam}group/{q.groupName}",
    "iam:DeleteSAMLProvider": "{q.sAMLProviderArn}",
}
LOOKALIKE = "planned logging migration by the platform team"

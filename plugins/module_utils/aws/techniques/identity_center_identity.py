# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-19: IAM Identity Center: rogue user, group membership, permission set or account assignment."""

from __future__ import annotations

ID = "AWS-19"
NAME = "IAM Identity Center: rogue user, group membership, permission set or account assignment"
TACTIC = "persistence"
MITRE = (
    "T1136.003",
    "T1098.003",
)
TIER = 1
EVENTS: dict[str, str] = {
    "sso-directory:CreateUser": "Identity Center user {r.user.userId|q.userName}",
    "sso-directory:CreateGroup": "Identity Center group {r.group.groupId|q.displayName}",
    "sso-directory:AddMemberToGroup": "Identity Center user {q.member.memberId|q.memberId} in group {q.groupId}",
    "sso:CreatePermissionSet": "{r.permissionSet.permissionSetArn}",
    "sso:AttachManagedPolicyToPermissionSet": "{q.managedPolicyArn} on {q.permissionSetArn}",
    "sso:PutInlinePolicyToPermissionSet": "inline policy of {q.permissionSetArn}",
    "sso:CreateAccountAssignment": "{q.permissionSetArn} for {q.principalType} {q.principalId} in {q.targetId}",
    "sso:ProvisionPermissionSet": "{q.permissionSetArn}",
    "sso:UpdateSsoConfiguration": "Identity Center configuration",
    "sso-directory:UpdatePassword": "password of Identity Center user {q.userId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-69: Organizations: leave, SCP detached/weakened, delegated admin, invite, account created."""

from __future__ import annotations

ID = "AWS-69"
NAME = "Organizations: leave, SCP detached/weakened, delegated admin, invite, account created"
TACTIC = "defense-evasion"
MITRE = (
    "T1666",
    "T1484",
)
TIER = 1
EVENTS: dict[str, str] = {
    "organizations:LeaveOrganization": "account {account}",
    "organizations:DetachPolicy": "policy {q.policyId} on {q.targetId}",
    "organizations:UpdatePolicy": "policy {q.policyId}",
    "organizations:DeletePolicy": "policy {q.policyId}",
    "organizations:DisablePolicyType": "{q.policyType} of {q.rootId}",
    "organizations:MoveAccount": "account {q.accountId}",
    "organizations:RegisterDelegatedAdministrator": "account {q.accountId} for {q.servicePrincipal}",
    "organizations:EnableAWSServiceAccess": "service {q.servicePrincipal}",
    "organizations:InviteAccountToOrganization": "account {q.target.id}",
    "organizations:CreateAccount": "account {r.createAccountStatus.id}",
    "organizations:CloseAccount": "account {q.accountId}",
    "organizations:PutResourcePolicy": "resource policy of the organization",
}
LOOKALIKE = "planned logging migration by the platform team"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-21: Service-specific credential (CodeCommit, Keyspaces, long-term Bedrock API key)."""

from __future__ import annotations

ID = "AWS-21"
NAME = "Service-specific credential (CodeCommit, Keyspaces, long-term Bedrock API key)"
TACTIC = "persistence"
MITRE = ("T1098.001",)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:CreateServiceSpecificCredential": "{r.serviceSpecificCredential.serviceSpecificCredentialId} of {at.iam}user/{q.userName}",
    "iam:ResetServiceSpecificCredential": "{q.serviceSpecificCredentialId}",
    "iam:UpdateServiceSpecificCredential": "{q.serviceSpecificCredentialId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

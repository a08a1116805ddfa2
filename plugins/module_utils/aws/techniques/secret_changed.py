# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-40: Secrets Manager resource policy, rotation function, replica or version stage hijack."""

from __future__ import annotations

ID = "AWS-40"
NAME = "Secrets Manager resource policy, rotation function, replica or version stage hijack"
TACTIC = "persistence"
MITRE = (
    "T1098.003",
    "T1555.006",
)
TIER = 2
EVENTS: dict[str, str] = {
    "secretsmanager:PutResourcePolicy": "{r.aRN|q.secretId}",
    "secretsmanager:RotateSecret": "{r.aRN|q.secretId}",
    "secretsmanager:ReplicateSecretToRegions": "{r.aRN|q.secretId}",
    "secretsmanager:StopReplicationToReplica": "{r.aRN|q.secretId}",
    "secretsmanager:UpdateSecretVersionStage": "{r.aRN|q.secretId}",
    "secretsmanager:PutSecretValue": "{r.aRN|q.secretId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

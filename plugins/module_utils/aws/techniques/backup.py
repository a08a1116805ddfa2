# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-77: DLM policy, AWS Backup copy or vault policy to foreign account; recovery points deleted."""

from __future__ import annotations

ID = "AWS-77"
NAME = "DLM policy, AWS Backup copy or vault policy to foreign account; recovery points deleted"
TACTIC = "exfiltration"
MITRE = (
    "T1537",
    "T1490",
)
TIER = 2
EVENTS: dict[str, str] = {
    "dlm:CreateLifecyclePolicy": "{at.dlm}policy/{r.policyId}",
    "backup:PutBackupVaultAccessPolicy": "{at.backup}backup-vault:{q.backupVaultName}",
    "backup:StartCopyJob": "{q.recoveryPointArn} to {q.destinationBackupVaultArn}",
    "backup:DeleteRecoveryPoint": "{q.recoveryPointArn}",
    "backup:DeleteBackupVault": "{at.backup}backup-vault:{q.backupVaultName}",
    "backup:DeleteBackupVaultLockConfiguration": "{at.backup}backup-vault:{q.backupVaultName}",
}
LOOKALIKE = "sharing with a listed partner/DR account"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-34: RDS snapshot shared, exported, or instance exposed / master password reset."""

from __future__ import annotations

ID = "AWS-34"
NAME = "RDS snapshot shared, exported, or instance exposed / master password reset"
TACTIC = "exfiltration"
MITRE = (
    "T1537",
    "T1098",
)
TIER = 1
EVENTS: dict[str, str] = {
    "rds:ModifyDBSnapshotAttribute": "{at.rds}snapshot:{q.dBSnapshotIdentifier}",
    "rds:ModifyDBClusterSnapshotAttribute": "{at.rds}cluster-snapshot:{q.dBClusterSnapshotIdentifier}",
    "rds:StartExportTask": "export {q.exportTaskIdentifier} to {q.s3BucketName}",
    "rds:ModifyDBInstance": "{at.rds}db:{q.dBInstanceIdentifier}",
    "rds:CreateDBSnapshot": "{at.rds}snapshot:{q.dBSnapshotIdentifier}",
    "rds:RestoreDBInstanceFromDBSnapshot": "{at.rds}db:{q.dBInstanceIdentifier}",
}
LOOKALIKE = "sharing with a listed partner/DR account"

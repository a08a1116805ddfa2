# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-92: Mass destruction: databases, volumes, snapshots, file systems, functions, tables."""

from __future__ import annotations

ID = "AWS-92"
NAME = "Mass destruction: databases, volumes, snapshots, file systems, functions, tables"
TACTIC = "impact"
MITRE = (
    "T1485",
    "T1490",
)
TIER = 1
EVENTS: dict[str, str] = {
    "rds:DeleteDBCluster": "{at.rds}cluster:{q.dBClusterIdentifier}",
    "rds:DeleteDBInstance": "{at.rds}db:{q.dBInstanceIdentifier}",
    "rds:DeleteGlobalCluster": "global cluster {q.globalClusterIdentifier}",
    "rds:DeleteDBSnapshot": "{at.rds}snapshot:{q.dBSnapshotIdentifier}",
    "rds:DeleteDBClusterSnapshot": "{at.rds}cluster-snapshot:{q.dBClusterSnapshotIdentifier}",
    "rds:ModifyDBCluster": "{at.rds}cluster:{q.dBClusterIdentifier}",
    "ec2:TerminateInstances": "{at.ec2}instance/{q.instancesSet.items[].instanceId}",
    "ec2:DeleteVolume": "{at.ec2}volume/{q.volumeId}",
    "ec2:DeleteSnapshot": "{at.ec2}snapshot/{q.snapshotId}",
    "ec2:DeregisterImage": "{at.ec2}image/{q.imageId}",
    "elasticfilesystem:DeleteFileSystem": "{at.elasticfilesystem}file-system/{q.fileSystemId}",
    "elasticfilesystem:DeleteMountTarget": "mount target {q.mountTargetId} in {region}",
    "lambda:DeleteFunction20150331": "{at.lambda}function:{q.functionName}",
}
LOOKALIKE = "decommissioning or load test by an owner"

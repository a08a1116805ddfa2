# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-36: S3 replication, notification, inventory or batch job to an attacker bucket."""

from __future__ import annotations

ID = "AWS-36"
NAME = "S3 replication, notification, inventory or batch job to an attacker bucket"
TACTIC = "exfiltration"
MITRE = (
    "T1537",
    "T1020",
)
TIER = 2
EVENTS: dict[str, str] = {
    "s3:PutBucketReplication": "arn:{partition}:s3:::{q.bucketName}",
    "s3:PutBucketNotification": "arn:{partition}:s3:::{q.bucketName}",
    "s3:PutBucketInventoryConfiguration": "arn:{partition}:s3:::{q.bucketName}",
    "s3:CreateJob": "batch job {r.jobId}",
}
LOOKALIKE = "sharing with a listed partner/DR account"

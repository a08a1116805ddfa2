# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-35: S3 bucket policy / ACL / public access block / access point policy opened."""

from __future__ import annotations

ID = "AWS-35"
NAME = "S3 bucket policy / ACL / public access block / access point policy opened"
TACTIC = "exfiltration"
MITRE = (
    "T1530",
    "T1098.003",
)
TIER = 1
EVENTS: dict[str, str] = {
    "s3:PutBucketPolicy": "arn:{partition}:s3:::{q.bucketName}",
    "s3:PutBucketAcl": "arn:{partition}:s3:::{q.bucketName}",
    "s3:PutObjectAcl": "arn:{partition}:s3:::{q.bucketName}/{q.key}",
    "s3:DeleteBucketPublicAccessBlock": "arn:{partition}:s3:::{q.bucketName}",
    "s3:PutBucketPublicAccessBlock": "arn:{partition}:s3:::{q.bucketName}",
    "s3:DeleteBucketPolicy": "arn:{partition}:s3:::{q.bucketName}",
    "s3:PutBucketOwnershipControls": "arn:{partition}:s3:::{q.bucketName}",
    "s3:PutAccessPointPolicy": "{at.s3}accesspoint/{q.name}",
}
LOOKALIKE = "sharing with a listed partner/DR account"

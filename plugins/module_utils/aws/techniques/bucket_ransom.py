# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-37: S3 ransom: SSE-C overwrite, foreign KMS key, versioning off, short lifecycle, mass delete."""

from __future__ import annotations

ID = "AWS-37"
NAME = "S3 ransom: SSE-C overwrite, foreign KMS key, versioning off, short lifecycle, mass delete"
TACTIC = "impact"
MITRE = (
    "T1486",
    "T1485",
    "T1490",
)
TIER = 1
EVENTS: dict[str, str] = {
    "s3:CopyObject": "arn:{partition}:s3:::{q.bucketName}/{q.key}",
    "s3:PutObject": "arn:{partition}:s3:::{q.bucketName}/{q.key}",
    "s3:PutBucketVersioning": "arn:{partition}:s3:::{q.bucketName}",
    "s3:PutBucketLifecycle": "arn:{partition}:s3:::{q.bucketName}",
    "s3:DeleteObjects": "arn:{partition}:s3:::{q.bucketName}",
    "s3:DeleteObject": "arn:{partition}:s3:::{q.bucketName}/{q.key}",
    "s3:PutBucketEncryption": "arn:{partition}:s3:::{q.bucketName}",
}
LOOKALIKE = "decommissioning or load test by an owner"

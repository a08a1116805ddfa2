# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-63: Log store tampering: trail bucket lifecycle/policy/objects, KMS key, log group."""

from __future__ import annotations

ID = "AWS-63"
NAME = "Log store tampering: trail bucket lifecycle/policy/objects, KMS key, log group"
TACTIC = "defense-evasion"
MITRE = (
    "T1562.008",
    "T1070",
)
TIER = 1
EVENTS: dict[str, str] = {
    "s3:DeleteBucket": "arn:{partition}:s3:::{q.bucketName}",
    "logs:DeleteLogGroup": "{at.logs}log-group:{q.logGroupName}",
    "logs:DeleteLogStream": "{at.logs}log-group:{q.logGroupName}:log-stream:{q.logStreamName}",
    "logs:PutRetentionPolicy": "{at.logs}log-group:{q.logGroupName}",
}
LOOKALIKE = "planned logging migration by the platform team"

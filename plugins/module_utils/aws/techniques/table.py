# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-79: DynamoDB export, resource policy, stream to lambda."""

from __future__ import annotations

ID = "AWS-79"
NAME = "DynamoDB export, resource policy, stream to lambda"
TACTIC = "exfiltration"
MITRE = ("T1537",)
TIER = 3
EVENTS: dict[str, str] = {
    "dynamodb:ExportTableToPointInTime": "{q.tableArn} to bucket {q.s3Bucket}",
    "dynamodb:PutResourcePolicy": "{q.resourceArn}",
    "dynamodb:UpdateTable": "{at.dynamodb}table/{q.tableName}",
    "dynamodb:Scan": "{at.dynamodb}table/{q.tableName}",
    "dynamodb:DeleteTable": "{at.dynamodb}table/{q.tableName}",
}
LOOKALIKE = "sharing with a listed partner/DR account"

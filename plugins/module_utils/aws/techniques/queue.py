# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-59: SQS queue policy or DLQ redrive."""

from __future__ import annotations

ID = "AWS-59"
NAME = "SQS queue policy or DLQ redrive"
TACTIC = "exfiltration"
MITRE = ("T1098.003",)
TIER = 3
EVENTS: dict[str, str] = {
    "sqs:AddPermission": "queue {q.queueUrl}",
    "sqs:SetQueueAttributes": "queue {q.queueUrl}",
    "sqs:StartMessageMoveTask": "{q.sourceArn}",
    "sqs:PurgeQueue": "queue {q.queueUrl}",
}
LOOKALIKE = "sharing with a listed partner/DR account"

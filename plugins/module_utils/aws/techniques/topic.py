# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-58: SNS topic policy or subscription."""

from __future__ import annotations

ID = "AWS-58"
NAME = "SNS topic policy or subscription"
TACTIC = "exfiltration"
MITRE = (
    "T1020",
    "T1098.003",
)
TIER = 2
EVENTS: dict[str, str] = {
    "sns:Subscribe": "{r.subscriptionArn|q.topicArn}",
    "sns:AddPermission": "{q.topicArn}",
    "sns:SetTopicAttributes": "{q.topicArn}",
}
LOOKALIKE = "sharing with a listed partner/DR account"

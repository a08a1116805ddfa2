# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-48: CloudFormation stack, stack set, service role or CDK bootstrap trust."""

from __future__ import annotations

ID = "AWS-48"
NAME = "CloudFormation stack, stack set, service role or CDK bootstrap trust"
TACTIC = "persistence"
MITRE = (
    "T1578",
    "T1648",
)
TIER = 2
EVENTS: dict[str, str] = {
    "cloudformation:CreateStack": "{r.stackId}",
    "cloudformation:UpdateStack": "{r.stackId|q.stackName}",
    "cloudformation:CreateChangeSet": "{r.id}",
    "cloudformation:CreateStackSet": "stack set {q.stackSetName}",
    "cloudformation:CreateStackInstances": "stack set {q.stackSetName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-73: Launch template version or default changed (backdoor future instances)."""

from __future__ import annotations

ID = "AWS-73"
NAME = "Launch template version or default changed (backdoor future instances)"
TACTIC = "persistence"
MITRE = (
    "T1546",
    "T1525",
)
TIER = 1
EVENTS: dict[str, str] = {
    "ec2:CreateLaunchTemplateVersion": "{at.ec2}launch-template/{q.launchTemplateId}",
    "ec2:ModifyLaunchTemplate": "{at.ec2}launch-template/{q.launchTemplateId}",
    "autoscaling:UpdateAutoScalingGroup": "Auto Scaling group {q.autoScalingGroupName} in {region}",
    "autoscaling:CreateLaunchConfiguration": "launch configuration {q.launchConfigurationName} in {region}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

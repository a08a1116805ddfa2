# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-24: Instance profile swapped or role added to profile."""

from __future__ import annotations

ID = "AWS-24"
NAME = "Instance profile swapped or role added to profile"
TACTIC = "privilege-escalation"
MITRE = ("T1098.003",)
TIER = 1
EVENTS: dict[str, str] = {
    "ec2:AssociateIamInstanceProfile": "{at.ec2}instance/{q.instanceId}",
    "ec2:ReplaceIamInstanceProfileAssociation": "association {q.associationId}",
    "iam:AddRoleToInstanceProfile": "{at.iam}instance-profile/{q.instanceProfileName}",
    "iam:CreateInstanceProfile": "{r.instanceProfile.arn}",
}
LOOKALIKE = "access review or onboarding change by an admin outside the taint set"

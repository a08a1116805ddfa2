# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-11: Managed policy attached to user, role or group."""

from __future__ import annotations

ID = "AWS-11"
NAME = "Managed policy attached to user, role or group"
TACTIC = "privilege-escalation"
MITRE = ("T1098.003",)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:AttachUserPolicy": "{q.policyArn} on {at.iam}user/{q.userName}",
    "iam:AttachRolePolicy": "{q.policyArn} on {at.iam}role/{q.roleName}",
    "iam:AttachGroupPolicy": "{q.policyArn} on {at.iam}group/{q.groupName}",
}
LOOKALIKE = "access review or onboarding change by an admin outside the taint set"

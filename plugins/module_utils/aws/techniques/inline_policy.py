# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-12: Inline policy written on user, role or group."""

from __future__ import annotations

ID = "AWS-12"
NAME = "Inline policy written on user, role or group"
TACTIC = "privilege-escalation"
MITRE = ("T1098.003",)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:PutUserPolicy": "policy {q.policyName} of {at.iam}user/{q.userName}",
    "iam:PutRolePolicy": "policy {q.policyName} of {at.iam}role/{q.roleName}",
    "iam:PutGroupPolicy": "policy {q.policyName} of {at.iam}group/{q.groupName}",
}
LOOKALIKE = "access review or onboarding change by an admin outside the taint set"

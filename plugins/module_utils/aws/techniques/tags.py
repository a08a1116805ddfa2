# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-86: Tag or session-tag manipulation to satisfy ABAC."""

from __future__ import annotations

ID = "AWS-86"
NAME = "Tag or session-tag manipulation to satisfy ABAC"
TACTIC = "privilege-escalation"
MITRE = ("T1098.003",)
TIER = 3
EVENTS: dict[str, str] = {
    "iam:TagUser": "tags of {at.iam}user/{q.userName}",
    "iam:TagRole": "tags of {at.iam}role/{q.roleName}",
    "iam:UntagRole": "tags of {at.iam}role/{q.roleName}",
    "ec2:CreateTags": "tags of {q.resourcesSet.items[].resourceId}",
    "ec2:DeleteTags": "tags of {q.resourcesSet.items[].resourceId}",
}
LOOKALIKE = "access review or onboarding change by an admin outside the taint set"

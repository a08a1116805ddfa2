# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-15: User added to a privileged group."""

from __future__ import annotations

ID = "AWS-15"
NAME = "User added to a privileged group"
TACTIC = "privilege-escalation"
MITRE = ("T1098.007",)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:AddUserToGroup": "{at.iam}user/{q.userName} in {at.iam}group/{q.groupName}",
    "iam:CreateGroup": "{r.group.arn}",
}
LOOKALIKE = "access review or onboarding change by an admin outside the taint set"

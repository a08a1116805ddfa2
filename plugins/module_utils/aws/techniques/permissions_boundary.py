# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-14: Permissions boundary removed or loosened."""

from __future__ import annotations

ID = "AWS-14"
NAME = "Permissions boundary removed or loosened"
TACTIC = "privilege-escalation"
MITRE = ("T1098.003",)
TIER = 2
EVENTS: dict[str, str] = {
    "iam:DeleteUserPermissionsBoundary": "boundary of {at.iam}user/{q.userName}",
    "iam:DeleteRolePermissionsBoundary": "boundary of {at.iam}role/{q.roleName}",
    "iam:PutUserPermissionsBoundary": "boundary of {at.iam}user/{q.userName}",
    "iam:PutRolePermissionsBoundary": "boundary of {at.iam}role/{q.roleName}",
}
LOOKALIKE = "access review or onboarding change by an admin outside the taint set"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-04: Root credentials: root access key, root password recovery, AssumeRoot from the management account."""

from __future__ import annotations

from .naming import Act

ID = "AWS-04"
NAME = "Root credentials: root access key, root password recovery, AssumeRoot from the management account"
TACTIC = "persistence"
MITRE = (
    "T1098.001",
    "T1078.004",
)
TIER = 1
EVENTS: dict[str, str] = {
    "sts:AssumeRoot": "arn:{partition}:iam::{q.targetPrincipal}:root",
    "signin:PasswordRecoveryRequested": "{at.iam}root",
    "iam:EnableOrganizationsRootSessions": "organization, root sessions",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"


def claims(act: Act) -> bool:
    """The same calls as of a user, made by root itself."""
    return act.actor_type == "Root" and act.event in (
        "iam:CreateAccessKey",
        "iam:CreateLoginProfile",
        "iam:DeactivateMFADevice",
        "signin:ConsoleLogin",
    )

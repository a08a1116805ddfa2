# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-10: New role with admin policy and attacker trust."""

from __future__ import annotations

ID = "AWS-10"
NAME = "New role with admin policy and attacker trust"
TACTIC = "persistence"
MITRE = (
    "T1098.003",
    "T1136.003",
)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:CreateRole": "{r.role.arn}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

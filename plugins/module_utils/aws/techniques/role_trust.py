# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-09: Role trust policy backdoored (external account, wildcard, federated or service principal)."""

from __future__ import annotations

ID = "AWS-09"
NAME = "Role trust policy backdoored (external account, wildcard, federated or service principal)"
TACTIC = "persistence"
MITRE = (
    "T1098.003",
    "T1484.002",
)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:UpdateAssumeRolePolicy": "{at.iam}role/{q.roleName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-18: IAM Roles Anywhere trust anchor / profile."""

from __future__ import annotations

ID = "AWS-18"
NAME = "IAM Roles Anywhere trust anchor / profile"
TACTIC = "persistence"
MITRE = (
    "T1098.001",
    "T1484.002",
)
TIER = 1
EVENTS: dict[str, str] = {
    "rolesanywhere:CreateTrustAnchor": "{r.trustAnchor.trustAnchorArn}",
    "rolesanywhere:CreateProfile": "{r.profile.profileArn}",
    "rolesanywhere:UpdateTrustAnchor": "{at.rolesanywhere}trust-anchor/{q.trustAnchorId}",
    "rolesanywhere:ImportCrl": "{r.crl.crlArn}",
    "rolesanywhere:CreateSession": "session of {q.roleArn}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

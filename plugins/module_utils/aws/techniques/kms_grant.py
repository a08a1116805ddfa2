# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-38: KMS grant to attacker principal."""

from __future__ import annotations

ID = "AWS-38"
NAME = "KMS grant to attacker principal"
TACTIC = "persistence"
MITRE = ("T1098.001",)
TIER = 2
EVENTS: dict[str, str] = {
    "kms:CreateGrant": "grant {r.grantId} on {resource|q.keyId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

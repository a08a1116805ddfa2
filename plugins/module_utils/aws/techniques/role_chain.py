# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-08: Role-chain juggling (cycle of roles re-assumed before expiry)."""

from __future__ import annotations

ID = "AWS-08"
NAME = "Role-chain juggling (cycle of roles re-assumed before expiry)"
TACTIC = "persistence"
MITRE = ("T1550.001",)
TIER = 2
EVENTS: dict[str, str] = {}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

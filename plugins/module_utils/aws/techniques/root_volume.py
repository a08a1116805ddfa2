# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-78: Root volume replaced on a running instance."""

from __future__ import annotations

ID = "AWS-78"
NAME = "Root volume replaced on a running instance"
TACTIC = "persistence"
MITRE = ("T1525",)
TIER = 3
EVENTS: dict[str, str] = {
    "ec2:CreateReplaceRootVolumeTask": "{at.ec2}instance/{q.instanceId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

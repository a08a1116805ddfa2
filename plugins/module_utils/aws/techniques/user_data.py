# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-26: EC2 user data replaced (runs as root at boot)."""

from __future__ import annotations

ID = "AWS-26"
NAME = "EC2 user data replaced (runs as root at boot)"
TACTIC = "persistence"
MITRE = (
    "T1546",
    "T1651",
)
TIER = 1
EVENTS: dict[str, str] = {
    "ec2:ModifyInstanceAttribute": "{at.ec2}instance/{q.instanceId}",
    "ec2:StopInstances": "{at.ec2}instance/{q.instancesSet.items[].instanceId}",
    "ec2:StartInstances": "{at.ec2}instance/{q.instancesSet.items[].instanceId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

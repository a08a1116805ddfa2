# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-84: IMDSv1 re-enabled / hop limit raised."""

from __future__ import annotations

ID = "AWS-84"
NAME = "IMDSv1 re-enabled / hop limit raised"
TACTIC = "credential-access"
MITRE = (
    "T1552.005",
    "T1562.001",
)
TIER = 2
EVENTS: dict[str, str] = {
    "ec2:ModifyInstanceMetadataOptions": "{at.ec2}instance/{q.instanceId}",
    "ec2:ModifyInstanceMetadataDefaults": "instance metadata defaults in {region}",
}
LOOKALIKE = "normal workload reading its own secret from its own network"

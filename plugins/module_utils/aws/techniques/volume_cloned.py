# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-93: Volume cloned and attached to an attacker instance (offline read)."""

from __future__ import annotations

ID = "AWS-93"
NAME = "Volume cloned and attached to an attacker instance (offline read)"
TACTIC = "collection"
MITRE = (
    "T1530",
    "T1578.001",
)
TIER = 2
EVENTS: dict[str, str] = {
    "ec2:CreateVolume": "{at.ec2}volume/{r.volumeId}",
    "ec2:AttachVolume": "{at.ec2}volume/{q.volumeId}",
    "ec2:DetachVolume": "{at.ec2}volume/{q.volumeId}",
}
LOOKALIKE = "backup/forensics job"

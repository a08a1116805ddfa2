# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-33: EBS snapshot shared or public."""

from __future__ import annotations

ID = "AWS-33"
NAME = "EBS snapshot shared or public"
TACTIC = "exfiltration"
MITRE = (
    "T1537",
    "T1578.001",
)
TIER = 1
EVENTS: dict[str, str] = {
    "ec2:ModifySnapshotAttribute": "{at.ec2}snapshot/{q.snapshotId}",
    "ec2:CreateSnapshot": "{at.ec2}snapshot/{r.snapshotId}",
    "ec2:CopySnapshot": "{at.ec2}snapshot/{r.snapshotId}",
    "ec2:SharedSnapshotVolumeCreated": "{at.ec2}snapshot/{e.snapshotId}",
    "ec2:SharedSnapshotCopyInitiated": "{at.ec2}snapshot/{e.snapshotId}",
}
LOOKALIKE = "sharing with a listed partner/DR account"

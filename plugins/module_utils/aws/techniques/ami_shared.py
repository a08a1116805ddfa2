# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-32: AMI shared with an outside account or made public."""

from __future__ import annotations

ID = "AWS-32"
NAME = "AMI shared with an outside account or made public"
TACTIC = "exfiltration"
MITRE = ("T1537",)
TIER = 1
EVENTS: dict[str, str] = {
    "ec2:ModifyImageAttribute": "{at.ec2}image/{q.imageId}",
    "ec2:CreateImage": "{at.ec2}image/{r.imageId}",
    "ec2:CopyImage": "{at.ec2}image/{r.imageId}",
    "ec2:ExportImage": "export {r.exportImageTaskId}",
    "ec2:CreateStoreImageTask": "{q.imageId} in bucket {q.bucket}",
}
LOOKALIKE = "sharing with a listed partner/DR account"

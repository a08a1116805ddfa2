# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-74: RAM resource share / cross-account access."""

from __future__ import annotations

ID = "AWS-74"
NAME = "RAM resource share / cross-account access"
TACTIC = "exfiltration"
MITRE = ("T1537",)
TIER = 2
EVENTS: dict[str, str] = {
    "ram:CreateResourceShare": "{r.resourceShare.resourceShareArn}",
    "ram:AssociateResourceShare": "{q.resourceShareArn}",
    "ram:EnableSharingWithAwsOrganization": "sharing with the organization",
    "ram:UpdateResourceShare": "{q.resourceShareArn}",
}
LOOKALIKE = "sharing with a listed partner/DR account"

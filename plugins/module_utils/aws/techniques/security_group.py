# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-31: Security group or NACL opened."""

from __future__ import annotations

ID = "AWS-31"
NAME = "Security group or NACL opened"
TACTIC = "persistence"
MITRE = ("T1562.007",)
TIER = 1
EVENTS: dict[str, str] = {
    "ec2:AuthorizeSecurityGroupIngress": "{at.ec2}security-group/{q.groupId}",
    "ec2:AuthorizeSecurityGroupEgress": "{at.ec2}security-group/{q.groupId}",
    "ec2:ModifySecurityGroupRules": "{at.ec2}security-group/{q.groupId}",
    "ec2:CreateSecurityGroup": "{at.ec2}security-group/{r.groupId}",
    "ec2:CreateNetworkAclEntry": "{at.ec2}network-acl/{q.networkAclId}",
    "ec2:ReplaceNetworkAclEntry": "{at.ec2}network-acl/{q.networkAclId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

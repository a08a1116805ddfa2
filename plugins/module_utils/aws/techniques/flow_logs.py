# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-67: VPC flow logs / resolver query logs / DNS firewall removed."""

from __future__ import annotations

ID = "AWS-67"
NAME = "VPC flow logs / resolver query logs / DNS firewall removed"
TACTIC = "defense-evasion"
MITRE = ("T1562.008",)
TIER = 1
EVENTS: dict[str, str] = {
    "ec2:DeleteFlowLogs": "{at.ec2}vpc-flow-log/{q.flowLogId.content|q.flowLogIds[]}",
    "route53resolver:DeleteResolverQueryLogConfig": "{at.route53resolver}resolver-query-log-config/{q.resolverQueryLogConfigId}",
    "route53resolver:DisassociateResolverQueryLogConfig": "{at.route53resolver}resolver-query-log-config/{q.resolverQueryLogConfigId}",
    "route53resolver:DisassociateFirewallRuleGroup": "{q.firewallRuleGroupAssociationId}",
}
LOOKALIKE = "planned logging migration by the platform team"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-90: WAF / Shield / Network Firewall removed."""

from __future__ import annotations

ID = "AWS-90"
NAME = "WAF / Shield / Network Firewall removed"
TACTIC = "defense-evasion"
MITRE = ("T1562.007",)
TIER = 3
EVENTS: dict[str, str] = {
    "wafv2:DeleteWebACL": "web ACL {q.name} {q.id} in {region}",
    "wafv2:DisassociateWebACL": "{q.resourceArn}",
    "wafv2:UpdateIPSet": "IP set {q.name} {q.id} in {region}",
    "network-firewall:DeleteFirewall": "{q.firewallArn|q.firewallName}",
    "network-firewall:UpdateFirewallPolicyChangeProtection": "{q.firewallArn|q.firewallName}",
}
LOOKALIKE = "planned logging migration by the platform team"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-66: Security Hub, Macie, Inspector, Detective, Access Analyzer switched off or suppressed."""

from __future__ import annotations

ID = "AWS-66"
NAME = "Security Hub, Macie, Inspector, Detective, Access Analyzer switched off or suppressed"
TACTIC = "defense-evasion"
MITRE = ("T1562.001",)
TIER = 2
EVENTS: dict[str, str] = {
    "securityhub:DisableSecurityHub": "Security Hub in {region}",
    "securityhub:BatchDisableStandards": "{q.standardsSubscriptionArns[]}",
    "securityhub:CreateAutomationRule": "{r.ruleArn}",
    "securityhub:BatchUpdateFindings": "findings of Security Hub in {region}",
    "macie2:DisableMacie": "Macie in {region}",
    "inspector2:Disable": "Inspector in {region}",
    "access-analyzer:DeleteAnalyzer": "{at.access-analyzer}analyzer/{q.analyzerName}",
    "access-analyzer:CreateArchiveRule": "{at.access-analyzer}analyzer/{q.analyzerName}",
    "detective:DeleteGraph": "{q.graphArn}",
}
LOOKALIKE = "planned logging migration by the platform team"

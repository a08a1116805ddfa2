# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-64: GuardDuty disabled, suppressed, trusted IP, publishing removed, member detached."""

from __future__ import annotations

ID = "AWS-64"
NAME = "GuardDuty disabled, suppressed, trusted IP, publishing removed, member detached"
TACTIC = "defense-evasion"
MITRE = ("T1562.001",)
TIER = 1
EVENTS: dict[str, str] = {
    "guardduty:DeleteDetector": "{at.guardduty}detector/{q.detectorId}",
    "guardduty:UpdateDetector": "{at.guardduty}detector/{q.detectorId}",
    "guardduty:DeletePublishingDestination": "{at.guardduty}detector/{q.detectorId}",
    "guardduty:DisassociateFromAdministratorAccount": "{at.guardduty}detector/{q.detectorId}",
    "guardduty:DisassociateFromMasterAccount": "{at.guardduty}detector/{q.detectorId}",
    "guardduty:StopMonitoringMembers": "{at.guardduty}detector/{q.detectorId}",
    "guardduty:DeleteMembers": "{at.guardduty}detector/{q.detectorId}",
    "guardduty:ArchiveFindings": "{at.guardduty}detector/{q.detectorId}",
    "guardduty:CreateFilter": "{at.guardduty}detector/{q.detectorId}/filter/{q.name}",
    "guardduty:UpdateFilter": "{at.guardduty}detector/{q.detectorId}/filter/{q.filterName}",
    "guardduty:CreateIPSet": "{at.guardduty}detector/{q.detectorId}/ipset/{r.ipSetId}",
    "guardduty:UpdateIPSet": "{at.guardduty}detector/{q.detectorId}/ipset/{q.ipSetId}",
}
LOOKALIKE = "planned logging migration by the platform team"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-29: SSM association, maintenance window or altered/shared document."""

from __future__ import annotations

ID = "AWS-29"
NAME = "SSM association, maintenance window or altered/shared document"
TACTIC = "persistence"
MITRE = (
    "T1053",
    "T1546",
)
TIER = 1
EVENTS: dict[str, str] = {
    "ssm:CreateAssociation": "{at.ssm}association/{r.associationDescription.associationId}",
    "ssm:UpdateAssociation": "{at.ssm}association/{q.associationId}",
    "ssm:CreateDocument": "{at.ssm}document/{q.name}",
    "ssm:UpdateDocument": "{at.ssm}document/{q.name}",
    "ssm:UpdateDocumentDefaultVersion": "{at.ssm}document/{q.name}",
    "ssm:ModifyDocumentPermission": "{at.ssm}document/{q.name}",
    "ssm:RegisterTaskWithMaintenanceWindow": "{at.ssm}maintenancewindow/{q.windowId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

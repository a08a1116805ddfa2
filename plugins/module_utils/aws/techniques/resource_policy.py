# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-81: EFS / OpenSearch / other resource policy."""

from __future__ import annotations

ID = "AWS-81"
NAME = "EFS / OpenSearch / other resource policy"
TACTIC = "persistence"
MITRE = ("T1098.003",)
TIER = 3
EVENTS: dict[str, str] = {
    "elasticfilesystem:PutFileSystemPolicy": "{at.elasticfilesystem}file-system/{q.fileSystemId}",
    "elasticfilesystem:CreateAccessPoint": "{at.elasticfilesystem}access-point/{r.accessPointId}",
    "es:UpdateDomainConfig": "{at.es}domain/{q.domainName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

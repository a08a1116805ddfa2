# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-82: Private CA certificate issued or CA permission granted."""

from __future__ import annotations

ID = "AWS-82"
NAME = "Private CA certificate issued or CA permission granted"
TACTIC = "persistence"
MITRE = ("T1649",)
TIER = 3
EVENTS: dict[str, str] = {
    "acm-pca:IssueCertificate": "{r.certificateArn}",
    "acm-pca:CreatePermission": "{q.certificateAuthorityArn}",
    "acm-pca:PutPolicy": "{q.resourceArn}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

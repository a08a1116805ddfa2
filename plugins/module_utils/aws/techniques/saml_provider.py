# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-16: SAML identity provider created or metadata replaced."""

from __future__ import annotations

ID = "AWS-16"
NAME = "SAML identity provider created or metadata replaced"
TACTIC = "persistence"
MITRE = ("T1484.002",)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:CreateSAMLProvider": "{r.sAMLProviderArn}",
    "iam:UpdateSAMLProvider": "{q.sAMLProviderArn}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

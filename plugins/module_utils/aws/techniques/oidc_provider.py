# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-17: OIDC identity provider created, client id or thumbprint added."""

from __future__ import annotations

ID = "AWS-17"
NAME = "OIDC identity provider created, client id or thumbprint added"
TACTIC = "persistence"
MITRE = ("T1484.002",)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:CreateOpenIDConnectProvider": "{r.openIDConnectProviderArn}",
    "iam:AddClientIDToOpenIDConnectProvider": "{q.openIDConnectProviderArn}",
    "iam:UpdateOpenIDConnectProviderThumbprint": "{q.openIDConnectProviderArn}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

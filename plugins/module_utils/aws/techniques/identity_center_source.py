# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-20: Identity Center trusted token issuer, external IdP or MFA settings changed."""

from __future__ import annotations

ID = "AWS-20"
NAME = "Identity Center trusted token issuer, external IdP or MFA settings changed"
TACTIC = "persistence"
MITRE = (
    "T1484.002",
    "T1556.006",
)
TIER = 2
EVENTS: dict[str, str] = {
    "sso:CreateTrustedTokenIssuer": "{r.trustedTokenIssuerArn}",
    "sso:AssociateDirectory": "Identity Center directory {q.directoryId}",
    "sso:EnableExternalIdPConfigurationForDirectory": "Identity Center directory {q.directoryId}",
    "sso:UpdateMfaDeviceManagementForDirectory": "MFA settings of Identity Center directory {q.directoryId}",
    "sso-directory:DisableExternalIdPConfigurationForDirectory": "Identity Center directory {q.directoryId|q.identityStoreId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

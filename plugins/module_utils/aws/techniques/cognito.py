# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-56: Cognito identity pool role/unauth access; user pool user or IdP."""

from __future__ import annotations

ID = "AWS-56"
NAME = "Cognito identity pool role/unauth access; user pool user or IdP"
TACTIC = "persistence"
MITRE = (
    "T1136.003",
    "T1484.002",
)
TIER = 2
EVENTS: dict[str, str] = {
    "cognito-identity:SetIdentityPoolRoles": "{at.cognito-identity}identitypool/{q.identityPoolId}",
    "cognito-identity:UpdateIdentityPool": "{at.cognito-identity}identitypool/{q.identityPoolId}",
    "cognito-idp:AdminCreateUser": "user {q.username} of {at.cognito-idp}userpool/{q.userPoolId}",
    "cognito-idp:CreateIdentityProvider": "identity provider {q.providerName} of {at.cognito-idp}userpool/{q.userPoolId}",
    "cognito-idp:SetRiskConfiguration": "{at.cognito-idp}userpool/{q.userPoolId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-06: GetFederationToken / GetSessionToken sessions that outlive the deleted key."""

from __future__ import annotations

ID = "AWS-06"
NAME = "GetFederationToken / GetSessionToken sessions that outlive the deleted key"
TACTIC = "persistence"
MITRE = (
    "T1550.001",
    "T1098.001",
)
TIER = 1
EVENTS: dict[str, str] = {
    "sts:GetFederationToken": "{r.credentials.accessKeyId} of {r.federatedUser.arn}",
    "sts:GetSessionToken": "{r.credentials.accessKeyId} of {actor}",
    "signin:GetSigninToken": "console session of {actor}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

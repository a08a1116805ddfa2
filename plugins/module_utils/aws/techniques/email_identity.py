# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-57: SES identity, sending enabled, identity policy; SMTP user."""

from __future__ import annotations

ID = "AWS-57"
NAME = "SES identity, sending enabled, identity policy; SMTP user"
TACTIC = "impact"
MITRE = (
    "T1496.004",
    "T1098",
)
TIER = 1
EVENTS: dict[str, str] = {
    "ses:CreateEmailIdentity": "{at.ses}identity/{q.emailIdentity}",
    "ses:VerifyEmailIdentity": "{at.ses}identity/{q.emailAddress}",
    "ses:VerifyDomainIdentity": "{at.ses}identity/{q.domain}",
    "ses:PutAccountDetails": "account details of SES in {region}",
    "ses:UpdateAccountSendingEnabled": "sending of SES in {region}",
    "ses:PutAccountSendingAttributes": "sending of SES in {region}",
    "ses:DeleteIdentity": "{at.ses}identity/{q.identity}",
}
LOOKALIKE = "decommissioning or load test by an owner"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-70: Account contacts, primary e-mail, opt-in regions."""

from __future__ import annotations

ID = "AWS-70"
NAME = "Account contacts, primary e-mail, opt-in regions"
TACTIC = "persistence"
MITRE = (
    "T1098",
    "T1535",
)
TIER = 2
EVENTS: dict[str, str] = {
    "account:PutAlternateContact": "{q.alternateContactType} contact of account {q.accountId|account}",
    "account:PutContactInformation": "contact of account {q.accountId|account}",
    "account:StartPrimaryEmailUpdate": "e-mail of account {q.accountId}",
    "account:AcceptPrimaryEmailUpdate": "e-mail of account {q.accountId}",
    "account:EnableRegion": "region {q.regionName} of account {q.accountId|account}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

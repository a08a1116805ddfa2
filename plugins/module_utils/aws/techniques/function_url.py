# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-44: Lambda function URL without auth."""

from __future__ import annotations

ID = "AWS-44"
NAME = "Lambda function URL without auth"
TACTIC = "persistence"
MITRE = (
    "T1648",
    "T1133",
)
TIER = 1
EVENTS: dict[str, str] = {
    "lambda:CreateFunctionUrlConfig": "URL of {at.lambda}function:{q.functionName}",
    "lambda:UpdateFunctionUrlConfig": "URL of {at.lambda}function:{q.functionName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

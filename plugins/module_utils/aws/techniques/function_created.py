# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-43: New Lambda function with a powerful role (often triggered by IAM events)."""

from __future__ import annotations

ID = "AWS-43"
NAME = "New Lambda function with a powerful role (often triggered by IAM events)"
TACTIC = "persistence"
MITRE = (
    "T1546",
    "T1648",
)
TIER = 1
EVENTS: dict[str, str] = {
    "lambda:CreateFunction20150331": "{at.lambda}function:{q.functionName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-50: Glue dev endpoint, job, session or resource policy."""

from __future__ import annotations

ID = "AWS-50"
NAME = "Glue dev endpoint, job, session or resource policy"
TACTIC = "persistence"
MITRE = ("T1648",)
TIER = 3
EVENTS: dict[str, str] = {
    "glue:CreateDevEndpoint": "{at.glue}devEndpoint/{q.endpointName}",
    "glue:UpdateDevEndpoint": "{at.glue}devEndpoint/{q.endpointName}",
    "glue:CreateJob": "{at.glue}job/{q.name}",
    "glue:CreateSession": "{at.glue}session/{q.id}",
    "glue:PutResourcePolicy": "{q.resourceArn|resource}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

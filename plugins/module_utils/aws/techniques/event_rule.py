# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-46: EventBridge rule/bus policy, Scheduler, pipe or event source mapping."""

from __future__ import annotations

ID = "AWS-46"
NAME = "EventBridge rule/bus policy, Scheduler, pipe or event source mapping"
TACTIC = "persistence"
MITRE = (
    "T1546",
    "T1053",
)
TIER = 1
EVENTS: dict[str, str] = {
    "events:PutRule": "{r.ruleArn}",
    "events:PutTargets": "{at.events}rule/{q.rule}",
    "events:PutPermission": "{at.events}event-bus/{q.eventBusName}",
    "scheduler:CreateSchedule": "{r.scheduleArn}",
    "pipes:CreatePipe": "{at.pipes}pipe/{q.name}",
    "lambda:CreateEventSourceMapping20150331": "event source mapping {r.uUID} of {at.lambda}function:{q.functionName}",
    "events:DisableRule": "{at.events}rule/{q.name}",
    "events:RemoveTargets": "{at.events}rule/{q.rule}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

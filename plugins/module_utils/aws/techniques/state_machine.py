# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-61: Step Functions state machine or alias altered."""

from __future__ import annotations

ID = "AWS-61"
NAME = "Step Functions state machine or alias altered"
TACTIC = "persistence"
MITRE = ("T1648",)
TIER = 3
EVENTS: dict[str, str] = {
    "states:CreateStateMachine": "{r.stateMachineArn}",
    "states:UpdateStateMachine": "{q.stateMachineArn}",
    "states:UpdateStateMachineAlias": "{q.stateMachineAliasArn}",
    "states:PublishStateMachineVersion": "{q.stateMachineArn}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

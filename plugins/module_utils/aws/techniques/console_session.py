# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-83: Console session from CLI keys, CloudShell."""

from __future__ import annotations

ID = "AWS-83"
NAME = "Console session from CLI keys, CloudShell"
TACTIC = "persistence"
MITRE = (
    "T1550.001",
    "T1059.009",
)
TIER = 2
EVENTS: dict[str, str] = {
    "signin:ConsoleLogin": "console session of {actor}",
    "signin:SwitchRole": "console session of {e.SwitchTo|actor}",
    "cloudshell:CreateEnvironment": "CloudShell environment {r.environmentId} in {region}",
    "cloudshell:CreateSession": "CloudShell session in {region}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

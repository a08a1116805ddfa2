# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-28: SSM command or session on instances."""

from __future__ import annotations

ID = "AWS-28"
NAME = "SSM command or session on instances"
TACTIC = "execution"
MITRE = ("T1651",)
TIER = 1
EVENTS: dict[str, str] = {
    "ssm:SendCommand": "command {r.command.commandId}",
    "ssm:StartSession": "session {r.sessionId} on {q.target}",
    "ssm:ResumeSession": "session {q.sessionId}",
    "ssm:StartAutomationExecution": "automation {r.automationExecutionId}",
}
LOOKALIKE = "patching or automation run by the ops role"

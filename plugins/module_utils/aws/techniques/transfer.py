# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-80: Transfer Family server/user, DataSync task."""

from __future__ import annotations

ID = "AWS-80"
NAME = "Transfer Family server/user, DataSync task"
TACTIC = "exfiltration"
MITRE = (
    "T1537",
    "T1133",
)
TIER = 2
EVENTS: dict[str, str] = {
    "transfer:CreateServer": "{at.transfer}server/{r.serverId}",
    "transfer:CreateUser": "{at.transfer}user/{q.serverId}/{q.userName}",
    "transfer:ImportSshPublicKey": "{at.transfer}user/{q.serverId}/{q.userName}",
    "datasync:CreateTask": "{r.taskArn}",
    "datasync:StartTaskExecution": "{r.taskExecutionArn}",
}
LOOKALIKE = "sharing with a listed partner/DR account"

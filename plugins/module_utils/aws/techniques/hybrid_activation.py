# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-30: SSM hybrid activation / managed instance registered from outside."""

from __future__ import annotations

ID = "AWS-30"
NAME = "SSM hybrid activation / managed instance registered from outside"
TACTIC = "persistence"
MITRE = ("T1098.001",)
TIER = 2
EVENTS: dict[str, str] = {
    "ssm:CreateActivation": "activation {r.activationId}",
    "ssm:RegisterManagedInstance": "{at.ssm}managed-instance/{r.instanceId|q.instanceId}",
    "ssm:RegisterInstance": "{at.ssm}managed-instance/{r.instanceId|q.instanceId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-52: ECS task definition, service, exec."""

from __future__ import annotations

ID = "AWS-52"
NAME = "ECS task definition, service, exec"
TACTIC = "persistence"
MITRE = (
    "T1610",
    "T1496.001",
)
TIER = 1
EVENTS: dict[str, str] = {
    "ecs:RegisterTaskDefinition": "{r.taskDefinition.taskDefinitionArn}",
    "ecs:CreateCluster": "{r.cluster.clusterArn}",
    "ecs:CreateService": "{r.service.serviceArn}",
    "ecs:UpdateService": "{r.service.serviceArn}",
    "ecs:RunTask": "{r.tasks[].taskArn}",
    "ecs:ExecuteCommand": "{r.taskArn|q.task}",
    "ecs:UpdateTaskProtection": "{q.tasks[]}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-49: CodeBuild project/webhook/source credential; CodePipeline; CodeConnections."""

from __future__ import annotations

ID = "AWS-49"
NAME = "CodeBuild project/webhook/source credential; CodePipeline; CodeConnections"
TACTIC = "persistence"
MITRE = (
    "T1648",
    "T1098.001",
)
TIER = 2
EVENTS: dict[str, str] = {
    "codebuild:CreateProject": "{r.project.arn}",
    "codebuild:UpdateProject": "{r.project.arn}",
    "codebuild:ImportSourceCredentials": "{r.arn}",
    "codebuild:CreateWebhook": "{at.codebuild}project/{q.projectName}",
    "codebuild:StartBuild": "{r.build.arn}",
    "codestar-connections:CreateConnection": "{r.connectionArn}",
    "codepipeline:UpdatePipeline": "{at.codepipeline}{q.pipeline.name}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

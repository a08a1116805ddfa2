# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-89: App Runner / Batch / EMR / other managed compute with a passed role."""

from __future__ import annotations

ID = "AWS-89"
NAME = "App Runner / Batch / EMR / other managed compute with a passed role"
TACTIC = "impact"
MITRE = (
    "T1496.001",
    "T1648",
)
TIER = 3
EVENTS: dict[str, str] = {
    "apprunner:CreateService": "{r.service.serviceArn}",
    "batch:SubmitJob": "{r.jobArn}",
    "batch:RegisterJobDefinition": "{r.jobDefinitionArn}",
    "elasticmapreduce:RunJobFlow": "cluster {r.jobFlowId} in {region}",
    "amplify:CreateApp": "{r.app.appArn}",
}
LOOKALIKE = "decommissioning or load test by an owner"

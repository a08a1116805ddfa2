# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-53: ECR repository/registry policy, replication, poisoned image, creation template."""

from __future__ import annotations

ID = "AWS-53"
NAME = "ECR repository/registry policy, replication, poisoned image, creation template"
TACTIC = "persistence"
MITRE = (
    "T1525",
    "T1098.003",
)
TIER = 2
EVENTS: dict[str, str] = {
    "ecr:SetRepositoryPolicy": "{at.ecr}repository/{q.repositoryName}",
    "ecr:PutRegistryPolicy": "registry of {account} in {region}",
    "ecr:PutReplicationConfiguration": "registry of {account} in {region}",
    "ecr:PutImage": "{at.ecr}repository/{q.repositoryName}:{q.imageTag|r.image.imageId.imageDigest}",
    "ecr:CreateRepositoryCreationTemplate": "repository creation template {q.prefix} in {region}",
    "ecr:CreatePullThroughCacheRule": "pull-through cache rule {q.ecrRepositoryPrefix} in {region}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"

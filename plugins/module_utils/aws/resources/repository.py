# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ECR repositories: the repository policy, whose statements have no Resource."""

from __future__ import annotations

from ...common.plan import Call, Path, Probe, Target
from ...common.reader import Reader
from .kind import PARSED, Name, Resource, Writer, name_in

SERVICE = "ecr"
NOUN = "repository"
EVENTS: frozenset[str] = frozenset({
    "BatchGetImage", "GetDownloadUrlForLayer", "PutImage", "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "SetRepositoryPolicy",
    "DeleteRepositoryPolicy", "BatchDeleteImage", "PutLifecyclePolicy", "PutImageTagMutability",
})  # fmt: skip
NAMED: tuple[str, ...] = ("repositoryName",)
DENIED: tuple[str, ...] = ("ecr:*",)
CHANGE = "ecr:SetRepositoryPolicy"
SIZE, STATEMENTS = 10240, 0  # of its API model
TEXT: Path = ("policyText",)
GONE: tuple[str, ...] = ("RepositoryNotFoundException",)
NEEDS_ALLOW = False
READS: tuple[str, ...] = ("ecr:GetRepositoryPolicy",)


def resolve(target: Target, name: str, partition: str, _reader: Reader) -> Resource:
    repository = name_in(name)
    arn = f"arn:{partition}:ecr:{target.region}:{target.account}:repository/{repository}"
    document = {"kind": "ecr.repository", "registryId": target.account, "repositoryName": repository}
    return Resource(arn, target, document, f"repository {repository} in {target.region}")


def document(target: Target, name: Name) -> tuple[Probe, Writer]:
    repository = {k: v for k, v in name.items() if k != "kind"}

    def write(policy: str | None) -> Call:
        if policy is None:
            return Call(target, "ecr", "DeleteRepositoryPolicy", repository)
        return Call(target, "ecr", "SetRepositoryPolicy", {**repository, "policyText": policy})

    return Probe(Call(target, "ecr", "GetRepositoryPolicy", repository), (PARSED,), ("RepositoryPolicyNotFoundException",)), Writer(write)


def covered(_one: Resource) -> list[str]:
    return []

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container registries: what was pushed here runs elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "registry"
NOUN = "repositories of ECR"
GLOBAL = False
READS: tuple[str, ...] = ("ecr:DescribeRepositories",)
USED: tuple[str, ...] = (
    "ecr:PutImage",
    "ecr:SetRepositoryPolicy",
    "ecr:PutReplicationConfiguration",
    "ecr:GetAuthorizationToken",
)
ACTION = "compare images of the window with their builds, and warn those who pull them"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "ecr", "DescribeRepositories", {})).get("repositories", []):
        yield Path(str(one["repositoryArn"]), str(one.get("repositoryUri") or ""), str(one.get("imageTagMutability") or ""))

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS clusters: who is an administrator there stays one after a role is gone."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path, named

KIND = "kubernetes"
NOUN = "EKS clusters"
GLOBAL = False
READS: tuple[str, ...] = ("eks:ListClusters",)
USED: tuple[str, ...] = (
    "eks:CreateAccessEntry",
    "eks:AssociateAccessPolicy",
    "eks:UpdateClusterConfig",
    "eks:AccessKubernetesApi",
)
ACTION = "look at access entries, the aws-auth map, service account tokens and the cluster's own audit log"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for name in reader.get(Call(target, "eks", "ListClusters", {})).get("clusters", []):
        yield Path(named(target, "eks", f"cluster/{name}"), "its Kubernetes API", "")

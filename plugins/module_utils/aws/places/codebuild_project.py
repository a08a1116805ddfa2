# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CodeBuild projects: plain variables, variables that name a parameter or a secret, and the build specification that is written into the project."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles
from .kind import Part, Told, batches, each, found

KIND = "codebuild_project"
NOUN = "CodeBuild projects"
READS: tuple[str, ...] = ("codebuild:ListProjects", "codebuild:BatchGetProjects")
_KEPT = ("environment", "source", "secondarySources", "description")


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    names = reader.get(Call(target, "codebuild", "ListProjects", {})).get("projects", [])
    for some in batches(names, 100):
        yield Part(", ".join(some[:3]), lambda some=some: _look(target, some, needles, reader))  # type: ignore[misc]


def _look(target: Target, names: list[str], needles: Needles, reader: Reader) -> Iterator[Told]:
    projects = reader.get(Call(target, "codebuild", "BatchGetProjects", {"names": names})).get("projects", [])
    yield from each(projects, lambda p: str(p.get("arn")), lambda p: _one(target, p, needles))


def _one(target: Target, project: dict[str, t.Any], needles: Needles) -> Iterator[Told]:
    spots = needles.find({k: project[k] for k in _KEPT if k in project}, "project")
    name = str(project["name"])
    text = f"CodeBuild project {name} in {target.region}"
    yield from found(target, str(project["arn"]), text, spots, version=str(project.get("lastModified", "")), data={"name": name})

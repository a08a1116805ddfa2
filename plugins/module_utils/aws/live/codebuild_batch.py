# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CodeBuild batches (T1648): a batch starts builds of its project, with the project's role, until it is stopped. Its initiator is named as a build's is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from . import codebuild_build
from .kind import Event, Live, Suspects, ended, named, states

KIND = "codebuild_batch"
NOUN = "CodeBuild batches"
ACCESS = "CodeBuild batch"
LISTED = True
EVENTS: frozenset[tuple[str, str]] = frozenset(
    {("codebuild.amazonaws.com", "StartBuildBatch"), ("codebuild.amazonaws.com", "RetryBuildBatch")}
)
READS: tuple[str, ...] = ("codebuild:ListBuildBatches", "codebuild:BatchGetBuildBatches")
_PAGE = 100
_RUNNING = ("IN_PROGRESS",)


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Batches of the suspects that run."""
    logged = named(who, started, "buildBatch", "id")
    running = {"filter": {"status": _RUNNING[0]}}
    names = reader.get(Call(target, "codebuild", "ListBuildBatches", running)).get("ids", [])
    for start in range(0, len(names), _PAGE):
        asked = {"ids": names[start : start + _PAGE]}
        for batch in reader.get(Call(target, "codebuild", "BatchGetBuildBatches", asked)).get("buildBatches", []):
            name = str(batch.get("id"))
            principal = codebuild_build.initiator(who, target.account, str(batch.get("initiator", ""))) or logged.get(name)
            if principal and batch.get("buildBatchStatus") in _RUNNING:
                yield Live(target, name, principal.arn, f"build batch {name} in {target.region}")


def steps(live: Live) -> Iterator[Step]:
    """Stopped, with the builds that it has started."""
    path = ("buildBatches", states("id", live.id, "buildBatchStatus", _RUNNING), "id")
    probe = Probe(Call(live.target, "codebuild", "BatchGetBuildBatches", {"ids": [live.id]}), path)
    do = Call(live.target, "codebuild", "StopBuildBatch", {"id": live.id})
    yield ended(live, KIND, do, probe, "a stopped batch is started anew, not resumed")

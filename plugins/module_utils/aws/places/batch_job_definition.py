# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Batch job definitions: every revision that is active, since jobs and schedules may name any of them."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles
from .kind import OLD, SURE, Told, each, found

KIND = "batch_job_definition"
NOUN = "Batch job definitions"
READS: tuple[str, ...] = ("batch:DescribeJobDefinitions",)
_KEPT = ("parameters", "containerProperties", "nodeProperties", "ecsProperties", "eksProperties")


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    active = reader.get(Call(target, "batch", "DescribeJobDefinitions", {"status": "ACTIVE"})).get("jobDefinitions", [])
    newest: dict[str, int] = {}
    for one in active:
        name = str(one.get("jobDefinitionName"))
        newest[name] = max(newest.get(name, 0), int(one.get("revision") or 0))
    yield from each(active, lambda d: str(d.get("jobDefinitionArn")), lambda d: _look(target, d, newest, needles))


def _look(target: Target, one: dict[str, t.Any], newest: dict[str, int], needles: Needles) -> Iterator[Told]:
    name, revision = str(one["jobDefinitionName"]), int(one.get("revision") or 0)
    latest = revision == newest[name]
    spots = needles.find({k: one[k] for k in _KEPT if k in one}, "jobDefinition")
    yield from found(target, str(one["jobDefinitionArn"]), f"Batch job definition {name}:{revision} in {target.region}", spots,
                     state="latest revision" if latest else "older revision, still active", version=str(revision), confidence=SURE if latest else OLD,
                     data={"name": name})  # fmt: skip

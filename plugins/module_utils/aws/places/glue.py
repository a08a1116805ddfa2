# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue: the arguments of jobs, and connections with their passwords."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles, Spot
from .kind import Part, Told, each, found

KIND = "glue"
NOUN = "Glue jobs and connections"
READS: tuple[str, ...] = ("glue:GetJobs", "glue:GetConnections")
_ARGUMENTS = ("DefaultArguments", "NonOverridableArguments")
_PROPERTIES = ("ConnectionProperties", "SparkProperties", "AthenaProperties", "PythonProperties")


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    yield Part("connections", lambda: _connections(target, needles, reader))
    jobs = reader.get(Call(target, "glue", "GetJobs", {})).get("Jobs", [])
    yield from each(
        jobs, lambda j: str(j.get("Name")), lambda j: _look(target, "job", j, _ARGUMENTS, str(j.get("LastModifiedOn", "")), needles)
    )


def _connections(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    listed = reader.get(Call(target, "glue", "GetConnections", {"HidePassword": False})).get("ConnectionList", [])
    yield from each(
        listed,
        lambda c: str(c.get("Name")),
        lambda c: _look(target, "connection", c, _PROPERTIES, str(c.get("LastUpdatedTime", "")), needles),
    )


def _look(target: Target, noun: str, thing: dict[str, t.Any], parts: tuple[str, ...], version: str, needles: Needles) -> Iterator[Told]:
    spots: list[Spot] = []
    for part in parts:
        spots += needles.find(thing.get(part) or {}, part, "variable")
    if noun == "connection":
        spots += needles.find(thing.get("AuthenticationConfiguration") or {}, "AuthenticationConfiguration")
    name = str(thing["Name"])
    data = {"noun": noun, "name": name}
    yield from found(target, f"{noun}/{name}", f"Glue {noun} {name} in {target.region}", spots, version=version, data=data)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Step Functions: the definitions of state machines, with what they pass on to other services. Inputs of executions are not looked at."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles
from .kind import Part, Seen, Told, found

KIND = "step_function"
NOUN = "Step Functions state machines"
READS: tuple[str, ...] = ("stepfunctions:ListStateMachines", "stepfunctions:DescribeStateMachine")


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    for machine in reader.get(Call(target, "stepfunctions", "ListStateMachines", {})).get("stateMachines", []):
        yield Part(str(machine["stateMachineArn"]), lambda machine=machine: _look(target, machine, needles, reader))  # type: ignore[misc]


def _look(target: Target, listed: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    yield Seen()
    arn = str(listed["stateMachineArn"])
    machine = reader.get(Call(target, "stepfunctions", "DescribeStateMachine", {"stateMachineArn": arn}))
    spots = needles.find(machine.get("definition") or "", "definition")
    text = f"state machine {listed.get('name')} in {target.region}"
    yield from found(target, arn, text, spots, version=str(machine.get("revisionId") or ""), data={"name": listed.get("name", "")})

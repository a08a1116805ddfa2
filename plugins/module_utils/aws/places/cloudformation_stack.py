# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudFormation stacks: parameters and outputs. What NoEcho hides nobody can read back, so it is not known, and said so."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles
from .kind import Gap, Told, each, found

KIND = "cloudformation_stack"
NOUN = "CloudFormation stacks"
READS: tuple[str, ...] = ("cloudformation:DescribeStacks",)
_HIDDEN = "****"


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    stacks = reader.get(Call(target, "cloudformation", "DescribeStacks", {})).get("Stacks", [])
    yield from each(stacks, lambda s: str(s.get("StackName")), lambda s: _look(target, s, needles))


def _look(target: Target, stack: dict[str, t.Any], needles: Needles) -> Iterator[Told]:
    name, values = str(stack["StackName"]), {}
    for parameter in stack.get("Parameters", []):
        values[str(parameter["ParameterKey"])] = str(parameter.get("ResolvedValue") or parameter.get("ParameterValue") or "")
    outputs = {str(o["OutputKey"]): str(o.get("OutputValue") or "") for o in stack.get("Outputs", [])}
    spots = needles.find(values, "Parameters", "variable") + needles.find(outputs, "Outputs", "variable")
    version = str(stack.get("LastUpdatedTime") or stack.get("CreationTime") or "")
    text = f"CloudFormation stack {name} in {target.region}"
    yield from found(target, str(stack.get("StackId") or name), text, spots, version=version, data={"stack": name})
    hidden = sorted(key for key, value in values.items() if value == _HIDDEN)
    if hidden and needles.pairs:
        yield Gap(
            name,
            CloudError(
                "NoEcho hides parameters, which nobody can read back", code="NoEcho", object=name, operation="cloudformation:DescribeStacks"
            ),
        )

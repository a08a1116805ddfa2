# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``incident.compute``: machines, functions and tasks that a person wants isolated, or wants to go on, whatever the logs say."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .schema import PARTITIONS, Fields, show

ACTIONS = ("isolate", "stop")
_PLACE = rf"arn:(?:{'|'.join(PARTITIONS)}):%s:[a-z0-9-]{{4,32}}:[0-9]{{12}}:"
INSTANCE = re.compile(_PLACE % "ec2" + r"instance/i-(?:[0-9a-f]{17}|[0-9a-f]{8})", re.ASCII)
FUNCTION = re.compile(_PLACE % "lambda" + r"function:[A-Za-z0-9_-]{1,140}", re.ASCII)
TASK = re.compile(_PLACE % "ecs" + r"task/[A-Za-z0-9_-]{1,255}/[A-Za-z0-9-]{8,64}", re.ASCII)
SERVICE = re.compile(_PLACE % "ecs" + r"service/[A-Za-z0-9_-]{1,255}/[A-Za-z0-9_-]{1,255}", re.ASCII)
_ISOLATE = (INSTANCE, FUNCTION, TASK)


@dataclasses.dataclass(frozen=True)
class Compute:
    """ARNs. ``action``: ``stop`` also stops the machines that a suspect started, and no others."""

    isolate: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    action: str = "isolate"

    def as_dict(self) -> dict[str, t.Any]:
        return {"isolate": list(self.isolate), "exempt": list(self.exempt), "action": self.action}


def read(fields: Fields) -> Compute:
    """``incident.compute``, strictly; problems go to ``fields.problems``."""
    inner = Fields(fields.raw.get("compute"), f"{fields.path}.compute", fields.problems, ("isolate", "exempt", "action"))
    isolate = _arns(inner, "isolate", _ISOLATE, "an EC2 instance, a Lambda function without a version, or an ECS task")
    exempt = _arns(inner, "exempt", (*_ISOLATE, SERVICE), "an EC2 instance, a Lambda function without a version, an ECS task or service")
    for arn in sorted(set(isolate) & set(exempt)):
        fields.problems.append((f"{inner.path}.exempt", f"is to be isolated too: {show(arn)}"))
    return Compute(tuple(isolate), tuple(exempt), inner.choice("action", ACTIONS, "isolate"))


def _arns(fields: Fields, key: str, patterns: t.Iterable[re.Pattern[str]], what: str) -> list[str]:
    return fields.texts(key, re.compile("|".join(p.pattern for p in patterns), re.ASCII), f"not the ARN of {what}")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call was about, named as eviction needs it: ARNs and ids out of CloudTrail's request and response, which strangers filled.

A template names places: ``{q.userName}`` of the request, ``{r.user.arn}`` of the response, ``{e.x}`` of additionalEventData, ``{account}``, ``{region}``,
``{partition}``, ``{actor}``, ``{resource}`` (the record's first), ``{at.ec2}`` (what an ARN of that service begins with).
``a|b``: the first that is there. ``items[].id``: each of a list, a name each. A value that is an ARN itself stands for the whole name.
The first letter of a member may be of either case, and what newer calls of EC2 wrap as ``<Operation>Request`` is unwrapped.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

_PLACE = re.compile(r"\{([^{}]{1,200})\}")
_MOST = 1000  # names of one call
_LONGEST = 2048
_GLOBAL = ("iam",)


@dataclasses.dataclass(frozen=True)
class Act:
    """One call of the log. ``request``, ``response``, ``extra``: what stands in the record, parsed; anything may stand there."""

    service: str
    operation: str
    account: str = ""
    region: str = ""
    actor: str = ""
    actor_type: str = ""
    request: t.Any = None
    response: t.Any = None
    extra: t.Any = None
    resources: tuple[str, ...] = ()

    @property
    def event(self) -> str:
        """``iam:CreateUser``, as the catalogue writes it."""
        return f"{self.service}:{self.operation}"

    @property
    def partition(self) -> str:
        return "aws-cn" if self.region.startswith("cn-") else "aws-us-gov" if self.region.startswith("us-gov-") else "aws"


def text(value: t.Any, *path: str) -> str:
    """The text there, "" for anything else."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value[:_LONGEST] if isinstance(value, str) else ""


def objects(template: str, act: Act) -> list[str]:
    """The names, each once; the record's resources, or [], where the template's places are not filled."""
    found = _fill(template, act) if template else []
    return list(dict.fromkeys(found or act.resources))[:_MOST]


def _fill(template: str, act: Act) -> list[str]:
    """One name for each combination of the values: templates have one list at most, so that is one for each of its values."""
    names = [""]
    end = 0
    for place in _PLACE.finditer(template):
        values = next((v for choice in place[1].split("|") if (v := _values(choice, act))), [])
        if not values:
            return []
        whole = [v for v in values if v.startswith("arn:")] if template.startswith(("arn:", "{at.")) and place[1][1:2] == "." else []
        if whole:
            return whole[:_MOST]
        names = [name + template[end : place.start()] + value for name in names for value in values[: max(1, _MOST // len(names))]]
        end = place.end()
    return [name + template[end:] for name in names]


def _values(choice: str, act: Act) -> list[str]:
    root, _dot, path = choice.partition(".")
    if root == "at":
        return [f"arn:{act.partition}:{path}:{'' if path in _GLOBAL else act.region}:{act.account}:"] if act.account else []
    if not path:
        one = {"account": act.account, "region": act.region, "partition": act.partition, "actor": act.actor,
               "resource": act.resources[0] if act.resources else ""}[root]  # fmt: skip
        return [one] if one else []
    found: list[t.Any] = [{"q": _bare(act.request, act), "r": _bare(act.response, act), "e": act.extra}[root]]
    for step in path.split("."):
        name, many = step.removesuffix("[]"), step.endswith("[]")
        found = [_member(value, name) for value in found]
        if many:
            found = [item for value in found if isinstance(value, list) for item in value[:_MOST]]
    return [str(value)[:_LONGEST] for value in found if isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""]


def _bare(value: t.Any, act: Act) -> t.Any:
    inner = [value.get(f"{act.operation}{end}") for end in ("Request", "Response")] if isinstance(value, dict) else []
    return next((found for found in inner if isinstance(found, dict)), value)


def _member(value: t.Any, name: str) -> t.Any:
    if not isinstance(value, dict):
        return None
    return value[name] if value.get(name) is not None else value.get(name[:1].swapcase() + name[1:])

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of compute share: what one is, what isolating it is told, and the form of its Steps."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Callable, Iterator, Mapping

from ...common.plan import Action, Phase, Probe, Step, Target
from ...common.reader import Reader

MARK = "#isolate/"
TAG = "evict-incident"


@dataclasses.dataclass(frozen=True)
class Machine:
    """Something that runs. ``roles``: ARNs of the roles whose credentials it is given, in sessions of the name ``session``; ``data``: the cloud's own

    description; ``gone``: why there is nothing to isolate; ``notes``: what its isolation cannot do, and what would.
    """

    target: Target
    arn: str
    id: str
    text: str
    roles: tuple[str, ...] = ()
    session: str = ""
    data: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    gone: str = ""
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The name of its kind in the registry."""
        return {"ec2": "ec2_instance", "lambda": "lambda_function", "ecs": "ecs_task"}.get(self.arn.split(":")[2], "")


@dataclasses.dataclass(frozen=True)
class About:
    """The rest of what a Step needs. ``groups``: {VPC: (id of the open group, id of the closed one)}; an id is "" while check mode only plans them."""

    incident: str
    groups: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)


Stage = Callable[[Machine, About, Reader], Iterator[Step]]


class Kind(t.Protocol):
    """A file of this folder. ``ARN``: what it is about; ``EVENTS``: (eventSource, eventName) of the calls that start one.

    ``look``: what it is now; ``started``: ARNs that a logged call started; ``FIRST`` and ``SECOND``: stages, one after the other: what goes wrong in one
    keeps none of the next from its work. Between the two there is a pause where networks were opened. ``OFF``: the part of a Step's id after which
    it is given no new credentials, "" for none.
    """

    KIND: str
    NOUN: str
    ARN: re.Pattern[str]
    EVENTS: frozenset[tuple[str, str]]
    READS: tuple[str, ...]
    FIRST: tuple[Stage, ...]
    SECOND: tuple[Stage, ...]
    OFF: str

    def look(self, target: Target, arn: str, reader: Reader, /) -> Machine: ...

    def started(self, event: Mapping[str, t.Any], /) -> list[str]: ...


def step(
    machine: Machine, part: str, what: str, action: str, before: t.Any, after: t.Any, do: tuple[Action, ...], probe: Probe,
    undo: tuple[Action, ...] = (), **more: t.Any,
) -> Step:  # fmt: skip
    """A Step of ``machine``; ``part`` tells it from its others."""
    return Step(
        id=f"{machine.arn}{MARK}{part}", principal=machine.arn, resource=f"{machine.text}, {what}", action=action, phase=Phase.RESOURCE,
        before=before, after=after, do=do, undo=undo, probe=probe, **more,
    )  # fmt: skip


def kept_at(step_id: str) -> str:
    """The ARN of the machine whose isolation a Step belongs to; "" of any other Step."""
    arn, mark, _part = step_id.partition(MARK)
    return arn if mark else ""


def arn_of(event: Mapping[str, t.Any], service: str, rest: str) -> str:
    """ARN of a thing in the account and region of a logged call."""
    caller = str((event.get("userIdentity") or {}).get("arn") or "")
    partition = caller.split(":")[1] if caller.startswith("arn:") else "aws"
    return f"arn:{partition}:{service}:{event.get('awsRegion')}:{event.get('recipientAccountId')}:{rest}"

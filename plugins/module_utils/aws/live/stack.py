# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudFormation operations (T1648): a stack with a role of its own goes on when the identity that began it is denied. Only the log says who began."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..each import each
from .kind import Event, Live, Suspects, ended, field, states

KIND = "stack"
NOUN = "CloudFormation operations"
ACCESS = "CloudFormation operation"
LISTED = False
EVENTS: frozenset[tuple[str, str]] = frozenset(
    ("cloudformation.amazonaws.com", name) for name in ("CreateStack", "UpdateStack", "DeleteStack", "ExecuteChangeSet", "RollbackStack")
)
READS: tuple[str, ...] = ("cloudformation:DescribeStacks",)
_CANCEL = "UPDATE_IN_PROGRESS"  # the one state in which AWS takes a cancellation
_ABSENT = ("ValidationError",)


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Stacks at work that a suspect set to work. An update can be cancelled; of anything else a person has to say whether it is to be deleted."""
    seen: set[str] = set()

    def one(event: Event) -> Iterator[Live]:
        name = field(event.get("responseElements"), "stackId") or field(event.get("requestParameters"), "stackName")
        principal = who.caller(event)
        if not (name and principal):
            return
        try:
            stacks = reader.get(Call(target, "cloudformation", "DescribeStacks", {"StackName": name})).get("Stacks", [])
        except CloudError as error:
            if error.code in _ABSENT:
                return  # deleted by now
            raise
        for stack in stacks:
            status, arn = str(stack.get("StackStatus")), str(stack.get("StackId"))
            if status.endswith("_IN_PROGRESS") and arn not in seen:
                seen.add(arn)
                why = (
                    ""
                    if status == _CANCEL
                    else f"{status}: AWS cancels nothing but an update; look at the stack, then delete it or let it end"
                )
                yield Live(target, arn, principal.arn, f"stack {arn}", why=why)

    return each(started, one)


def steps(live: Live) -> Iterator[Step]:
    """The update is cancelled, and CloudFormation rolls it back."""
    probe = Probe(
        Call(live.target, "cloudformation", "DescribeStacks", {"StackName": live.id}),
        ("Stacks", states("StackId", live.id, "StackStatus", (_CANCEL,)), "StackId"), _ABSENT,
    )  # fmt: skip
    do = Call(live.target, "cloudformation", "CancelUpdateStack", {"StackName": live.id})
    yield ended(live, KIND, do, probe, "CloudFormation rolls a cancelled update back: begin it anew", "cancel update")

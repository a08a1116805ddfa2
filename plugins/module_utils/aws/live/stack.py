# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudFormation operations (T1648): a stack with a role of its own goes on when the identity that began it is denied. Only the log says who began.

What is at work now need not be what the suspect began: an update is cancelled only when it began with the suspect's call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .. import began
from ..each import each
from ..principal import Principal
from .kind import Event, Live, Suspects, ended, field

KIND = "stack"
NOUN = "CloudFormation operations"
ACCESS = "CloudFormation operation"
LISTED = False
_UPDATES = ("UpdateStack", "ExecuteChangeSet")
EVENTS: frozenset[tuple[str, str]] = frozenset(
    ("cloudformation.amazonaws.com", name) for name in (*_UPDATES, "CreateStack", "DeleteStack", "RollbackStack", "ContinueUpdateRollback")
)
READS: tuple[str, ...] = ("cloudformation:DescribeStacks",)
_CANCEL = "UPDATE_IN_PROGRESS"  # the one state in which AWS takes a cancellation
_ABSENT = ("ValidationError",)
_HAND = "AWS cancels nothing but an update; look at the stack, then delete it or let it end"
_OTHER = (
    "it did not begin with a call of the suspect that is known; if it is the suspect's all the same: aws cloudformation cancel-update-stack"
)


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Stacks at work that a suspect set to work. An update can be cancelled; of anything else a person has to say whether it is to be deleted."""
    calls = [(event, caller) for event in started if not event.get("errorCode") and (caller := who.caller(event))]
    seen: set[str] = set()

    def one(name: str) -> Iterator[Live]:
        try:
            stacks = reader.get(Call(target, "cloudformation", "DescribeStacks", {"StackName": name})).get("Stacks", [])
        except CloudError as error:
            if error.code in _ABSENT:
                return  # deleted by now
            raise
        for stack in stacks:
            status, arn = str(stack.get("StackStatus")), str(stack.get("StackId"))
            mine = [(event, caller) for event, caller in calls if _about(event, stack)]
            if status.endswith("_IN_PROGRESS") and mine and arn not in seen:
                seen.add(arn)
                yield _live(target, stack, mine)

    return each([name for name in dict.fromkeys(_named(event) for event, _caller in calls) if name], one)


def _named(event: Event) -> str:
    """The stack's id, as far as the answer says it; some answers say nothing."""
    return field(event.get("responseElements"), "stackId") or field(event.get("requestParameters"), "stackName")


def _about(event: Event, stack: Mapping[str, Any]) -> bool:
    """Whether the call was about this stack, and not about one that had its name before."""
    if _named(event) == stack.get("StackId"):
        return True
    made = began.after(event, stack.get("CreationTime"))
    return _named(event) == stack.get("StackName") and made is not None and made <= began.LATEST


def _began(event: Event, stack: Mapping[str, Any]) -> bool:
    """Whether the update that is at work is the one that this call began."""
    operation = field(event.get("responseElements"), "operationId")
    known = [o.get("OperationId") for o in stack.get("LastOperations") or () if o.get("OperationType") == "UPDATE_STACK"]
    if event.get("eventName") not in _UPDATES or (operation and known and operation not in known):
        return False
    return began.with_call(event, stack.get("LastUpdatedTime"))  # AWS sets it when the update begins


def _live(target: Target, stack: Mapping[str, Any], calls: list[tuple[Event, Principal]]) -> Live:
    status, arn = str(stack.get("StackStatus")), str(stack.get("StackId"))
    whose = next((caller for event, caller in calls if _began(event, stack)), None)
    why = f"{status}: {_HAND}" if status != _CANCEL else "" if whose else f"{status}: {_OTHER}"
    return Live(target, arn, (whose or calls[-1][1]).arn, f"stack {arn}", {"began": stack.get("LastUpdatedTime")}, why)


def steps(live: Live) -> Iterator[Step]:
    """The update is cancelled, and CloudFormation rolls it back. Another update, begun later, is not what the probe sees."""
    update = {"StackId": live.id, "StackStatus": _CANCEL, "LastUpdatedTime": live.data.get("began")}
    probe = Probe(Call(live.target, "cloudformation", "DescribeStacks", {"StackName": live.id}), ("Stacks", [update], "StackId"), _ABSENT)
    do = Call(live.target, "cloudformation", "CancelUpdateStack", {"StackName": live.id})
    yield ended(live, KIND, do, probe, "CloudFormation rolls a cancelled update back: begin it anew", "cancel update")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Systems Manager automations (T1651): they run on under the role that they were given. ExecutedBy says who started one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import Event, Live, Suspects, ended, named, states

KIND = "ssm_automation"
NOUN = "automations"
ACCESS = "SSM automation"
LISTED = True
EVENTS: frozenset[tuple[str, str]] = frozenset(
    {("ssm.amazonaws.com", "StartAutomationExecution"), ("ssm.amazonaws.com", "StartChangeRequestExecution")}
)
READS: tuple[str, ...] = ("ssm:DescribeAutomationExecutions",)
# Of the filter's ten values; the last three are states of a change request.
_RUNNING = (
    "Pending", "InProgress", "Waiting", "PendingApproval", "Approved", "Scheduled",
    "RunbookInProgress", "PendingChangeCalendarOverride", "ChangeCalendarOverrideApproved",
)  # fmt: skip
_LIST = "AutomationExecutionMetadataList"


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> list[Live]:
    """Automations of the suspects that have not ended."""
    logged = named(who, started, "automationExecutionId")
    running = {"Filters": [{"Key": "ExecutionStatus", "Values": list(_RUNNING)}]}
    lives = []
    for run in reader.get(Call(target, "ssm", "DescribeAutomationExecutions", running)).get(_LIST, []):
        name = str(run.get("AutomationExecutionId"))
        principal = who.started_by(str(run.get("ExecutedBy", ""))) or logged.get(name)
        if principal and run.get("AutomationExecutionStatus") in _RUNNING:
            lives.append(Live(target, name, principal.arn, f"automation {name} ({run.get('DocumentName', '?')}) in {target.region}"))
    return lives


def steps(live: Live) -> Iterator[Step]:
    """Cancelled, with the step that runs."""
    one = {"Filters": [{"Key": "ExecutionId", "Values": [live.id]}]}
    path = (_LIST, states("AutomationExecutionId", live.id, "AutomationExecutionStatus", _RUNNING), "AutomationExecutionId")
    probe = Probe(Call(live.target, "ssm", "DescribeAutomationExecutions", one), path)
    do = Call(live.target, "ssm", "StopAutomationExecution", {"AutomationExecutionId": live.id, "Type": "Cancel"})
    yield ended(live, KIND, do, probe, "a cancelled automation is started anew, not resumed")

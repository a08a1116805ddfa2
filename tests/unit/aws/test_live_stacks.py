"""A stack at work is joined to the call that set it to work, and to no other: an update of somebody else is never cancelled."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import live
from ansible_collections.evict.cloud.plugins.module_utils.aws.live import stack
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from tests.unit.aws.modelled_cloud import ModelledCloud
from tests.unit.aws.test_live_kinds import STACK, USER, event, look, run, suspects

MADE, BEGAN = "2026-11-01T00:00:00Z", "2026-11-27T10:00:00Z"
LATER = "2026-11-29T09:00:00Z"


def shown(status: str = "UPDATE_IN_PROGRESS", updated: str = BEGAN, made: str = MADE, arn: str = STACK, **more: Any) -> dict[str, Any]:
    return {"Stacks": [{"StackName": "s", "StackId": arn, "StackStatus": status, "CreationTime": made, "LastUpdatedTime": updated, **more}]}


def call(name: str = "UpdateStack", answer: Any = None, at: str = BEGAN, **more: Any) -> dict[str, Any]:
    return {**event("cloudformation", name, {"stackName": "s"}, answer), "eventTime": at, **more}


MINE = {"stackId": STACK}
OPERATION = {"stackId": STACK, "operationId": "op-1"}


@pytest.mark.parametrize(
    ("started", "state"),
    [
        (call(answer=MINE), {"updated": "2026-11-27T10:00:03Z"}),
        (call("ExecuteChangeSet"), {}),  # it answers nothing: known by the name alone
        (call(answer=OPERATION), {"LastOperations": [{"OperationType": "UPDATE_STACK", "OperationId": "op-1"}]}),
        (call(answer=OPERATION), {}),  # a region whose answers do not name operations yet
    ],
)
def test_the_update_that_the_suspect_began_is_cancelled(started: dict[str, Any], state: dict[str, Any]) -> None:
    now = {"status": "UPDATE_IN_PROGRESS"}

    def cancel(_parameters: Any) -> dict[str, Any]:
        now["status"] = "UPDATE_ROLLBACK_IN_PROGRESS"
        return {}

    cloud = ModelledCloud(DescribeStacks=lambda _p: shown(now["status"], **state), CancelUpdateStack=cancel)
    (found,) = look(cloud, stack, suspects(USER), started)
    done = run(cloud, stack, found)
    assert found.why == "" and done.failures == [] and done.changed == 1 and len(cloud.asked("CancelUpdateStack")) == 1


@pytest.mark.parametrize(
    ("started", "state"),
    [
        (call(answer=MINE), {"updated": LATER}),  # the suspect's ended two days ago; a pipeline's is at work
        (call("ExecuteChangeSet"), {"updated": LATER}),
        (call("CreateStack", MINE), {}),  # it made the stack, and updated nothing
        (call(answer=OPERATION), {"LastOperations": [{"OperationType": "UPDATE_STACK", "OperationId": "op-2"}]}),
        (call(answer=MINE, at=""), {}),
        (call(answer=MINE), {"updated": "2026-11-27T09:59:00Z"}),
    ],
)
def test_an_update_that_somebody_else_began_is_named_and_goes_on(started: dict[str, Any], state: dict[str, Any]) -> None:
    (found,) = look(ModelledCloud(DescribeStacks=shown(**state)), stack, suspects(USER), started)
    assert "cancel-update-stack" in found.why and found.until == live.BY_HAND and found.principal == USER.arn


@pytest.mark.parametrize("started", [call(answer=None, errorCode="AccessDenied"), call("DeleteStack", errorCode="ValidationError")])
def test_a_call_that_was_refused_began_nothing(started: dict[str, Any]) -> None:
    cloud = ModelledCloud(DescribeStacks=shown())
    assert look(cloud, stack, suspects(USER), started) == [] and cloud.calls == []


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS"])
def test_a_stack_that_was_made_anew_under_the_name_is_somebody_elses(status: str) -> None:
    cloud = ModelledCloud(DescribeStacks=shown(status, LATER, LATER, STACK[:-1] + "2"))
    assert look(cloud, stack, suspects(USER), call("DeleteStack")) == []


def test_of_several_calls_the_one_that_began_it_counts_and_the_stack_is_named_once() -> None:
    cloud = ModelledCloud(DescribeStacks=shown(updated=LATER))
    (found,) = look(cloud, stack, suspects(USER), call(answer=MINE), call("ExecuteChangeSet", at=LATER))
    assert found.why == ""


def test_another_update_that_has_begun_since_is_not_what_the_step_looks_at() -> None:
    """A run that takes up what a killed one left must not cancel what a pipeline began in between."""
    (found,) = look(ModelledCloud(DescribeStacks=shown()), stack, suspects(USER), call(answer=MINE))
    (step,) = stack.steps(found)
    read = lambda state: Reader({"aws": ModelledCloud(DescribeStacks=state)}).read(step.probe)  # type: ignore[arg-type]  # noqa: E731
    assert read(shown()) == step.before == [STACK] and read(shown(updated=LATER)) == step.after == []


def test_a_rollback_that_the_suspect_lets_go_on_is_named() -> None:
    (found,) = look(
        ModelledCloud(DescribeStacks=shown("UPDATE_ROLLBACK_IN_PROGRESS")), stack, suspects(USER), call("ContinueUpdateRollback")
    )
    assert ("cloudformation.amazonaws.com", "ContinueUpdateRollback") in stack.EVENTS and "UPDATE_ROLLBACK_IN_PROGRESS" in found.why

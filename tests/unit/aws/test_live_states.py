"""States in which a live thing still runs, and those in which it is ended already though the service has not come round to it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.live import batch_job, batch_service_job, ssm_automation, state_execution
from tests.unit.aws.modelled_cloud import ModelledCloud
from tests.unit.aws.test_live_kinds import USER, event, look, run, suspects

JOB = {"jobName": "mine", "jobId": "j-1", "jobQueue": "q", "jobDefinition": "d", "startedAt": 1}
SUBMITTED = event("batch", "SubmitJob", {}, {"jobId": "j-1"})


@pytest.mark.parametrize("flags", [{}, {"isTerminated": False, "isCancelled": False}])
@pytest.mark.parametrize(("status", "flag"), [("RUNNING", "isTerminated"), ("RUNNABLE", "isCancelled")])
def test_a_job_whose_container_takes_its_time_is_terminated_once_and_is_no_failure(status: str, flag: str, flags: dict[str, Any]) -> None:
    state: dict[str, Any] = {"status": status, **flags}

    def terminate(_parameters: Any) -> dict[str, Any]:
        state[flag] = True  # and RUNNING, until the container has stopped
        return {}

    cloud = ModelledCloud(DescribeJobs=lambda _p: {"jobs": [{**JOB, **state}]}, TerminateJob=terminate)
    (found,) = look(cloud, batch_job, suspects(USER), SUBMITTED)
    done = run(cloud, batch_job, found)
    assert done.failures == [] and {d.status for d in done.done.values()} == {"done"}
    assert look(cloud, batch_job, suspects(USER), SUBMITTED) == []  # a second run has nothing to do


@pytest.mark.parametrize("told", [{}, {"isTerminated": False}])
@pytest.mark.parametrize("status", ["RUNNING", "SCHEDULED"])
def test_a_service_job_is_terminated_once_and_a_strangers_is_left(status: str, told: dict[str, Any]) -> None:
    state: dict[str, Any] = {"status": status, **told}
    one = {"jobId": "j-1", "jobName": "train", "jobQueue": "q", "serviceJobType": "SAGEMAKER_TRAINING", "startedAt": 1}

    def terminate(_parameters: Any) -> dict[str, Any]:
        state["isTerminated"] = True
        return {}

    cloud = ModelledCloud(DescribeServiceJob=lambda _p: {**one, **state}, TerminateServiceJob=terminate)
    submitted = event("batch", "SubmitServiceJob", {}, {"jobId": "j-1"})
    assert ("batch.amazonaws.com", "SubmitServiceJob") in batch_service_job.EVENTS
    stranger = {**submitted, "userIdentity": {"type": "IAMUser", "arn": f"{USER.arn}-2"}}
    assert look(cloud, batch_service_job, suspects(USER), stranger) == []
    (found,) = look(cloud, batch_service_job, suspects(USER), submitted)
    done = run(cloud, batch_service_job, found)
    assert done.failures == [] and done.changed == 1 and len(cloud.asked("TerminateServiceJob")) == 1
    assert look(cloud, batch_service_job, suspects(USER), submitted) == []


# -- automations -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["RunbookInProgress", "PendingChangeCalendarOverride", "ChangeCalendarOverrideApproved", "InProgress"])
def test_a_change_request_that_runs_its_runbook_is_cancelled(status: str) -> None:
    state = {"AutomationExecutionStatus": status}
    one = {"AutomationExecutionId": "a" * 36, "ExecutedBy": USER.arn, "DocumentName": "AWS-ChangeManager"}

    def stop(_parameters: Any) -> dict[str, Any]:
        state["AutomationExecutionStatus"] = "Cancelled"
        return {}

    def listed(parameters: dict[str, Any]) -> dict[str, Any]:
        (wanted,) = parameters["Filters"]
        assert len(wanted["Values"]) <= 10  # AWS takes no more
        shown = wanted["Key"] == "ExecutionId" or state["AutomationExecutionStatus"] in wanted["Values"]
        return {"AutomationExecutionMetadataList": [{**one, **state}] if shown else []}

    cloud = ModelledCloud(DescribeAutomationExecutions=listed, StopAutomationExecution=stop)
    (found,) = look(cloud, ssm_automation, suspects(USER))
    done = run(cloud, ssm_automation, found)
    assert done.failures == [] and done.changed == 1 and look(cloud, ssm_automation, suspects(USER)) == []


# -- executions ------------------------------------------------------------------------------------------------------------------

EXECUTION = "arn:aws:states:eu-west-1:111122223333:execution:m:e"
REDRIVEN = "2026-11-27T10:00:00Z"


def redrive(answer: Any = None, **more: Any) -> dict[str, Any]:
    return {**event("states", "RedriveExecution", {"executionArn": EXECUTION}, answer), "eventTime": REDRIVEN, **more}


def described(**more: Any) -> dict[str, Any]:
    return {"executionArn": EXECUTION, "stateMachineArn": EXECUTION, "status": "RUNNING", "startDate": "2026-11-20T10:00:00Z", **more}


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"redriveDate": "Nov 27, 2026, 10:00:01 AM"}, {"redriveDate": "2026-11-27T10:00:01Z"}),
        (None, {"redriveDate": "2026-11-27T10:00:01Z"}),
    ],
)
def test_an_execution_that_a_suspect_redrove_is_stopped(answer: Any, shown: dict[str, Any]) -> None:
    state = described(**shown)

    def stop(_parameters: Any) -> dict[str, Any]:
        state["status"] = "ABORTED"
        return {"stopDate": REDRIVEN}

    cloud = ModelledCloud(DescribeExecution=lambda _p: dict(state), StopExecution=stop)
    (found,) = look(cloud, state_execution, suspects(USER), redrive(answer))
    done = run(cloud, state_execution, found)
    assert found.why == "" and done.failures == [] and done.changed == 1
    assert look(cloud, state_execution, suspects(USER), redrive(answer)) == []


@pytest.mark.parametrize("shown", [{"redriveDate": "2026-11-29T10:00:00Z"}, {}])
def test_an_execution_that_somebody_else_redrove_since_is_named_and_goes_on(shown: dict[str, Any]) -> None:
    """The suspect's redrive has failed meanwhile, or the redrive that runs is not shown (a Map Run of express workflows)."""
    (found,) = look(ModelledCloud(DescribeExecution=described(**shown)), state_execution, suspects(USER), redrive())
    assert "stop-execution" in found.why


def test_a_redrive_of_what_the_suspect_had_started_is_the_suspects() -> None:
    started = event("states", "StartExecution", {}, {"executionArn": EXECUTION})
    (found,) = look(ModelledCloud(DescribeExecution=described(redriveDate=REDRIVEN)), state_execution, suspects(USER), started, redrive())
    assert found.why == ""


def test_a_redrive_that_was_refused_ran_nothing() -> None:
    cloud = ModelledCloud(DescribeExecution=described(redriveDate=REDRIVEN))
    assert look(cloud, state_execution, suspects(USER), redrive(errorCode="ExecutionNotRedrivable")) == [] and cloud.calls == []

"""States in which a live thing still runs, and those in which it is ended already though the service has not come round to it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.live import batch_job
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

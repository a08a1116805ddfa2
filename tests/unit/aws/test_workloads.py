"""Workloads of a revoked role: one that is gone or may not be looked at hides no other."""

from __future__ import annotations

import datetime
import time
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.aftermath import Aftermath
from ansible_collections.evict.cloud.plugins.module_utils.aws.live import codebuild_build
from ansible_collections.evict.cloud.plugins.module_utils.aws.workloads import function, kind, service
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from tests.unit.aws.modelled_cloud import ModelledCloud
from tests.unit.aws.test_live_kinds import HERE, USER, A, event, role, suspects

SHARED, OTHER = role("shared", "lambda.amazonaws.com"), role("other", "lambda.amazonaws.com")
CUTOFF = "2026-11-27T10:00:00Z"
NOW = datetime.datetime(2026, 11, 27, 11, tzinfo=datetime.UTC)


def listed(name: str, of: Any = SHARED, version: str = "$LATEST") -> dict[str, Any]:
    arn = f"arn:aws:lambda:eu-west-1:{A}:function:{name}:{version}"
    return {"FunctionName": name, "FunctionArn": arn, "Role": of.arn, "Version": version, "RevisionId": "r"}


def held(cloud: ModelledCloud, it: Any = function) -> tuple[list[kind.Workload], str]:
    """What was found, and the code of what was missed."""
    found: list[kind.Workload] = []
    try:
        for one in it.held(SHARED, HERE, Reader({"aws": cloud})):
            found.append(one)
    except CloudError as error:
        return found, error.code
    return found, ""


def aftermath(cloud: ModelledCloud, *events: Any) -> tuple[Aftermath, list[str]]:
    """One whose runner only notes what is given to it."""
    steps: list[str] = []

    def add(_principal: str, _account: str, jobs: Any) -> None:
        made = [step for job in jobs for step in job.make(None)]
        steps.extend(step.resource for step in made)
        run.runner.done |= {step.id: SimpleNamespace(status="done", message="", step=step) for step in made}

    pool = SimpleNamespace(submit=lambda _priority, _account, task: task())
    runner = SimpleNamespace(clouds={"aws": cloud}, add=add, check=False, done={}, pool=pool, wait=lambda: None)
    run = SimpleNamespace(
        runner=runner, scope=SimpleNamespace(kept=events), incident=SimpleNamespace(id="IR-1"),
        isolation=SimpleNamespace(kept_from=lambda one, sessions: one.kept_from(sessions)), case=SimpleNamespace(history={}),
        options=SimpleNamespace(refresh=True, hold=1.0), aws=SimpleNamespace(now=lambda: NOW, absent=lambda *_: False),
    )  # fmt: skip
    after = Aftermath(run)  # type: ignore[arg-type]
    after._deadline = time.monotonic() + 60
    return after, steps


# -- Lambda ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "missed"), [("ResourceNotFoundException", ""), ("AccessDeniedException", "AccessDeniedException")])
def test_a_function_that_is_gone_or_may_not_be_looked_at_hides_no_other(code: str, missed: str) -> None:
    def aliases(parameters: dict[str, Any]) -> Any:
        return code if parameters["FunctionName"].endswith(":a") else {"Aliases": [{"Name": "live", "FunctionVersion": "1"}]}

    every = [listed(name, version=version) for name in "ab" for version in ("$LATEST", "1")]
    found, said = held(ModelledCloud(ListFunctions={"Functions": every}, ListAliases=aliases))
    arn = f"arn:aws:lambda:eu-west-1:{A}:function:"
    assert [one.id for one in found] == [f"{arn}a", f"{arn}b", f"{arn}b:live"] and said == missed


def test_a_published_version_has_a_role_of_its_own() -> None:
    """`$LATEST` has another role by now; what the alias leads to still runs as the revoked one, and the other way round."""
    every = [listed("old", OTHER), listed("old", version="1"), listed("new"), listed("new", OTHER, "1")]
    cloud = ModelledCloud(ListFunctions={"Functions": every}, ListAliases={"Aliases": [{"Name": "live", "FunctionVersion": "1"}]})
    found, said = held(cloud)
    assert [(one.id.rsplit(":function:", 1)[1], bool(one.why)) for one in found] == [("old:live", True), ("new", False)] and said == ""
    assert [call.parameters["FunctionName"].rsplit(":", 1)[1] for call in cloud.asked("ListAliases")] == ["old"]  # no more than needed


def test_one_function_that_cannot_be_read_is_named_and_the_next_is_refreshed() -> None:
    def configuration(parameters: dict[str, Any]) -> Any:
        return "AccessDeniedException" if parameters["FunctionName"].endswith(":a") else {"Description": "x"}

    cloud = ModelledCloud(ListFunctions={"Functions": [listed("a"), listed("b")]}, GetFunctionConfiguration=configuration)
    after, steps = aftermath(cloud)
    after._renew(function, SHARED, HERE, CUTOFF)()
    states = {row["object"].rsplit(":", 1)[1]: (row["state"], row["why"]) for row in after.rows()}
    assert (
        states["a"] == ("failed", "lambda:GetFunctionConfiguration: AccessDeniedException") and len(steps) == 1 and "function b" in steps[0]
    )
    assert [item["why"] for item in after.open_items() if "function a" in item["object"]]


def test_a_function_that_goes_before_it_is_refreshed_is_no_row() -> None:
    cloud = ModelledCloud(ListFunctions={"Functions": [listed("a")]}, GetFunctionConfiguration="ResourceNotFoundException")
    after, steps = aftermath(cloud)
    after._renew(function, SHARED, HERE, CUTOFF)()
    assert after.rows() == [] and steps == [] and after.open_items() == []


# -- whether it has new credentials ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state", "until"), [("Successful", "refreshed", ""), ("InProgress", "asked to refresh", "2026-11-27T22:00:00Z"),
                                   ("Failed", "asked to refresh", "2026-11-27T22:00:00Z")],
)  # fmt: skip
def test_a_function_is_refreshed_when_lambda_says_that_its_update_is_done(
    status: str, state: str, until: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    configuration = {"Description": "x", "LastUpdateStatus": status}
    after, _steps = aftermath(ModelledCloud(ListFunctions={"Functions": [listed("a")]}, GetFunctionConfiguration=configuration))
    after._renew(function, SHARED, HERE, CUTOFF)()
    after._confirm()
    (row,) = after.rows()
    assert (row["state"], row["until"]) == (state, until)


IMAGE = f"{A}.dkr.ecr.eu-west-1.amazonaws.com/shop/web"
OLD, NEW = "2026-11-27T09:00:00Z", "2026-11-27T10:30:00Z"


def tasks(*made: str, image: str = f"{IMAGE}:latest") -> ModelledCloud:
    """A service with a task for each moment."""
    every = [
        {
            "taskArn": f"arn:t/{number}",
            "group": "service:web",
            "taskDefinitionArn": "d",
            "createdAt": moment,
            "containers": [{"image": image}],
        }
        for number, moment in enumerate(made)
    ]
    return ModelledCloud(
        ListClusters={"clusterArns": ["c"]}, ListTasks={"taskArns": [t["taskArn"] for t in every]}, DescribeTasks={"tasks": every},
        DescribeTaskDefinition={"taskDefinition": {"taskRoleArn": SHARED.arn}},
        DescribeServices={"services": [{"serviceName": "web", "deployments": [{"id": "d-1", "status": "PRIMARY"}]}]},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "state", "until"),
    [
        ((NEW, NEW), "refreshed", ""),
        ((NEW, OLD), "asked to refresh", "2026-11-27T16:00:00Z"),
        ((OLD,), "asked to refresh", "2026-11-27T16:00:00Z"),
    ],
)
def test_a_service_is_refreshed_when_no_task_from_before_the_cutoff_is_left(made: tuple[str, ...], state: str, until: str) -> None:
    """Also when its deployment failed or was rolled back: the old tasks say so."""
    after, steps = aftermath(tasks(*made))
    after._renew(service, SHARED, HERE, CUTOFF)()
    after._confirm()
    (row,) = after.rows()
    assert (row["state"], row["until"]) == (state, until) and len(steps) == 1


def pushed(**request: Any) -> dict[str, Any]:
    return {**event("ecr", "PutImage", {"repositoryName": "shop/web", "imageTag": "latest", **request}), "eventTime": OLD}


def test_an_image_that_a_suspect_pushed_is_not_deployed_and_given_new_credentials() -> None:
    after, steps = aftermath(tasks(OLD), pushed())
    after._renew(service, SHARED, HERE, CUTOFF)()
    (row,) = after.rows()
    assert row["state"] == "left" and "shop/web" in row["why"] and steps == []


@pytest.mark.parametrize(
    ("event_", "image"),
    [(pushed(repositoryName="shop/api"), f"{IMAGE}:latest"), (pushed(registryId="9" * 12), f"{IMAGE}:latest"),
     (pushed(), f"{IMAGE}@sha256:{'0' * 64}"), (pushed(), "nginx"), ({**pushed(), "awsRegion": "us-east-1"}, f"{IMAGE}:latest")],
)  # fmt: skip
def test_an_image_that_no_suspect_could_have_changed_is_deployed(event_: dict[str, Any], image: str) -> None:
    after, steps = aftermath(tasks(OLD, image=image), event_)
    after._renew(service, SHARED, HERE, CUTOFF)()
    assert len(steps) == 1 and after.rows()[0]["why"] == ""


# -- ECS -------------------------------------------------------------------------------------------------------------------------


def test_a_cluster_that_is_gone_by_now_is_no_gap() -> None:
    cloud = ModelledCloud(ListClusters={"clusterArns": ["a"]}, ListTasks="ClusterNotFoundException")
    assert held(cloud, service) == ([], "")


# -- time is bounded --------------------------------------------------------------------------------------------------------------


def test_a_slow_listing_stops_when_time_is_up_and_is_a_named_gap() -> None:
    """A thousand projects of CodeBuild, each asked after the other: the hold does not wait for them."""
    after, _steps = aftermath(cloud := ModelledCloud(ListProjects={"projects": [f"p{n}" for n in range(1000)]}))

    def listed(_parameters: Any) -> dict[str, Any]:
        if len(cloud.asked("ListBuildsForProject")) == 3:
            after._deadline = time.monotonic() - 1
        return {}

    cloud.answers["ListBuildsForProject"] = listed
    after._look(codebuild_build, HERE, suspects(USER), [])()
    assert len(cloud.asked("ListBuildsForProject")) == 3
    (item,) = after.open_items()
    assert item["object"] == "live sessions" and "CodeBuild builds" in item["why"] and "time was up" in item["why"]

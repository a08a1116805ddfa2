"""What the enforcing bed does not have of live things: Roles Anywhere and stacks at work; and that AWS's models take every request."""

from __future__ import annotations

import contextlib
import datetime
import types
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import everybody, federation, identity_center, live, people, workloads
from ansible_collections.evict.cloud.plugins.module_utils.aws.live import (
    codebuild_batch,
    codebuild_build,
    codebuild_sandbox,
    eks_access,
    glue_run,
    glue_session,
    glue_workflow,
    kind,
    roles_anywhere,
    ssm_command,
    stack,
    stack_set,
    state_execution,
)  # fmt: skip
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.quarantine import longest
from ansible_collections.evict.cloud.plugins.module_utils.common import plan
from ansible_collections.evict.cloud.plugins.module_utils.common.chain import Job
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import identity
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Phase, Target
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Runner
from tests.tools import permissions
from tests.unit.aws.modelled_cloud import ModelledCloud, valid_call
from tests.unit.common.fake_cloud import Journal

A = "111122223333"
HERE = Target("aws", A, "eu-west-1")
USER = Principal(A, "user", "ci", "AIDA", f"arn:aws:iam::{A}:user/ci", "")


def role(name: str, *services: str, **more: Any) -> Principal:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": "sts:AssumeRole"}]}
    return Principal(A, "role", name, "AROA", f"arn:aws:iam::{A}:role/{name}", "", {"AssumeRolePolicyDocument": trust}, **more)


def event(source: str, name: str, request: Any = None, answer: Any = None) -> dict[str, Any]:
    who = {"type": "IAMUser", "arn": USER.arn, "accessKeyId": "AKIACI"}
    return {"eventSource": f"{source}.amazonaws.com", "eventName": name, "userIdentity": who, "requestParameters": request,
            "responseElements": answer, "awsRegion": "eu-west-1", "recipientAccountId": A}  # fmt: skip


def suspects(*principals: Principal, **actions: str) -> live.Suspects:
    return live.Suspects(principals, {f"{A}:role/{name}": action for name, action in actions.items()}, {})


def run(cloud: ModelledCloud, it: live.Kind, found: live.Live) -> Runner:
    runner = Runner({"aws": cloud}, Journal())
    runner.add(found.principal, A, [Job(Phase.RESOURCE, lambda _r: it.steps(found))])
    runner.wait()
    runner.close()
    return runner


def look(cloud: ModelledCloud, it: live.Kind, who: live.Suspects, *started: Any) -> list[live.Live]:
    return list(it.found(HERE, who, started, Reader({"aws": cloud})))


# -- the registries -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("registry", [live, workloads])
def test_a_registry_holds_every_file_of_its_folder(registry: Any) -> None:
    files = {path.stem for path in Path(registry.__file__).parent.glob("*.py")} - {"__init__", "kind"}
    assert {it.__name__.rsplit(".", 1)[-1] for it in registry.KINDS.values()} == files
    for name, it in registry.KINDS.items():
        assert name == it.KIND and it.NOUN and it.READS


def test_every_request_is_one_that_the_models_take() -> None:
    """What ends, refreshes, undoes and looks again."""
    seen = set()
    for made in permissions.runs():
        for step in made.steps if made.generator.startswith(("live.", "workloads.")) else ():
            for action in (*step.do, *step.undo, *([step.probe.call] if step.probe else [])):
                if isinstance(action, Call) and not list(plan.refs(action)):
                    valid_call(action)
                    seen.add(action.name)
    assert {"ssm:TerminateSession", "eks:CreateAccessEntry", "ecs:UpdateService", "rolesanywhere:EnableCrl", "batch:TerminateJob"} <= seen


def test_every_kind_says_why_it_does_not_come_back_or_how() -> None:
    for made in permissions.runs():
        if made.generator.startswith(("live.", "workloads.")):
            assert all(step.irreversible or step.undo for step in made.steps)


# -- Roles Anywhere --------------------------------------------------------------------------------------------------------------

PROFILE = {"profileId": "11111111-2222-3333-4444-555555555555", "profileArn": f"arn:aws:rolesanywhere:eu-west-1:{A}:profile/p", "name": "laptops",
           "enabled": True, "roleArns": [f"arn:aws:iam::{A}:role/fleet"]}  # fmt: skip
ANCHOR = {"trustAnchorId": "99999999-2222-3333-4444-555555555555", "trustAnchorArn": "arn:x", "name": "corp {{ 1 }}", "enabled": True}


def test_a_profile_that_the_suspect_made_is_switched_off_and_comes_back() -> None:
    state = {"enabled": True}
    detail = lambda _p: {"profile": {**PROFILE, **state}}  # noqa: E731

    def switch(to: bool) -> Any:
        def answer(parameters: dict[str, Any]) -> dict[str, Any]:
            state["enabled"] = to
            return detail(parameters)

        return answer

    cloud = ModelledCloud(GetProfile=detail, DisableProfile=switch(False), EnableProfile=switch(True), ListProfiles={"profiles": [PROFILE]})
    started = event("rolesanywhere", "CreateProfile", answer={"profile": {"profileId": PROFILE["profileId"]}})
    (found,) = look(cloud, roles_anywhere, suspects(USER), started)
    done = run(cloud, roles_anywhere, found)
    assert done.failures == [] and done.changed == 1 and state == {"enabled": False}
    assert look(cloud, roles_anywhere, suspects(USER), started) == []  # a second run finds nothing to do
    (result,) = done.done.values()
    cloud.call(result.step.undo[0])  # type: ignore[arg-type]
    assert state == {"enabled": True} and not result.step.irreversible


def test_nothing_is_listed_where_no_contained_role_can_be_reached_so() -> None:
    cloud = ModelledCloud(ListProfiles={"profiles": [PROFILE]}, ListTrustAnchors={"trustAnchors": [ANCHOR]})
    assert look(cloud, roles_anywhere, suspects(USER, role("fleet", "ec2.amazonaws.com"), fleet="revoke")) == [] and cloud.calls == []
    assert not live.asked(roles_anywhere, suspects(USER), A)


def test_somebody_elses_profile_that_leads_to_a_revoked_role_is_named_and_left() -> None:
    cloud = ModelledCloud(ListProfiles={"profiles": [PROFILE]}, ListTrustAnchors={"trustAnchors": [ANCHOR]})
    fleet = role("fleet", "rolesanywhere.amazonaws.com")
    assert live.asked(roles_anywhere, suspects(fleet), A)
    (found,) = look(cloud, roles_anywhere, suspects(fleet, fleet="revoke"))
    assert "laptops" in found.text and "corp {{ 1 }}" in found.why and found.until == live.BY_HAND
    assert look(cloud, roles_anywhere, suspects(fleet, fleet="deny")) == []  # a denied session does nothing
    cloud.answers["ListProfiles"] = {"profiles": [{**PROFILE, "enabled": False}]}
    assert look(cloud, roles_anywhere, suspects(fleet, fleet="revoke")) == []
    cloud.answers["ListProfiles"] = "AccessDeniedException"
    with pytest.raises(CloudError):  # unknown, never none
        look(cloud, roles_anywhere, suspects(fleet, fleet="revoke"))


# -- CloudFormation --------------------------------------------------------------------------------------------------------------

STACK = f"arn:aws:cloudformation:eu-west-1:{A}:stack/s/1"


def described(status: str) -> dict[str, Any]:
    now = "2026-11-27T10:00:00Z"
    return {"Stacks": [{"StackName": "s", "StackId": STACK, "StackStatus": status, "CreationTime": now, "LastUpdatedTime": now}]}


def test_an_update_is_cancelled_and_anything_else_is_for_a_hand() -> None:
    state = {"status": "UPDATE_IN_PROGRESS"}

    def cancel(_parameters: dict[str, Any]) -> dict[str, Any]:
        state["status"] = "UPDATE_ROLLBACK_IN_PROGRESS"
        return {}

    cloud = ModelledCloud(DescribeStacks=lambda _p: described(state["status"]), CancelUpdateStack=cancel)
    started = {**event("cloudformation", "UpdateStack", {"stackName": "s"}, {"stackId": STACK}), "eventTime": "2026-11-27T10:00:00Z"}
    (found,) = look(cloud, stack, suspects(USER), started)
    done = run(cloud, stack, found)
    assert done.failures == [] and done.changed == 1 and found.why == ""
    (rolling,) = look(cloud, stack, suspects(USER), started)
    assert "AWS cancels nothing but an update" in rolling.why
    state["status"] = "UPDATE_ROLLBACK_COMPLETE"
    assert look(cloud, stack, suspects(USER), started) == []
    cloud.answers["DescribeStacks"] = "ValidationError"  # deleted
    assert look(cloud, stack, suspects(USER), started) == []
    cloud.answers["DescribeStacks"] = "AccessDenied"
    with pytest.raises(CloudError):
        look(cloud, stack, suspects(USER), started)


def test_a_stack_that_is_being_made_is_named() -> None:
    cloud = ModelledCloud(DescribeStacks=described("CREATE_IN_PROGRESS"))
    (found,) = look(cloud, stack, suspects(USER), event("cloudformation", "CreateStack", {"stackName": "s"}, {"stackId": STACK}))
    assert found.why.startswith("CREATE_IN_PROGRESS") and found.until == live.BY_HAND


def test_what_the_log_does_not_tie_to_a_suspect_is_left() -> None:
    cloud = ModelledCloud(DescribeStacks=described("UPDATE_IN_PROGRESS"))
    stranger = event("cloudformation", "UpdateStack", {"stackName": "s"}, {"stackId": STACK})
    stranger["userIdentity"] = {"arn": f"arn:aws:iam::{A}:user/bob"}
    assert look(cloud, stack, suspects(USER), stranger) == []


# -- CodeBuild: as far back as a build could still run ---------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "asked"), [(0.1, 250), (1, 100)])
def test_builds_are_read_as_far_back_as_one_could_still_run(hours: float, asked: int) -> None:
    """250 builds, one every so many hours: where the hundredth began two days before the newest, no older one can run, whatever this machine's clock says."""
    names = [f"p:{number}" for number in range(250)]
    newest = datetime.datetime(2019, 5, 1, tzinfo=datetime.UTC)

    def listed(parameters: dict[str, Any]) -> dict[str, Any]:
        assert (
            "sortOrder" not in parameters
        )  # the model: "If the project has more than 100 builds, setting the sort order will result in an error"
        return {"ids": names[: parameters["PaginationConfig"]["MaxItems"]]}

    def got(parameters: dict[str, Any]) -> dict[str, Any]:
        state = {name: "IN_PROGRESS" if name == "p:249" else "SUCCEEDED" for name in names}
        when = {name: newest - datetime.timedelta(hours=hours * number) for number, name in enumerate(names)}
        return {"builds": [{"id": n, "buildStatus": state[n], "initiator": "ci", "startTime": when[n]} for n in parameters["ids"]]}

    cloud = ModelledCloud(ListProjects={"projects": ["p"]}, ListBuildsForProject=listed, BatchGetBuilds=got)
    found = look(cloud, codebuild_build, suspects(USER))
    assert [one.id for one in found] == (["p:249"] if asked == 250 else [])
    assert sum(len(call.parameters["ids"]) for call in cloud.asked("BatchGetBuilds")) == asked


def test_a_build_that_the_log_names_is_found_before_any_project_is_asked() -> None:
    """A thousand projects take longer than there is time for."""
    build = {"id": "p:1", "buildStatus": "IN_PROGRESS", "initiator": "somebody/else"}
    cloud = ModelledCloud(ListProjects={"projects": ["p"]}, ListBuildsForProject="ThrottlingException", BatchGetBuilds={"builds": [build]})
    found = []
    with pytest.raises(CloudError, match="Throttling"):
        for one in codebuild_build.found(
            HERE, suspects(USER), [event("codebuild", "StartBuild", {}, {"build": {"id": "p:1"}})], Reader({"aws": cloud})
        ):
            found.append(one.id)
    assert found == ["p:1"] and cloud.calls[0].operation == "BatchGetBuilds"
    cloud.answers["ListBuildsForProject"] = {"ids": ["p:1"]}
    assert len(look(cloud, codebuild_build, suspects(USER), event("codebuild", "StartBuild", {}, {"build": {"id": "p:1"}}))) == 1


@pytest.mark.parametrize(
    ("initiator", "whose"),
    [
        ("ci", True),
        ("bob", False),
        ("deploy/evil", True),
        ("deploy/alice", False),
        ("codepipeline/ci", False),
        ("", False),
        ("GitHub-Hookshot/1", False),
    ],
)
def test_whose_a_build_is(initiator: str, whose: bool) -> None:
    deploy, pipeline = role("deploy", sessions={"evil"}), role("codepipeline")
    found = codebuild_build.initiator(suspects(USER, deploy, pipeline, deploy="revoke", codepipeline="deny"), A, initiator)
    assert (found is not None) == whose


# -- CodeBuild batches and sandboxes, Glue sessions and workflows, StackSets -----------------------------------------------------


RUNS: list[tuple[Any, str, str, Any, Any, str, str, Any, str]] = [
    (codebuild_batch, "codebuild", "StartBuildBatch", {}, {"buildBatch": {"id": "ci:1"}}, "BatchGetBuildBatches", "StopBuildBatch",
     lambda state: {"buildBatches": [{"id": "ci:1", "buildBatchStatus": state, "initiator": "ci"}]}, "IN_PROGRESS"),
    (codebuild_sandbox, "codebuild", "StartSandbox", {}, {"sandbox": {"id": "ci:1"}}, "BatchGetSandboxes", "StopSandbox",
     lambda state: {"sandboxes": [{"id": "ci:1", "status": state}]}, "SOMETHING_NEW"),
    (glue_session, "glue", "CreateSession", {"id": "s"}, {}, "GetSession", "StopSession",
     lambda state: {"Session": {"Id": "s", "Status": state}}, "READY"),
    (glue_workflow, "glue", "StartWorkflowRun", {"name": "w"}, {"runId": "wr_1"}, "GetWorkflowRun", "StopWorkflowRun",
     lambda state: {"Run": {"Name": "w", "WorkflowRunId": "wr_1", "Status": state}}, "RUNNING"),
    (stack_set, "cloudformation", "UpdateStackSet", {"stackSetName": "fleet", "callAs": "DELEGATED_ADMIN"}, {"operationId": "op-1"},
     "DescribeStackSetOperation", "StopStackSetOperation", lambda state: {"StackSetOperation": {"OperationId": "op-1", "Status": state}}, "RUNNING"),
]  # fmt: skip


@pytest.mark.parametrize(("it", "source", "name", "given", "answer", "look_up", "stop", "shown", "running"), RUNS)
def test_what_runs_is_stopped_once_and_strangers_are_left(
    it: Any, source: str, name: str, given: Any, answer: Any, look_up: str, stop: str, shown: Any, running: str
) -> None:
    state = {"now": running}

    def stopped(_parameters: Any) -> dict[str, Any]:
        state["now"] = "STOPPED"
        return {}

    cloud = ModelledCloud(**{look_up: lambda _p: shown(state["now"]), stop: stopped, "ListBuildBatches": {"ids": ["ci:1"]}})
    stranger = event(source, name, given, answer)
    stranger["userIdentity"] = {"type": "IAMUser", "arn": f"arn:aws:iam::{A}:user/bob"}
    bob = Principal(A, "user", "bob", "AIDB", f"arn:aws:iam::{A}:user/bob", "")
    if not it.LISTED:
        assert look(cloud, it, suspects(USER), stranger) == []
    started = event(source, name, given, answer)
    assert (f"{source}.amazonaws.com", name) in it.EVENTS and (it.LISTED or look(cloud, it, suspects(bob), started) == [])
    (found,) = look(cloud, it, suspects(USER), started)
    done = run(cloud, it, found)
    assert done.failures == [] and done.changed == 1 and len(cloud.asked(stop)) == 1
    if it is stack_set:
        assert cloud.asked(stop)[0].parameters["CallAs"] == "DELEGATED_ADMIN"
    assert look(cloud, it, suspects(USER), started) == []


def test_a_command_in_a_sandbox_of_somebody_else_is_named_and_the_sandbox_left() -> None:
    cloud = ModelledCloud(BatchGetSandboxes={"sandboxes": [{"id": "ci:1", "status": "IN_PROGRESS"}]})
    (found,) = look(cloud, codebuild_sandbox, suspects(USER), event("codebuild", "StartCommandExecution", {"sandboxId": "ci:1"}, {}))
    assert "stop-sandbox" in found.why and found.until == live.BY_HAND and found.principal == USER.arn


def test_a_batch_of_somebody_else_is_left() -> None:
    batch = {"id": "ci:1", "buildBatchStatus": "IN_PROGRESS", "initiator": "bob"}
    assert (
        look(
            ModelledCloud(ListBuildBatches={"ids": ["ci:1"]}, BatchGetBuildBatches={"buildBatches": [batch]}),
            codebuild_batch,
            suspects(USER),
        )
        == []
    )


# -- who counts as the starter ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arn", "whose"),
    [(USER.arn, "ci"), (f"arn:aws:iam::{A}:user/path/ci", "ci"), (f"arn:aws:iam::{A}:user/bob", ""), (f"arn:aws:sts::{A}:assumed-role/deploy/evil", "deploy"),
     (f"arn:aws:sts::{A}:assumed-role/deploy/alice", ""), (f"arn:aws:sts::{A}:assumed-role/gone/anybody", "gone"), ("", ""), ("{{ 1 }}", "")],
)  # fmt: skip
def test_started_by(arn: str, whose: str) -> None:
    innocent = Principal(A, "user", "only", "AIDB", f"arn:aws:iam::{A}:user/only", "", only={"AKIAX"})
    who = suspects(USER, innocent, role("deploy", sessions={"evil"}), role("gone"), deploy="revoke", gone="deny")
    found = who.started_by(arn)
    assert (found.name if found else "") == whose
    assert who.started_by(innocent.arn) is None  # only one of its keys is the attacker's


def test_whose_a_session_of_the_portal_is_and_what_root_started() -> None:
    """The role behind a permission set is others' as well: only the person's own sessions count."""
    session = f"arn:aws:sts::{A}:assumed-role/AWSReservedSSO_Admin_0123456789abcdef"
    eve = Principal("999999999999", "identity_center_user", "eve", "u-1", "arn:aws:identitystore:::user/u-1", "")
    root = Principal(A, "root", "root", A, f"arn:aws:iam::{A}:root", "")
    one = types.SimpleNamespace(principal=eve, accounts={A}, sessions={"eve@example.org"})
    crowd = types.SimpleNamespace(
        persons={eve.arn: one}, _lock=contextlib.nullcontext(), principals=lambda: [eve, root], accounts=lambda: {A}
    )
    crowd.behind_session = lambda arn: people.People.behind_session(crowd, arn)  # type: ignore[arg-type]
    crowd.behind_role = lambda _arn: []
    run = types.SimpleNamespace(principals={}, people=crowd)
    who = everybody.suspects(run)
    assert who.started_by(f"{session}/Eve@example.org") is eve and who.started_by(f"{session}/bob@example.org") is None
    assert (
        who.caller({"userIdentity": {"arn": f"{session}/eve@example.org"}}) is eve
        and who.caller({"userIdentity": {"arn": root.arn}}) is root
    )
    assert who.started_by(root.arn) is root and who.started_by(f"{session.replace(A, '9' * 12)}/eve@example.org") is None
    assert everybody.accounts(run) == [A] and everybody.principals(run) == [eve, root]


def test_an_express_execution_cannot_be_described_and_is_no_gap() -> None:
    name = f"arn:aws:states:eu-west-1:{A}:express:m:e:1"
    cloud = ModelledCloud(DescribeExecution="InvalidArn")
    assert look(cloud, state_execution, suspects(USER), event("states", "StartExecution", answer={"executionArn": name})) == []
    cloud.answers["DescribeExecution"] = "AccessDeniedException"
    with pytest.raises(CloudError):
        look(
            cloud,
            state_execution,
            suspects(USER),
            event("states", "StartExecution", answer={"executionArn": name.replace("express", "execution")}),
        )


def test_a_field_is_found_however_it_is_capitalised() -> None:
    assert kind.field({"SessionId": "s"}, "sessionId") == kind.field({"sessionId": "s"}, "sessionId") == "s"
    assert kind.field(None, "x") == kind.field({"x": {"y": 1}}, "x") == kind.field({"x": 1}, "x", "y") == ""


# -- how long ---------------------------------------------------------------------------------------------------------------------


def test_what_a_role_allows_today_says_nothing_of_the_sessions_it_gave_before() -> None:
    """Nor of what services assume (IAM User Guide, "Update the maximum session duration for a role")."""
    held, assumed = role("held", "ec2.amazonaws.com"), role("assumed")
    for one in (held, assumed):
        one.facts["MaxSessionDuration"] = 3600
        assert longest(one) == datetime.timedelta(hours=12)


def test_one_object_alone_is_a_list_of_one() -> None:
    picked = ("JobRun", [{"Id": "r", "State": "RUNNING"}, {"Id": "r", "State": "STARTING"}], "Id")
    assert plan.dig({"JobRun": {"Id": "r", "State": "STARTING"}}, picked) == ["r"]
    assert plan.dig({"JobRun": {"Id": "r", "State": "STOPPED"}}, picked) == []


# -- sessions that no AWS identity opened ------------------------------------------------------------------------------------------


def test_ways_in_and_what_goes_through_them() -> None:
    provider = f"arn:aws:iam::{A}:oidc-provider/evil.example"
    made = federation.made(event("iam", "CreateOpenIDConnectProvider", answer={"openIDConnectProviderArn": provider}))
    assert made == (provider, "AssumeRoleWithWebIdentity")
    opened = event("sts", "AssumeRoleWithWebIdentity", {"roleArn": f"arn:aws:iam::{A}:role/x"})
    opened["userIdentity"] = {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:aud:sub",
        "userName": "sub",
        "identityProvider": provider,
    }
    assert federation.ways(opened) == [f"arn:aws:iam::{A}:role/x", provider]
    assert federation.made(event("s3express", "CreateProfile", answer={"profile": {"profileArn": "arn:x"}})) is None
    assert federation.made({**event("iam", "CreateSAMLProvider", answer={"sAMLProviderArn": "arn:x"}), "errorCode": "AccessDenied"}) is None
    assert federation.ways(event("s3express", "CreateSession", {"roleArn": "arn:x"})) == []


# -- one that may not be looked at hides no other --------------------------------------------------------------------------------


def test_a_cluster_that_may_not_be_looked_at_hides_no_other() -> None:
    def described(parameters: dict[str, Any]) -> Any:
        if parameters["name"] == "a":
            return "AccessDeniedException"
        return {"cluster": {"name": parameters["name"], "arn": "arn:c", "accessConfig": {"authenticationMode": "API"}}}

    cloud = ModelledCloud(
        ListClusters={"clusters": ["a", "b"]}, DescribeCluster=described, ListAccessEntries={"accessEntries": [USER.arn]},
        DescribeAccessEntry={"accessEntry": {"principalArn": USER.arn, "username": "{{ 1 }}"}}, ListAssociatedAccessPolicies={"associatedAccessPolicies": []},
    )  # fmt: skip
    found = []
    with pytest.raises(CloudError, match="AccessDenied"):
        for one in eks_access.found(HERE, suspects(USER), (), Reader({"aws": cloud})):
            found.append(one.id)
    assert found == [f"b/{USER.arn}"]


@pytest.mark.parametrize(
    ("it", "source", "name", "answer", "operation", "code"),
    [(glue_run, "glue", "StartJobRun", {"jobRunId": "r"}, "GetJobRun", "EntityNotFoundException"),
     (glue_session, "glue", "CreateSession", {}, "GetSession", "EntityNotFoundException"),
     (glue_workflow, "glue", "StartWorkflowRun", {"runId": "r"}, "GetWorkflowRun", "EntityNotFoundException"),
     (stack_set, "cloudformation", "CreateStackInstances", {"operationId": "r"}, "DescribeStackSetOperation", "StackSetNotFoundException"),
     (ssm_command, "ssm", "SendCommand", {"command": {"commandId": "1" * 36}}, "ListCommands", "InvalidCommandId"),
     (state_execution, "states", "StartExecution", {"executionArn": "arn:x"}, "DescribeExecution", "ExecutionDoesNotExist")],
)  # fmt: skip
def test_what_is_gone_by_now_is_no_gap_and_what_is_denied_is(
    it: Any, source: str, name: str, answer: Any, operation: str, code: str
) -> None:
    started = event(source, name, {"jobName": "etl", "id": "s", "name": "w", "stackSetName": "fleet"}, answer)
    assert look(ModelledCloud(**{operation: code}), it, suspects(USER), started) == []
    with pytest.raises(CloudError):
        look(ModelledCloud(**{operation: "AccessDeniedException"}), it, suspects(USER), started)


# -- access entries: of other accounts, and of people ----------------------------------------------------------------------------


def cluster(mode: str, *entries: str) -> ModelledCloud:
    return ModelledCloud(
        ListClusters={"clusters": ["a"]}, DescribeCluster={"cluster": {"name": "a", "arn": "arn:c", "accessConfig": {"authenticationMode": mode}}},
        ListAccessEntries={"accessEntries": list(entries)}, ListAssociatedAccessPolicies={"associatedAccessPolicies": []},
        DescribeAccessEntry=lambda p: {"accessEntry": {"principalArn": p["principalArn"]}},
    )  # fmt: skip


def test_an_access_entry_of_a_principal_of_another_account_goes_too() -> None:
    other = Principal("999999999999", "user", "eve", "AIDE", "arn:aws:iam::999999999999:user/eve", "")
    (found,) = look(cluster("API", other.arn, f"arn:aws:iam::{A}:user/bob"), eks_access, suspects(other))
    assert found.id == f"a/{other.arn}" and not found.why
    assert [step.target for step in eks_access.steps(found)] == [HERE]  # where the cluster is


def test_the_entry_of_a_role_of_identity_center_is_named_for_whom_it_opens_the_cluster_to() -> None:
    eve = Principal(A, "identity_center_user", "eve", "u-1", "arn:aws:identitystore:::user/u-1", "")
    one = people.Contained(eve, identity_center.Person(None, "u-1", "eve"), accounts={A}, sets={"ps-1": "Admin"})
    one.has = {identity_center.Assignment(A, "ps-1")}
    crowd: Any = types.SimpleNamespace(persons={eve.arn: one}, _lock=contextlib.nullcontext())

    def reserved(name: str, account: str = A) -> str:
        return f"arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_{name}_0123456789abcdef"

    def who() -> live.Suspects:
        return live.Suspects([eve], {}, {eve.arn: "2026-01-01T12:00:00Z"}, behind=lambda arn: people.People.behind_role(crowd, arn))

    cloud = cluster(
        "API", reserved("Admin"), reserved("Reader"), reserved("Admin", "9" * 12), f"arn:aws:iam::{A}:role/AWSReservedSSO_Admin"
    )
    (found,) = look(cloud, eks_access, who())
    assert reserved("Admin") in found.text and found.principal == eve.arn and found.until == "2026-01-01T12:00:00Z" and "eve" in found.why
    assert not cloud.asked("DescribeAccessEntry")
    one.unread = "denied"  # what she has is not known: whatever it may be
    assert len(look(cloud, eks_access, who())) == 3
    (aws_auth,) = look(cluster("CONFIG_MAP"), eks_access, who())
    assert "roles of eve" in aws_auth.why and aws_auth.until == live.BY_HAND


# -- whose it is, in doubt ---------------------------------------------------------------------------------------------------------


def contained(*principals: Principal, **more: Any) -> Any:
    """As much of a containment as ``everybody`` looks at."""
    found: dict[str, Any] = {
        "principals": {identity(p.arn): p for p in principals}, "released": set(), "trusted": set(), "spares": lambda _p: False,
        "findings": types.SimpleNamespace(acted_as=set()),
    }  # fmt: skip
    return types.SimpleNamespace(**{**found, **more})


def doubtful(run: Any, **actions: str) -> live.Suspects:
    return everybody.suspects(run, {f"{A}:role/{name}": action for name, action in actions.items()}, {}, everybody.others(run))


ALICE, BUILD = f"arn:aws:sts::{A}:assumed-role/deploy/alice", f"arn:aws:sts::{A}:federated-user/build"


@pytest.mark.parametrize(("action", "ends"), [("deny", True), ("revoke", False), ("clamp", False)])
def test_only_a_denied_role_is_nobody_elses(action: str, ends: bool) -> None:
    deploy = role("deploy", whole=True, sessions={"evil"})
    who = doubtful(contained(deploy), deploy=action)
    one = who.started_by(ALICE)
    assert one and (one.arn == deploy.arn) == ends
    named = who.settled(live.Live(HERE, "s", one.arn, "s"), ())
    assert bool(named.why) != ends and (ends or ALICE in named.why)
    assert who.started_by(ALICE.replace("alice", "evil")) is deploy
    assert doubtful(contained(role("deploy", sessions={"evil"})), deploy="revoke").started_by(ALICE) is None


def test_the_log_is_surer_than_a_name() -> None:
    """The suspect's own call answered with the id: it is ended, whatever the service calls its owner."""
    who = doubtful(contained(USER))
    one = who.started_by(BUILD)
    assert one and one.arn == BUILD
    found = live.Live(HERE, "s-1", one.arn, "s")
    assert BUILD in who.settled(found, [event("ssm", "StartSession", answer={"sessionId": "s-2"})]).why
    sure = who.settled(found, [event("ssm", "StartSession", answer={"sessionId": "s-1"})])
    assert not sure.why and sure.principal == USER.arn


@pytest.mark.parametrize(
    ("arn", "logged", "more", "named"),
    [
        (BUILD, False, {}, True),
        (BUILD, False, {"trusted": {identity(BUILD)}}, False),  # a declared broker's
        (BUILD.replace(A, "9" * 12), False, {}, False),  # nobody of that account is contained
        (ALICE, False, {}, False),
        (ALICE, False, {"findings": types.SimpleNamespace(acted_as={ALICE})}, True),
        (ALICE, True, {}, True),
        (ALICE, True, {"released": {f"{A}:role/deploy"}}, False),
        (USER.arn, True, {"spares": lambda _p: True}, False),  # whose dependents work on
        ("", True, {}, False),
        ("AWS Internal", True, {}, False),
    ],
)
def test_who_is_not_contained_and_named_all_the_same(arn: str, logged: bool, more: Any, named: bool) -> None:
    who = doubtful(contained(USER, **more))
    one = who.caller({"userIdentity": {"arn": arn}}) if logged else who.started_by(arn)
    assert bool(one) == named and bool(one and who.settled(live.Live(HERE, "s", one.arn, "s"), ()).why) == named


def test_what_a_user_did_under_its_former_name_is_its_own() -> None:
    old = f"arn:aws:iam::{A}:user/old"
    who = doubtful(contained(USER, former={identity(old): USER}))
    assert who.caller({"userIdentity": {"arn": old}}) is USER and who.all == [USER]
    assert who.started_by(old) is None  # that name may be another user's by now

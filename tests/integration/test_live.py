"""What a suspect started goes on when IAM has cut its starter: it is found by who started it, ended, and nobody else's is."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import session
from tests.beds.bed import Bed, Credentials
from tests.beds.company import allow, document, trust
from tests.integration.helpers import Desk, outcome, status_of

pytestmark = pytest.mark.bed

REGION = "eu-west-1"  # not the caller's
MACHINE = json.dumps({"StartAt": "w", "States": {"w": {"Type": "Wait", "Seconds": 3600, "End": True}}})
ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
KINDS = {
    "ssm_session",
    "ssm_automation",
    "ssm_command",
    "ecs_exec",
    "codebuild_build",
    "codebuild_batch",
    "glue_run",
    "batch_job",
    "state_execution",
}


def root(desk: Any, service: str, region: str = REGION) -> Any:
    return desk.bed.client(service, desk.company.production.root, region, direct=True)


def powerful(desk: Any, *users: str) -> None:
    """They may do anything, as many a leaked key may."""
    for user in users:
        root(desk, "iam").put_user_policy(UserName=user, PolicyName="all", PolicyDocument=document(allow("*")))


def start_all(bed: Bed, who: Credentials, desk: Any) -> dict[str, str]:
    """One of each kind, started by ``who`` through the recording proxy: {kind: id}."""
    ssm, ecs = bed.client("ssm", who, REGION), bed.client("ecs", who, REGION)
    (machine,) = root(desk, "stepfunctions").list_state_machines()["stateMachines"]
    task = root(desk, "ecs").list_tasks(cluster="web")["taskArns"][0]
    exec_ = ecs.execute_command(cluster="web", task=task, command="sh", interactive=True)
    return {
        "ssm_session": ssm.start_session(Target="i-0123456789abcdef0")["SessionId"],
        "ssm_automation": ssm.start_automation_execution(DocumentName="AWS-RestartEC2Instance")["AutomationExecutionId"],
        "ssm_command": ssm.send_command(DocumentName="AWS-RunShellScript", InstanceIds=["i-0123456789abcdef0"])["Command"]["CommandId"],
        "ecs_exec": exec_["session"]["sessionId"],
        "codebuild_build": bed.client("codebuild", who, REGION).start_build(projectName="ci")["build"]["id"],
        "codebuild_batch": bed.client("codebuild", who, REGION).start_build_batch(projectName="ci")["buildBatch"]["id"],
        "glue_run": bed.client("glue", who, REGION).start_job_run(JobName="etl")["JobRunId"],
        "batch_job": bed.client("batch", who, REGION).submit_job(jobName="mine", jobQueue="q", jobDefinition="d")["jobId"],
        "state_execution": bed.client("stepfunctions", who, REGION).start_execution(stateMachineArn=machine["stateMachineArn"])[
            "executionArn"
        ],
    }


def alive(desk: Desk) -> set[str]:
    """Ids of all that runs, as the root of the account sees it."""
    ssm, codebuild, glue, states = (root(desk, name) for name in ("ssm", "codebuild", "glue", "stepfunctions"))
    builds = codebuild.list_builds()["ids"]
    (machine,) = states.list_state_machines()["stateMachines"]
    batch = root(desk, "batch")
    jobs = [j["jobId"] for j in batch.list_jobs(jobQueue="q", jobStatus="RUNNING")["jobSummaryList"]]
    return {
        *(s["SessionId"] for s in ssm.describe_sessions(State="Active")["Sessions"]),
        *(
            a["AutomationExecutionId"]
            for a in ssm.describe_automation_executions()["AutomationExecutionMetadataList"]
            if a["AutomationExecutionStatus"] == "InProgress"
        ),
        *(c["CommandId"] for c in ssm.list_commands()["Commands"] if c["Status"] == "InProgress"),
        *(b["id"] for b in codebuild.batch_get_builds(ids=builds or ["x:y"])["builds"] if b["buildStatus"] == "IN_PROGRESS"),
        *codebuild.list_build_batches(filter={"status": "IN_PROGRESS"})["ids"],
        *(r["Id"] for r in glue.get_job_runs(JobName="etl")["JobRuns"] if r["JobRunState"] == "RUNNING"),
        *(j["jobId"] for j in batch.describe_jobs(jobs=jobs)["jobs"] if not j["isTerminated"]),
        *(
            e["executionArn"]
            for e in states.list_executions(stateMachineArn=machine["stateMachineArn"], statusFilter="RUNNING")["executions"]
        ),
    }


def furnish(desk: Any) -> None:
    """A project, a job, a cluster with a task and a state machine."""
    role = desk.company.production.roles["orders-lambda"]
    codebuild, ecs = root(desk, "codebuild"), root(desk, "ecs")
    codebuild.create_project(
        name="ci", source={"type": "NO_SOURCE", "buildspec": "version: 0.2"}, artifacts={"type": "NO_ARTIFACTS"}, serviceRole=role,
        environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
    )  # fmt: skip
    root(desk, "glue").create_job(Name="etl", Role=role, Command={"Name": "glueetl", "ScriptLocation": "s3://x/y.py"})
    root(desk, "stepfunctions").create_state_machine(name="wait", definition=MACHINE, roleArn=role)
    ecs.create_cluster(clusterName="web")
    ecs.register_task_definition(family="web", containerDefinitions=[{"name": "web", "image": "web", "memory": 64}])
    ecs.run_task(cluster="web", taskDefinition="web", enableExecuteCommand=True)


@pytest.fixture
def stage(desk: Desk) -> Desk:
    """The key that leaks and bob's may do anything."""
    furnish(desk)
    powerful(desk, "ci-deploy", "bob")
    root(desk, "iam").put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=document(allow("*")))
    return desk


def ended(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for s in result["steps"] if s["action"] in ("end", "cancel update")]


def test_what_the_suspect_started_is_ended_and_nobody_elses(stage: Desk) -> None:
    bed, company = stage.bed, stage.company
    theirs = start_all(bed, company.production.keys["bob"], stage)
    mine = start_all(bed, company.leaked, stage)
    assert alive(stage) == {*mine.values(), *theirs.values()} and set(mine) == KINDS
    stage.incident(company.leaked.access_key)
    planned = stage.contain(check=True, scope=20)
    assert len(ended(planned)) == len(KINDS) and alive(stage) == {*mine.values(), *theirs.values()}
    done = stage.contain(scope=20)
    assert done["problems"] == [] and {s["status"] for s in ended(done)} == {"done"} and len(ended(done)) == len(KINDS), ended(done)
    assert alive(stage) == set(theirs.values())
    again = stage.contain(scope=20)
    assert again["changed_count"] == 0 and ended(again) == []
    released = stage.restore()  # what was ended does not come back, and nobody pretends that it does
    kept = [row for row in released["open"] if row["kind"] == "irreversible"]
    assert len(kept) >= len(KINDS) and alive(stage) == set(theirs.values())


def test_of_a_shared_role_only_the_suspects_session_is_looked_at(stage: Desk) -> None:
    """Alice works in the same role; her terminal stays."""
    bed, production = stage.bed, stage.company.production

    def session(key: Credentials, name: str) -> Credentials:
        sts = bed.client("sts", key)
        return Credentials.of(sts.assume_role(RoleArn=production.roles["deploy"], RoleSessionName=name)["Credentials"])

    hers = bed.client("ssm", session(production.keys["alice"], "alice"), REGION).start_session(Target="i-0")["SessionId"]
    evil = session(stage.company.leaked, "evil")
    mine = bed.client("ssm", evil, REGION).start_session(Target="i-0")["SessionId"]
    built = bed.client("codebuild", evil, REGION).start_build(projectName="ci")["build"]["id"]
    stage.incident(stage.company.leaked.access_key)
    done = stage.contain(scope=20)
    assert status_of(done, "role/deploy")["role_action"] in ("revoke", "clamp"), done["principals"]
    assert alive(stage) == {hers} and mine != hers and built not in alive(stage)


def test_of_a_role_named_by_its_arn_nobodys_session_is_ended_and_all_are_named(stage: Desk) -> None:
    """Others work in it, so it is revoked; whose a session is nobody says, and the log was not asked."""
    bed, production = stage.bed, stage.company.production
    role = production.roles["deploy"]
    sts = bed.client("sts", production.keys["alice"])
    alice = Credentials.of(sts.assume_role(RoleArn=role, RoleSessionName="alice")["Credentials"])
    hers = bed.client("ssm", alice, REGION).start_session(Target="i-0")["SessionId"]
    built = bed.client("codebuild", alice, REGION).start_build(projectName="ci")["build"]["id"]
    stage.incident(role, role_action="revoke")
    done = stage.contain(scope=20)
    assert done["problems"] == [] and alive(stage) == {hers, built} and ended(done) == []
    for name in (hers, built):
        (why,) = [o["why"] for o in done["open"] if name in o["object"]]
        assert "deploy/alice" in why and "end it by hand" in why
        assert [r["until"] for r in done["residual"] if name in r["object"]] == ["ended by hand"]
    (told,) = [str(w) for w in done["warnings"] if "was not looked for" in str(w)]
    assert role in told and "Run Command commands" in told
    stage.incident(role, role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/alice", role_action="revoke")
    assert not stage.run("case", state="open").get("failed")
    done = stage.contain(scope=20)  # it is said whose it is
    assert alive(stage) == set() and not [w for w in done.get("warnings", []) if "was not looked for" in str(w)]


def test_what_a_suspect_started_as_the_responder_is_named(stage: Desk) -> None:
    """That role is not cut, and what was started as it lives on."""
    bed, production = stage.bed, stage.company.production
    own, user = production.responder_role, production.users["ci-deploy"]
    bed.client("iam", stage.company.leaked).update_assume_role_policy(
        RoleName="incident-responder", PolicyDocument=trust({"AWS": [stage.company.responder_arn, user]})
    )
    root(stage, "iam").put_role_policy(RoleName="incident-responder", PolicyName="all", PolicyDocument=document(allow("*")))
    sts = bed.client("sts", stage.company.leaked)
    evil = Credentials.of(sts.assume_role(RoleArn=own, RoleSessionName="evil")["Credentials"])
    ssm = bed.client("ssm", evil, REGION)
    started = {
        ssm.start_session(Target="i-0")["SessionId"],
        ssm.send_command(DocumentName="AWS-RunShellScript", InstanceIds=["i-0123456789abcdef0"])["Command"]["CommandId"],
    }
    stage.incident(stage.company.leaked.access_key)
    done = stage.contain(scope=20)
    assert alive(stage) == started and ended(done) == []
    for name in started:
        (why,) = [o["why"] for o in done["open"] if name in o["object"]]
        assert "incident-responder" in why and "not contained" in why


def test_what_a_federation_session_opened_is_ended_when_the_log_knows_whose_it_is_and_named_before(stage: Desk) -> None:
    bed, production = stage.bed, stage.company.production
    sts, every = bed.client("sts", stage.company.leaked), document(allow("*"))
    held = {name: Credentials.of(sts.get_federation_token(Name=name, Policy=every)["Credentials"]) for name in ("build", "partner")}
    mine = {name: bed.client("ssm", key, REGION).start_session(Target="i-0")["SessionId"] for name, key in held.items()}
    bed.configure(trail_delay=900)
    account = production.users["bob"].split(":")[4]
    stage.incident(stage.company.leaked.access_key, trusted={"principals": [f"arn:aws:sts::{account}:federated-user/partner"]})
    done = stage.contain(scope=20)
    assert alive(stage) == set(mine.values()) and not [o for o in done["open"] if mine["partner"] in o["object"]]
    (why,) = [o["why"] for o in done["open"] if mine["build"] in o["object"]]
    assert "federated-user/build" in why and "end it by hand" in why
    bed.configure(trail_delay=0)
    done = stage.contain(scope=20)
    assert alive(stage) == set() and not [o for o in done["open"] if mine["build"] in o["object"]], done["open"]


def test_a_service_that_may_not_be_listed_is_a_named_gap_and_stops_nothing(stage: Desk) -> None:
    iam = root(stage, "iam")
    mine = start_all(stage.bed, stage.company.leaked, stage)
    denied = {"Effect": "Deny", "Action": ["ssm:DescribeSessions", "glue:GetJobRun"], "Resource": "*"}
    iam.put_role_policy(RoleName="incident-responder", PolicyName="narrow", PolicyDocument=document(denied))
    stage.incident(stage.company.leaked.access_key)
    done = stage.contain(scope=20, hold="1s")
    assert done["problems"] == [] and status_of(done, "user/ci-deploy")["action"] == "contained"
    assert alive(stage) == {mine["ssm_session"], mine["ecs_exec"], mine["glue_run"]}
    (gap,) = [o for o in done["open"] if o["object"] == "live sessions"]
    assert "Session Manager sessions in 222222222222" in gap["why"] and "ssm:DescribeSessions" in gap["why"] and done["status"] == "open"
    assert "Glue job runs in 222222222222 eu-west-1" in gap["why"]


def test_what_cannot_be_ended_is_a_failure_and_stays_in_the_residual(stage: Desk) -> None:
    iam = root(stage, "iam")
    mine = bed_session(stage)
    denied = {"Effect": "Deny", "Action": ["ssm:TerminateSession"], "Resource": "*"}
    iam.put_role_policy(RoleName="incident-responder", PolicyName="narrow", PolicyDocument=document(denied))
    stage.incident(stage.company.leaked.access_key)
    done = stage.contain_below(scope=20, hold="1s")
    assert done["status"] == "partial" and [p for p in done["problems"] if mine in p["object"]]
    (row,) = [r for r in done["residual"] if r["token_kind"] == "SSM session"]
    assert mine in row["object"] and row["until"] == "ended by hand"
    iam.delete_role_policy(RoleName="incident-responder", PolicyName="narrow")
    assert stage.contain_below(scope=20, hold="1s")["problems"] == [] and mine not in alive(stage)


def bed_session(desk: Desk, target: str = "i-0123456789abcdef0") -> str:
    ssm = desk.bed.client("ssm", desk.company.leaked, REGION)
    return str(ssm.start_session(Target=target)["SessionId"])


def test_without_the_quick_scope_nothing_is_asked_unless_it_is_wanted(stage: Desk) -> None:
    mine = bed_session(stage)
    stage.incident(stage.company.leaked.access_key)
    done = stage.contain()
    assert mine in alive(stage) and not [c for c in stage.bed.calls() if c["operation"] == "DescribeSessions"]
    assert not [o for o in done["open"] if o["object"] == "live sessions"]
    done = stage.contain(live_sessions=True)
    assert mine not in alive(stage) and done["problems"] == []
    (gap,) = [o for o in done["open"] if o["object"] == "live sessions"]
    assert "quick scope is off" in gap["why"] and "Batch jobs" in gap["why"]
    mine = bed_session_as_root(stage)
    stage.contain(scope=20, live_sessions=False)
    assert mine in alive(stage)


def bed_session_as_root(desk: Desk) -> str:
    return str(root(desk, "ssm").start_session(Target="i-0")["SessionId"])


def test_each_region_is_asked_once_however_many_users(stage: Desk) -> None:
    users = [stage.company.production.users[name] for name in ("ci-deploy", "bob", "app-orders")]
    stage.incident(*users)
    stage.contain(live_sessions=True)
    asked: dict[tuple[str, str], int] = {}
    for call in stage.bed.calls():
        if call["operation"] in ("DescribeSessions", "DescribeAutomationExecutions", "ListProjects", "ListClusters"):
            key = (call["operation"], call["region"])
            asked[key] = asked.get(key, 0) + 1
    assert asked and set(asked.values()) == {1} and len({operation for operation, _region in asked}) == 4
    assert len({region for _operation, region in asked}) > 15


# -- EKS ---------------------------------------------------------------------------------------------------------------------------


def cluster(desk: Any, mode: str = "API") -> Any:
    eks = root(desk, "eks")
    role = desk.company.production.roles["orders-lambda"]
    eks.create_cluster(name="prod", roleArn=role, resourcesVpcConfig={}, accessConfig={"authenticationMode": mode})
    return eks


def entry(eks: Any, arn: str, *policies: str, groups: tuple[str, ...] = ()) -> None:
    eks.create_access_entry(clusterName="prod", principalArn=arn, kubernetesGroups=list(groups), tags={"team": "x"}, username="who")
    for policy in policies:
        eks.associate_access_policy(
            clusterName="prod", principalArn=arn, policyArn=policy, accessScope={"type": "namespace", "namespaces": ["a"]}
        )


def entries(eks: Any) -> dict[str, Any]:
    """{principal: (groups, user name, tags, {policy: scope})}."""
    found = {}
    for arn in eks.list_access_entries(clusterName="prod")["accessEntries"]:
        one = eks.describe_access_entry(clusterName="prod", principalArn=arn)["accessEntry"]
        policies = eks.list_associated_access_policies(clusterName="prod", principalArn=arn)["associatedAccessPolicies"]
        scopes = {p["policyArn"]: p["accessScope"] for p in policies}
        found[arn] = (one["kubernetesGroups"], one["username"], one["tags"], scopes)
    return found


def test_an_access_entry_goes_and_comes_back_as_it_was(stage: Desk) -> None:
    eks, production = cluster(stage), stage.company.production
    user, bob = production.users["ci-deploy"], production.users["bob"]
    entry(eks, user, ADMIN, VIEW, groups=("ops",))
    entry(eks, bob, VIEW)
    before = entries(eks)
    stage.incident(stage.company.leaked.access_key)
    done = stage.contain(scope=20)
    assert done["problems"] == [] and set(entries(eks)) == set(before) - {user}
    assert stage.contain(scope=20)["changed_count"] == 0
    stage.restore()  # a session from before the cutoff would open the cluster again: not before the last of them has run out
    assert user not in entries(eks)
    stage.false_positive(stage.company.leaked.access_key)
    assert entries(eks) == before


def test_an_access_entry_of_a_principal_of_another_account_goes_and_comes_back(stage: Desk) -> None:
    eks, staging = cluster(stage), stage.company.staging
    name = next(iter(staging.users))
    entry(eks, staging.users[name], ADMIN)
    before = entries(eks)
    stage.incident(stage.company.leaked.access_key, staging.users[name])
    done = stage.contain(scope=20)
    assert done["problems"] == [] and set(entries(eks)) == set(before) - {staging.users[name]}
    assert stage.contain(scope=20)["changed_count"] == 0
    assert stage.false_positive(staging.users[name])["problems"] == [] and entries(eks) == before


def test_the_entry_of_a_shared_role_stays_and_is_named_with_its_end(stage: Desk) -> None:
    eks, role = cluster(stage), stage.company.production.roles["deploy"]
    entry(eks, role, VIEW)
    stage.bed.client("sts", stage.company.leaked).assume_role(RoleArn=role, RoleSessionName="evil")
    stage.bed.client("sts", stage.company.production.keys["alice"]).assume_role(RoleArn=role, RoleSessionName="alice")
    stage.incident(stage.company.leaked.access_key)
    done = stage.contain(scope=20, spread="3s", hold="60s")
    assert role in entries(eks)
    (row,) = [r for r in done["residual"] if r["token_kind"] == "EKS token"]
    assert role in row["object"] and "the role is not denied" in row["why"]
    # the cutoff that stands, which hold has moved behind the fence of the source, and twelve hours
    policy = root(stage, "iam").get_role_policy(RoleName="deploy", PolicyName="evict-session-IR-1")["PolicyDocument"]
    cutoff = policy["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
    assert session.parse(row["until"]) == session.parse(cutoff) + datetime.timedelta(hours=12)


def test_an_access_entry_does_not_come_back_before_the_last_session_of_a_later_cutoff_has_run_out(
    stage: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    eks, user = cluster(stage), stage.company.production.users["ci-deploy"]
    entry(eks, user, VIEW)
    now = session.Aws.now

    def later(hours: float) -> None:
        monkeypatch.setattr(session.Aws, "now", lambda aws: now(aws) + datetime.timedelta(hours=hours))

    stage.incident(stage.company.leaked.access_key)
    stage.contain(scope=20)
    later(2)
    assert stage.contain(scope=20, revoke_again=True)["problems"] == []
    later(37)
    stage.restore()
    assert user not in entries(eks)
    later(38.1)
    stage.restore()
    assert user in entries(eks)


def node_role(desk: Desk) -> str:
    trusted = trust({"Service": "ec2.amazonaws.com"})
    return str(root(desk, "iam").create_role(RoleName="eks-node", AssumeRolePolicyDocument=trusted)["Role"]["Arn"])


@pytest.mark.parametrize("action", ["revoke", "deny"])
def test_the_entry_of_a_node_role_is_never_taken_away(stage: Desk, action: str) -> None:
    """All nodes of the role would lose the cluster. Denied, it is for a hand to move them; revoked, their work goes on."""
    eks, role = cluster(stage), node_role(stage)
    eks.create_access_entry(clusterName="prod", principalArn=role, type="EC2_LINUX")
    before = eks.describe_access_entry(clusterName="prod", principalArn=role)["accessEntry"]
    assert before["username"] == "system:node:{{EC2PrivateDNSName}}" and before["kubernetesGroups"] == ["system:nodes"]
    stage.incident(role, role_action=action)
    done = stage.contain(scope=20)
    assert status_of(done, "role/eks-node")["role_action"] == action
    assert eks.describe_access_entry(clusterName="prod", principalArn=role)["accessEntry"] == before
    (row,) = [r for r in done["residual"] if r["token_kind"] == "EKS token"]
    by_hand = [o for o in done["open"] if "EC2_LINUX" in o["why"]]
    if action == "deny":
        assert row["until"] == "ended by hand" and by_hand and "delete-access-entry" in by_hand[0]["why"]
    else:
        assert row["until"].endswith("Z") and not by_hand and "the role is not denied" in row["why"]


@pytest.mark.parametrize("action", ["revoke", "deny"])
def test_the_entry_of_a_role_named_as_compromised_follows_what_is_done_to_it(stage: Desk, action: str) -> None:
    eks, role = cluster(stage), stage.company.production.roles["orders-lambda"]
    eks.create_access_entry(clusterName="prod", principalArn=role, tags={"team": "x"})
    eks.associate_access_policy(clusterName="prod", principalArn=role, policyArn=VIEW, accessScope={"type": "cluster"})
    before = entries(eks)
    assert before[role][1].endswith("/{{SessionName}}")
    stage.incident(role, role_action=action)
    assert stage.contain(scope=20)["problems"] == []
    assert (role in entries(eks)) == (action == "revoke")
    assert stage.false_positive(role)["problems"] == [] and entries(eks) == before


def test_what_the_api_cannot_show_of_a_cluster_is_for_a_hand(stage: Desk) -> None:
    cluster(stage, "CONFIG_MAP")
    stage.incident(stage.company.leaked.access_key)
    done = stage.contain(scope=20)
    (row,) = [r for r in done["residual"] if r["token_kind"] == "EKS token"]
    assert row["until"] == "ended by hand" and "aws-auth" in row["why"]
    assert [o for o in done["open"] if "aws-auth" in o["why"]] and done["problems"] == []
    assert "creator" in row["why"]


def test_a_denied_session_goes_on_signing_who_it_is(stage: Desk) -> None:
    """Why an entry has to go: the bed, as AWS, answers GetCallerIdentity to whoever holds a live session."""
    held = Credentials.of(stage.bed.client("sts", stage.company.leaked).get_session_token()["Credentials"])
    stage.incident(stage.company.leaked.access_key)
    done = stage.contain(scope=20, hold="1s")
    assert status_of(done, "user/ci-deploy")["action"] == "contained"
    assert outcome(stage.bed.client("sts", held), "get_caller_identity") == "ok"
    (row,) = done["residual"]
    assert row["token_kind"] == "signed GetCallerIdentity" and row["until"].endswith("Z")

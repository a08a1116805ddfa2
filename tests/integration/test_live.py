"""What a suspect started goes on when IAM has cut its starter: it is found by who started it, ended, and nobody else's is."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from tests.beds.bed import Bed, Credentials
from tests.beds.company import Account, Company, allow, document, trust
from tests.integration.helpers import Desk, next_second, status_of, works

pytestmark = pytest.mark.bed

REGION = "eu-west-1"  # not the caller's
TASK = {"family": "web", "containerDefinitions": [{"name": "web", "image": "web", "memory": 64}]}
MACHINE = json.dumps({"StartAt": "w", "States": {"w": {"Type": "Wait", "Seconds": 3600, "End": True}}})
POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def root(desk: Desk, service: str, region: str = REGION) -> Any:
    return desk.bed.client(service, desk.company.production.root, region, direct=True)


def powerful(desk: Desk, *users: str) -> None:
    """They may do anything, as many a leaked key may."""
    iam = root(desk, "iam")
    for user in users:
        iam.put_user_policy(UserName=user, PolicyName="all", PolicyDocument=document(allow("*")))


def start_all(bed: Bed, who: Credentials, desk: Desk) -> dict[str, str]:
    """One of each kind, started by ``who`` through the recording proxy: {kind: id}."""
    made = {}
    ssm = bed.client("ssm", who, REGION)
    made["ssm_session"] = ssm.start_session(Target="i-0123456789abcdef0")["SessionId"]
    made["ssm_automation"] = ssm.start_automation_execution(DocumentName="AWS-RestartEC2Instance")["AutomationExecutionId"]
    made["codebuild_build"] = bed.client("codebuild", who, REGION).start_build(projectName="ci")["build"]["id"]
    made["glue_run"] = bed.client("glue", who, REGION).start_job_run(JobName="etl")["JobRunId"]
    made["batch_job"] = bed.client("batch", who, REGION).submit_job(jobName="mine", jobQueue="q", jobDefinition="d")["jobId"]
    machine = root(desk, "stepfunctions").list_state_machines()["stateMachines"][0]["stateMachineArn"]
    made["state_execution"] = bed.client("stepfunctions", who, REGION).start_execution(stateMachineArn=machine)["executionArn"]
    return made


def alive(desk: Desk) -> dict[str, set[str]]:
    """{kind: ids of what runs}, as the root of the account sees it."""
    ssm, codebuild, glue = root(desk, "ssm"), root(desk, "codebuild"), root(desk, "glue")
    states, batch = root(desk, "stepfunctions"), root(desk, "batch")
    jobs = [j["jobId"] for q in ("q",) for j in batch.list_jobs(jobQueue=q, jobStatus="RUNNING")["jobSummaryList"]]
    builds = codebuild.list_builds()["ids"]
    machine = states.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    return {
        "ssm_session": {s["SessionId"] for s in ssm.describe_sessions(State="Active")["Sessions"]},
        "ssm_automation": {
            a["AutomationExecutionId"]
            for a in ssm.describe_automation_executions()["AutomationExecutionMetadataList"]
            if a["AutomationExecutionStatus"] == "InProgress"
        },
        "codebuild_build": {b["id"] for b in codebuild.batch_get_builds(ids=builds)["builds"] if b["buildStatus"] == "IN_PROGRESS"},
        "glue_run": {r["Id"] for r in glue.get_job_runs(JobName="etl")["JobRuns"] if r["JobRunState"] in ("RUNNING", "STARTING")},
        "batch_job": set(jobs),
        "state_execution": {e["executionArn"] for e in states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]},
    }


@pytest.fixture
def stage(desk: Desk) -> Desk:
    """A project, a job, a queue and a state machine, each with a role of its own."""
    iam = root(desk, "iam")
    role = desk.company.production.roles["orders-lambda"]
    powerful(desk, "ci-deploy", "bob")
    iam.put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=document(allow("*")))
    root(desk, "codebuild").create_project(
        name="ci", source={"type": "NO_SOURCE", "buildspec": "version: 0.2"}, artifacts={"type": "NO_ARTIFACTS"}, serviceRole=role,
        environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
    )  # fmt: skip
    root(desk, "glue").create_job(Name="etl", Role=role, Command={"Name": "glueetl", "ScriptLocation": "s3://x/y.py"})
    root(desk, "stepfunctions").create_state_machine(name="wait", definition=MACHINE, roleArn=role)
    return desk


def test_what_the_suspect_started_is_ended_and_nobody_elses(stage: Desk) -> None:
    bed, company = stage.bed, stage.company
    theirs = start_all(bed, company.production.keys["bob"], stage)
    mine = start_all(bed, company.leaked, stage)
    before = alive(stage)
    print(before, mine, theirs)
    stage.incident(company.leaked.access_key)
    done = stage.contain(scope=20)
    assert done["problems"] == [], done["problems"]
    after = alive(stage)
    print(after)
    for kind, name in mine.items():
        assert name not in after[kind], kind
        if name in before[kind]:
            assert theirs[kind] in after[kind], kind
    assert before["glue_run"] or True

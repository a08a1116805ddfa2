"""Workloads of a role whose sessions were revoked get new credentials: after the cutoff, once, and never those that the attacker sits in."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.aftermath import Aftermath
from ansible_collections.evict.cloud.plugins.plugin_utils import table
from tests.beds.company import allow, document, trust
from tests.integration.helpers import Child, Desk, status_of
from tests.integration.test_live import REGION, root

pytestmark = pytest.mark.bed

DESCRIPTION = "Orders {{ lookup('pipe', 'touch /tmp/owned') }}"


def code() -> bytes:
    """A function that does nothing."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("h.py", "def h(e, c): return 1")
    return held.getvalue()


def furnish(desk: Any) -> None:
    """The role `shared` is trusted by Lambda, ECS and EC2, and one of each runs as it; functions and services of other roles beside them."""
    iam, functions, ecs, ec2 = (root(desk, name) for name in ("iam", "lambda", "ecs", "ec2"))
    services = [f"{name}.amazonaws.com" for name in ("lambda", "ecs-tasks", "ec2")]
    arn = iam.create_role(RoleName="shared", AssumeRolePolicyDocument=trust({"Service": services}))["Role"]["Arn"]
    iam.put_role_policy(RoleName="shared", PolicyName="work", PolicyDocument=document(allow("sqs:*")))
    desk.company.production.roles["shared"] = arn
    for name, role in (("orders", arn), ("other", desk.company.production.roles["orders-lambda"])):
        functions.create_function(
            FunctionName=name, Runtime="python3.12", Role=role, Handler="h.h", Code={"ZipFile": code()}, Description=DESCRIPTION,
            Environment={"Variables": {"SECRET": "a-secret-of-the-function"}},
        )  # fmt: skip
    ecs.create_cluster(clusterName="web")
    for family, role in (("web", arn), ("else", desk.company.production.roles["orders-lambda"])):
        ecs.register_task_definition(family=family, taskRoleArn=role, containerDefinitions=[{"name": "web", "image": "web", "memory": 64}])
        ecs.create_service(cluster="web", serviceName=family, taskDefinition=family, desiredCount=1)
    iam.create_instance_profile(InstanceProfileName="shared")
    iam.add_role_to_instance_profile(InstanceProfileName="shared", RoleName="shared")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, IamInstanceProfile={"Name": "shared"})


@pytest.fixture
def stage(desk: Desk) -> Desk:
    """Furnished."""
    furnish(desk)
    return desk


def deployment(desk: Desk, name: str) -> str:
    (service,) = root(desk, "ecs").describe_services(cluster="web", services=[name])["services"]
    return str(next(d["id"] for d in service["deployments"] if d["status"] == "PRIMARY"))


def description(desk: Desk, name: str) -> str:
    return str(root(desk, "lambda").get_function_configuration(FunctionName=name)["Description"])


def replaced(desk: Desk) -> int:
    return len([c for c in desk.bed.calls() if c["operation"] == "ReplaceIamInstanceProfileAssociation" and not c["error"]])


def workloads(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["kind"]: row for row in result["workloads"]}


def test_they_are_refreshed_once_after_the_cutoff_and_the_description_comes_back(stage: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    role, before = stage.company.production.roles["shared"], {name: deployment(stage, name) for name in ("web", "else")}
    stage.incident(role)
    monkeypatch.setattr(Aftermath, "_spread", lambda _self, _cutoff: False)  # whatever the clock of a slow machine says
    first = stage.contain()
    assert status_of(first, "role/shared")["role_action"] == "revoke" and first["status"] == "open"
    monkeypatch.undo()
    assert {row["state"] for row in first["workloads"]} == {"waiting"} and {row["until"][-1] for row in first["workloads"]} == {"Z"}
    assert description(stage, "orders") == DESCRIPTION and deployment(stage, "web") == before["web"]  # the cutoff has not spread yet
    done = stage.contain(hold="2s")
    rows = workloads(done)
    assert done["problems"] == [] and {k: r["state"] for k, r in rows.items()} == {
        "lambda_function": "refreshed", "ecs_service": "refreshed", "ec2_instance": "asked to refresh",
    }, done["workloads"]  # fmt: skip
    assert rows["lambda_function"]["until"] == "" and rows["ec2_instance"]["until"].endswith("Z")
    assert description(stage, "orders").startswith(f"{DESCRIPTION} [evict IR-1 ") and description(stage, "other") == DESCRIPTION
    assert deployment(stage, "web") != before["web"] and deployment(stage, "else") == before["else"] and replaced(stage) == 1
    now = description(stage, "orders"), deployment(stage, "web")
    again = stage.contain(hold="2s")
    assert again["changed_count"] == 0 and {k: r["state"] for k, r in workloads(again).items()} == {k: r["state"] for k, r in rows.items()}
    assert (description(stage, "orders"), deployment(stage, "web")) == now and replaced(stage) == 1
    stage.restore()
    assert description(stage, "orders") == DESCRIPTION
    assert stage.leaks("a-secret-of-the-function") == []


def test_another_cutoff_refreshes_again(stage: Desk) -> None:
    stage.incident(stage.company.production.roles["shared"])
    stage.contain(hold="2s")
    first = description(stage, "orders"), deployment(stage, "web")
    assert stage.contain(hold="2s", revoke_again=True)["problems"] == []
    assert description(stage, "orders") != first[0] and description(stage, "orders").count("[evict") == 1
    assert deployment(stage, "web") != first[1] and replaced(stage) == 2


def test_check_mode_says_what_would_be_refreshed(stage: Desk) -> None:
    stage.incident(stage.company.production.roles["shared"])
    planned = stage.contain(check=True, hold="2s")
    assert {row["state"] for row in planned["workloads"]} == {"would be refreshed"} and len(planned["workloads"]) == 3
    assert description(stage, "orders") == DESCRIPTION and replaced(stage) == 0


def test_refresh_false_lists_them_with_the_time_until_which_they_fail(stage: Desk) -> None:
    stage.incident(stage.company.production.roles["shared"])
    done = stage.contain(hold="2s", refresh=False)
    assert {(row["state"], row["why"]) for row in done["workloads"]} == {("left", "refresh: false")}
    assert all(row["until"].endswith("Z") for row in done["workloads"]) and description(stage, "orders") == DESCRIPTION


def test_what_the_attacker_sits_in_is_never_given_new_credentials(stage: Desk) -> None:
    """The session of a Lambda function is named as the function, that of an instance as the instance, that of a task as the task."""
    account = stage.company.production.id
    (task,) = root(stage, "ecs").list_tasks(cluster="web", serviceName="web")["taskArns"]
    (instance,) = root(stage, "ec2").describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    names = ("orders", task.rsplit("/", 1)[-1], instance["InstanceId"])
    stage.incident(*(f"arn:aws:sts::{account}:assumed-role/shared/{name}" for name in names), role_action="revoke")
    before = deployment(stage, "web")
    done = stage.contain(hold="2s")
    assert {row["state"] for row in done["workloads"]} == {"left"} and len(done["workloads"]) == 3, done["workloads"]
    assert all("isolate it first" in row["why"] for row in done["workloads"])
    assert description(stage, "orders") == DESCRIPTION and deployment(stage, "web") == before and replaced(stage) == 0


def test_a_denied_role_is_not_refreshed(stage: Desk) -> None:
    stage.incident(stage.company.production.roles["shared"], role_action="deny")
    done = stage.contain(hold="2s")
    assert done["workloads"] == [] and description(stage, "orders") == DESCRIPTION and replaced(stage) == 0


def test_a_published_version_and_a_lone_task_are_named(stage: Desk) -> None:
    functions, ecs = root(stage, "lambda"), root(stage, "ecs")
    version = functions.publish_version(FunctionName="orders")["Version"]
    functions.create_alias(FunctionName="orders", Name="live", FunctionVersion=version)
    lone = ecs.run_task(cluster="web", taskDefinition="web")["tasks"][0]["taskArn"]
    stage.incident(stage.company.production.roles["shared"])
    left = {row["object"]: row["why"] for row in stage.contain(hold="2s")["workloads"] if row["state"] == "left"}
    assert set(left) == {lone, f"arn:aws:lambda:{REGION}:{stage.company.production.id}:function:orders:live"}
    assert "belongs to no service" in left[lone]


def test_what_may_not_be_listed_is_a_gap_and_the_rest_is_refreshed(stage: Desk) -> None:
    denied = {"Effect": "Deny", "Action": ["ecs:ListClusters"], "Resource": "*"}
    root(stage, "iam").put_role_policy(RoleName="incident-responder", PolicyName="narrow", PolicyDocument=document(denied))
    stage.incident(stage.company.production.roles["shared"])
    done = stage.contain(hold="2s")
    assert done["problems"] == [] and set(workloads(done)) == {"lambda_function", "ec2_instance"}
    assert [o for o in done["open"] if "ECS services and tasks" in o["why"]]


def test_services_whose_workloads_are_not_listed_are_named_with_the_time_until_which_they_may_hold_old_credentials(stage: Desk) -> None:
    """EKS Pod Identity, IRSA and SageMaker, beside the kinds that are listed."""
    provider = f"arn:aws:iam::{stage.company.production.id}:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
    services = ["lambda.amazonaws.com", "pods.eks.amazonaws.com", "sagemaker.amazonaws.com"]
    root(stage, "iam").update_assume_role_policy(RoleName="shared", PolicyDocument=trust({"Service": services, "Federated": provider}))
    stage.incident(stage.company.production.roles["shared"])
    done = stage.contain(hold="2s")
    rows = {row["text"]: row for row in done["workloads"] if row["state"] == "not listed"}
    assert set(rows) == {"pods.eks.amazonaws.com", "sagemaker.amazonaws.com", "pods of the EKS cluster 0123456789ABCDEF in eu-west-1"}
    for row in rows.values():
        assert f"may hold cached credentials until {row['until'][11:16]}Z" in row["why"] and row["until"].endswith("Z"), row
    assert [row["kind"] for row in done["workloads"] if row["state"] == "refreshed"] == ["lambda_function"] and done["problems"] == []
    assert len([line for line in table.lines(done, "") if "WORKS" in line and "not listed" in line]) == 3


def test_a_role_that_no_service_may_assume_costs_nothing(stage: Desk) -> None:
    stage.incident(stage.company.production.roles["deploy"])
    assert stage.contain(hold="2s")["workloads"] == []
    assert not [
        c for c in stage.bed.calls() if c["operation"] in ("ListFunctions20150331", "ListFunctions", "ListTasks", "DescribeRegions")
    ]


def test_a_refresh_that_fails_takes_nothing_from_the_containment(stage: Desk) -> None:
    denied = {"Effect": "Deny", "Action": ["lambda:UpdateFunctionConfiguration"], "Resource": "*"}
    root(stage, "iam").put_role_policy(RoleName="incident-responder", PolicyName="narrow", PolicyDocument=document(denied))
    stage.incident(stage.company.production.roles["shared"])
    done = stage.contain_below(hold="2s")
    row = workloads(done)["lambda_function"]
    assert row["state"] == "failed" and row["until"].endswith("Z") and "UpdateFunctionConfiguration" in row["why"]
    assert done["problems"] == [] and [o for o in done["open"] if "Lambda function orders" in o["object"]]
    root(stage, "iam").delete_role_policy(RoleName="incident-responder", PolicyName="narrow")
    again = stage.contain_below(hold="2s")
    assert workloads(again)["lambda_function"]["state"] == "refreshed" and description(stage, "orders") != DESCRIPTION


@pytest.mark.parametrize(
    ("operation", "when"),
    [("UpdateService", "after"), ("ReplaceIamInstanceProfileAssociation", "after"), ("ReplaceIamInstanceProfileAssociation", "lost")],
)
def test_killed_around_it_or_robbed_of_its_answer_it_is_done_once(stage: Desk, operation: str, when: str) -> None:
    """A second deployment would throw out the tasks of the first."""
    stage.incident(stage.company.production.roles["shared"])
    order = {"module": "aws_contain", "params": {"incident": str(stage.file), "hold": "2s", "scope": 0, "clocks": "none"}}
    child = Child(stage.bed, order)
    stage.bed.rule(when, operation=operation, **({} if when == "lost" else {"pgid": child.pgid}))
    code, out, err = child.go()
    stage.bed.clear_rules()
    assert code == (0 if when == "lost" else -9), (code, out[-500:], err[-1500:])
    again = stage.contain(hold="2s")
    assert again["problems"] == [] and {row["state"] for row in again["workloads"]} == {"refreshed", "asked to refresh"}, again["workloads"]
    carried_out = [c for c in stage.bed.calls() if c["operation"] == operation and not c["error"]]
    assert len(carried_out) == 1 and stage.ledger().unsettled() == []
    if when != "lost":
        assert any("refresh its credentials: was carried out" in text for text in again["recovered"]), again["recovered"]
    assert stage.contain(hold="2s")["changed_count"] == 0
    stage.restore()
    assert description(stage, "orders") == DESCRIPTION

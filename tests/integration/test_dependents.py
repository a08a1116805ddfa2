"""What uses a key, found on the enforcing bed with the generated policy alone: in secrets, parameters, functions and more; and no secret in any output."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.beds.company import trust
from tests.integration.helpers import Desk
from tests.tools import permissions

pytestmark = pytest.mark.bed

REGION = "eu-central-1"


def plant(desk: Desk) -> dict[str, str]:
    """The leaked key in every kind of place that the bed has; {kind: id}."""
    account, key = desk.company.production, desk.company.leaked
    pair = {"KEY_ID": key.access_key, "KEY_SECRET": key.secret_key}
    named = [{"name": k, "value": v} for k, v in pair.items()]
    dotenv = f"export AWS_ACCESS_KEY_ID={key.access_key}\nexport AWS_SECRET_ACCESS_KEY={key.secret_key}\n"

    def client(service: str) -> Any:
        return desk.bed.client(service, account.root, direct=True, region=REGION)

    # Services that the bed does not have answer with what no client understands, and are asked again and again: refused at once instead.
    desk.bed.rule("fail", service="elasticbeanstalk", times=9999, status=403, code="AccessDenied", message="not on the bed", mutating=False)
    made: dict[str, str] = {}
    secrets = client("secretsmanager")
    made["secrets_manager"] = secrets.create_secret(Name="prod/ci", SecretString=json.dumps({"aws": pair}))["ARN"]
    secrets.create_secret(Name="others", SecretString=json.dumps({"key": "AKIASOMEBODYELSE0002"}))
    ssm = client("ssm")
    for number in range(23):
        ssm.put_parameter(Name=f"/other/{number}", Value="x", Type="String")
    ssm.put_parameter(Name="/ci/access_key_id", Value=key.access_key, Type="SecureString")
    ssm.put_parameter(Name="/ci/secret_access_key", Value=key.secret_key, Type="SecureString")
    ssm.put_parameter(Name="/ci/dotenv", Value=dotenv, Type="SecureString")
    made["ssm_parameter"] = "/ci/access_key_id"
    role = desk.bed.client("iam", account.root, direct=True).create_role(
        RoleName="work", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"})
    )
    arn = role["Role"]["Arn"]
    made["lambda_function"] = client("lambda").create_function(
        FunctionName="orders-x", Runtime="python3.12", Handler="x.y", Role=arn, Code={"ZipFile": _zip()}, Environment={"Variables": pair},
    )["FunctionArn"]  # fmt: skip
    container = {"name": "app", "image": "x", "memory": 64, "environment": named}
    made["ecs_task_definition"] = client("ecs").register_task_definition(family="web-x", containerDefinitions=[container])[
        "taskDefinition"
    ]["taskDefinitionArn"]
    ecs = client("ecs")
    ecs.create_cluster(clusterName="main-x")
    ecs.create_service(cluster="main-x", serviceName="web-x", taskDefinition="web-x:1", desiredCount=1)
    client("codebuild").create_project(
        name="build-x", source={"type": "NO_SOURCE", "buildspec": "version: 0.2"}, artifacts={"type": "NO_ARTIFACTS"}, serviceRole=arn,
        environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL", "environmentVariables": named},
    )  # fmt: skip
    made["codebuild_project"] = "project/build-x"
    made["launch_template"] = client("ec2").create_launch_template(
        LaunchTemplateName="fleet-x", LaunchTemplateData={"UserData": base64.b64encode(dotenv.encode()).decode()},
    )["LaunchTemplate"]["LaunchTemplateId"]  # fmt: skip
    client("glue").create_job(
        Name="etl-x",
        Role=arn,
        Command={"Name": "glueetl", "ScriptLocation": "s3://x/y"},
        DefaultArguments={f"--{k}": v for k, v in pair.items()},
    )
    made["glue"] = "job/etl-x"
    made["batch_job_definition"] = client("batch").register_job_definition(
        jobDefinitionName="render-x", type="container", containerProperties={"image": "x", "vcpus": 1, "memory": 64, "environment": named},
    )["jobDefinitionArn"]  # fmt: skip
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": pair, "End": True}}})
    made["step_function"] = client("stepfunctions").create_state_machine(name="flow-x", definition=definition, roleArn=arn)[
        "stateMachineArn"
    ]
    template = json.dumps({"Parameters": {"KeyId": {"Type": "String"}}, "Resources": {"T": {"Type": "AWS::SNS::Topic"}}})
    with contextlib.suppress(ClientError):
        client("cloudformation").create_stack(
            StackName="site-x", TemplateBody=template, Parameters=[{"ParameterKey": "KeyId", "ParameterValue": key.access_key}]
        )
        made["cloudformation_stack"] = "site-x"
    return made


def _zip() -> bytes:
    import io
    import zipfile

    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("x.py", "def y(e, c):\n    return 1\n")
    return data.getvalue()


# Of services that the bed does not have, and of things that were not planted.
NOT_ON_THE_BED = {
    "amplify:ListBranches", "apprunner:DescribeService", "ecs:DescribeTasks",
    "ec2:DescribeInstanceAttribute", "elasticbeanstalk:DescribeConfigurationSettings", "events:DescribeConnection", "iam:GetInstanceProfile", "iam:GetRole",
    "kms:Decrypt", "lambda:ListAliases",
}  # fmt: skip
MISSING = {"amplify", "app_runner", "elastic_beanstalk"}


def rights(desk: Desk, policy: dict[str, Any]) -> None:
    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=json.dumps(policy))


def test_what_uses_a_key_is_found_by_its_policy_alone_and_no_secret_is_shown_at_any_verbosity(desk: Desk) -> None:
    company, key = desk.company, desk.company.leaked
    desk.secrets.append(key.secret_key)
    made = plant(desk)
    thief = desk.bed.client("s3", key, source_ip="198.51.100.7", user_agent="aws-cli/2.15")
    with contextlib.suppress(ClientError):
        thief.list_buckets()
    options = {"suspects": [key.access_key], "role_arn": company.role_template, "regions": [REGION, "us-east-1"], "logs": 20}

    rights(desk, permissions.responder_policy())  # with which one can contain, and no secret can be read
    blind = desk.run("aws_dependent_info", **options)
    refused = {
        row["place"] for row in blind["unknown"] if row["code"] in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
    }
    assert {
        "secrets_manager",
        "ssm_parameter",
        "launch_template",
        "batch_job_definition",
        "step_function",
        "glue",
    } <= refused and not blind["complete"]
    # What contains may list functions and describe the tasks that run; their variables come with that.
    assert {row["kind"] for row in blind["dependents"]} <= {"cloudformation_stack", "ecs_task_definition", "lambda_function"}

    rights(desk, permissions.dependents_policy())
    known = len(desk.bed.calls())
    # By its user, who holds it.
    found = desk.run("aws_dependent_info", **{**options, "suspects": [company.production.users["ci-deploy"]]})
    assert key.access_key in {row["id"] for row in found["credentials"]}
    rows = {
        row["kind"]: row for row in found["dependents"] if made.get(row["kind"], "?") in row["id"] or row["kind"] == "cloudformation_stack"
    }
    assert rows.keys() == made.keys() and {row["region"] for row in rows.values()} == {REGION}
    assert all(row["key"] == key.access_key and row["account"] == company.production.id for row in rows.values())
    assert all(row["spots"][0]["fields"] == ["id", "secret"] for kind, row in rows.items() if kind != "cloudformation_stack")
    assert rows["ecs_task_definition"]["state"] == "in use" and "service web-x" in rows["ecs_task_definition"]["used_by"]
    assert found["looked"]["ssm_parameter"] == {"regions": 2, "absent": 0, "objects": 27, "found": 2, "unknown": 0}
    assert {row["place"] for row in found["unknown"]} - {"region", "use"} == MISSING
    use = next(row for row in found["used"] if row["source"] == "198.51.100.7")
    assert "aws-cli" in use["agent"] and use["services"] == ["s3"] and use["by"] == []
    assert any(row["place"] == "use" and "198.51.100.7" in row["why"] for row in found["unknown"])

    calls = [call for call in desk.bed.calls()[known:] if "incident-responder" in call["principal"]]
    asked = {f"{call['service']}:{call['operation']}" for call in calls}
    granted = permissions.actions_in(permissions.dependents_policy())
    assert asked <= granted and granted - asked <= NOT_ON_THE_BED, (asked - granted, granted - asked - NOT_ON_THE_BED)

    # The playbook: all regions, at the highest verbosity.
    desk.incident(
        key.access_key, dependents=["the nightly report", {"kind": "lambda_function", "name": "orders-x", "check": {"lambda": "orders-x"}}]
    )
    code, said = desk.play("dependents", "-vvvv", "-e", f"incident={desk.file}", "-e", f"result_file={desk.folder}/found.json")
    assert code == 0, said[-3000:]
    assert "secret prod/ci in eu-central-1" in said and "id and secret (json)" in said and "declared, unstructured" in said
    assert "UNKNOWN Amplify apps and branches" in said and "not everything is known" in said
    kept = json.loads((desk.folder / "found.json").read_text())
    assert next(row for row in kept["dependents"] if row["kind"] == "lambda_function")["check"] == {"lambda": "orders-x"}
    assert not (desk.folder / "cases").exists()
    assert desk.leaks() == []

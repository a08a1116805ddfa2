"""An account in which one key stands in every kind of place, in every form, as AWS's own models write the answers. The secrets are made up, and long."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ansible_collections.evict.cloud.plugins.module_utils.aws.session import _plain
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call
from tests.unit.aws.modelled_cloud import ModelledCloud, _dates, checked, model, valid_call

A, REGION = "111122223333", "eu-west-1"
KEY, OTHER = "AKIAPLANTEDKEY000001", "AKIASOMEBODYELSE0002"
SECRET, OTHERS = "pLaNtEdSeCrEtPlAnTeDsEcReT/0123456789+ab", "oThErSeCrEtOtHeRsEcReToThEr/0123456789+c"
ENV = f"# production\nexport AWS_ACCESS_KEY_ID={KEY}\nAWS_SECRET_ACCESS_KEY='{SECRET}'\n"
INI = f"[default]\naws_access_key_id = {OTHER}\naws_secret_access_key = {OTHERS}\n\n[ci]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
VARIABLES = {"AWS_REGION": "eu-west-1", "KEY_ID": KEY, "KEY_SECRET": SECRET}
PAIRS = [{"name": "KEY_ID", "value": KEY}, {"name": "KEY_SECRET", "value": SECRET}]


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode())).decode()


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{A}:{rest}"


CI = arn("secretsmanager", "secret:prod/ci-a1b2c3")
SECRETS: dict[str, dict[str, tuple[list[str], Any]]] = {  # name -> {version: (labels, value)}
    "prod/ci": {
        "v2": (["AWSCURRENT"], json.dumps({"aws": {"key": KEY, "secret": SECRET}})),
        "v1": (["AWSPREVIOUS"], INI),
        "v3": (["AWSPENDING"], "{}"),
    },
    "app/access_key_id": {"w1": (["AWSCURRENT"], KEY)},
    "app/secret_access_key": {"w2": (["AWSCURRENT"], SECRET)},
    "blob": {"b1": (["AWSCURRENT"], ENV.encode())},
    "others": {"o1": (["AWSCURRENT"], json.dumps({"key": OTHER, "secret": OTHERS}))},
    "refusing": {"r1": (["AWSCURRENT"], "AccessDeniedException")},
}
PARAMETERS = {
    "/ci/AWS_ACCESS_KEY_ID": KEY, "/ci/AWS_SECRET_ACCESS_KEY": SECRET, "/ci/dotenv": ENV, "/ci/encoded": coded(ENV), "/ci/others": OTHER,
    "/ci/url": f"https://example.com/?access_key={KEY}&secret={quote(SECRET, safe='')}", **{f"/ci/plain/{n}": "x" for n in range(9)},
}  # fmt: skip


def secret_arn(name: str) -> str:
    return arn("secretsmanager", f"secret:{name}-a1b2c3")


def _secrets(_asked: dict[str, Any]) -> Any:
    return {"SecretList": [{"ARN": secret_arn(name), "Name": name, "SecretVersionsToStages": {(v * 32)[:32]: labels for v, (labels, _value) in versions.items()}}
                           for name, versions in SECRETS.items()]}  # fmt: skip


def _secret(asked: dict[str, Any]) -> Any:
    name = next((n for n in SECRETS if asked["SecretId"] in (n, secret_arn(n))), None)
    if name is None:
        return "ResourceNotFoundException"
    version = asked.get("VersionId", "")[:2] or next(iter(SECRETS[name]))
    labels, value = SECRETS[name][version]
    if value == "AccessDeniedException":
        return value
    field = {"SecretBinary": value} if isinstance(value, bytes) else {"SecretString": value}
    return {"ARN": secret_arn(name), "Name": name, "VersionId": (version * 32)[:32], "VersionStages": labels, **field}


def _parameters(asked: dict[str, Any]) -> Any:
    config = asked["PaginationConfig"]
    names, start = sorted(PARAMETERS), int(config.get("StartingToken") or 0)
    answer: dict[str, Any] = {
        "Parameters": [{"Name": n, "Type": "SecureString", "KeyId": "alias/ci", "Tier": "Standard"} for n in names[start : start + 5]]
    }  # pages of five, whatever was asked
    return answer | ({"NextToken": str(start + 5)} if start + 5 < len(names) else {})


def _values(asked: dict[str, Any]) -> Any:
    assert asked["WithDecryption"] is True and len(asked["Names"]) <= 10
    known = [n for n in asked["Names"] if n in PARAMETERS]
    unknown = [n for n in asked["Names"] if n not in PARAMETERS]
    found = [{"Name": n, "Type": "SecureString", "Value": PARAMETERS[n], "Version": 3, "ARN": arn("ssm", f"parameter{n}")} for n in known]
    return {"Parameters": found} | ({"InvalidParameters": unknown} if unknown else {})


def _functions() -> list[dict[str, Any]]:
    base = arn("lambda", "function:orders")
    plain = {"FunctionName": "orders", "RevisionId": "rev-1"}
    return [
        {**plain, "FunctionArn": f"{base}:$LATEST", "Version": "$LATEST", "Environment": {"Variables": VARIABLES}},
        {**plain, "FunctionArn": f"{base}:7", "Version": "7", "Environment": {"Variables": VARIABLES}},
        {**plain, "FunctionArn": f"{base}:6", "Version": "6", "Environment": {"Variables": VARIABLES}},
        {"FunctionName": "reader", "FunctionArn": arn("lambda", "function:reader:$LATEST"), "Version": "$LATEST", "RevisionId": "rev-2",
         "Environment": {"Variables": {"SECRET": "prod/ci", "OTHER": "prod/ci-and-more"}}},
        {"FunctionName": "sealed", "FunctionArn": arn("lambda", "function:sealed:$LATEST"), "Version": "$LATEST",
         "Environment": {"Error": {"ErrorCode": "AccessDeniedException", "Message": f"not for you: {SECRET}"}}},
    ]  # fmt: skip


def _definition(asked: dict[str, Any]) -> Any:
    name = asked["taskDefinition"].rsplit("/", 1)[-1]
    family, revision = name.split(":")
    container: dict[str, Any] = {"name": "app", "environment": PAIRS if family in ("web", "nightly") else []}
    if family == "worker":
        container["secrets"] = [{"name": "KEY", "valueFrom": f"{CI}:aws::"}]
        container["environmentFiles"] = [{"type": "s3", "value": "arn:aws:s3:::config/worker.env"}]
    return {
        "taskDefinition": {
            "taskDefinitionArn": asked["taskDefinition"],
            "family": family,
            "revision": int(revision),
            "containerDefinitions": [container],
        }
    }


def _task_definition(name: str) -> str:
    return arn("ecs", f"task-definition/{name}")


CLUSTER = arn("ecs", "cluster/main")
ANSWERS: dict[str, Any] = {
    "sts:GetCallerIdentity": {"Account": A, "Arn": f"arn:aws:iam::{A}:user/responder", "UserId": "AIDA"},
    "sts:GetAccessKeyInfo": {"Account": A},
    "iam:GetUser": {"User": {"UserName": "ci", "UserId": "AIDACIEXAMPLE00000", "Path": "/", "CreateDate": "2024-01-01T00:00:00Z", "Arn": f"arn:aws:iam::{A}:user/ci"}},
    "iam:GetAccessKeyLastUsed": {"UserName": "ci", "AccessKeyLastUsed": {"LastUsedDate": "2026-01-20T10:00:00Z", "ServiceName": "s3", "Region": REGION}},
    "ec2:DescribeRegions": {"Regions": [{"RegionName": REGION}]},
    "secretsmanager:ListSecrets": _secrets, "secretsmanager:GetSecretValue": _secret,
    "ssm:DescribeParameters": _parameters, "ssm:GetParameters": _values,
    "lambda:ListFunctions": {"Functions": _functions()}, "lambda:ListAliases": {"Aliases": [{"Name": "live", "FunctionVersion": "7"}]},
    "ecs:ListClusters": {"clusterArns": [CLUSTER]}, "ecs:ListServices": {"serviceArns": [arn("ecs", "service/main/web"), arn("ecs", "service/main/worker")]},
    "ecs:DescribeServices": {"services": [{"serviceName": "web", "taskDefinition": _task_definition("web:3")},
                                          {"serviceName": "worker", "taskDefinition": _task_definition("worker:1")}]},
    "ecs:ListTasks": {"taskArns": [arn("ecs", "task/main/t1")]},
    "ecs:DescribeTasks": {"tasks": [{"taskArn": arn("ecs", "task/main/t1"), "taskDefinitionArn": _task_definition("web:3"), "group": "family:web",
                                     "overrides": {"containerOverrides": [{"name": "app", "environment": PAIRS}]}}]},
    "ecs:ListTaskDefinitions": {"taskDefinitionArns": [_task_definition(n) for n in ("web:4", "web:3", "worker:1", "nightly:2", "nightly:1")]},
    "ecs:DescribeTaskDefinition": _definition,
    "codebuild:ListProjects": {"projects": ["build"]},
    "codebuild:BatchGetProjects": {"projects": [{"name": "build", "arn": arn("codebuild", "project/build"), "source": {"type": "NO_SOURCE", "buildspec": ENV},
                                                 "environment": {"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL",
                                                                 "environmentVariables": [*PAIRS, {"name": "FROM", "type": "PARAMETER_STORE", "value": "/ci/dotenv"}]}}]},
    "cloudformation:DescribeStacks": {"Stacks": [{"StackName": "site", "StackId": arn("cloudformation", "stack/site/1"), "StackStatus": "CREATE_COMPLETE",
                                                  "CreationTime": "2026-01-01T00:00:00Z",
                                                  "Parameters": [{"ParameterKey": "KeyId", "ParameterValue": KEY}, {"ParameterKey": "Hidden", "ParameterValue": "****"}],
                                                  "Outputs": [{"OutputKey": "AccessKey", "OutputValue": KEY}, {"OutputKey": "SecretKey", "OutputValue": SECRET}]}]},
    "ec2:DescribeLaunchTemplates": {"LaunchTemplates": [{"LaunchTemplateId": "lt-1", "LaunchTemplateName": "fleet", "DefaultVersionNumber": 1, "LatestVersionNumber": 3}]},
    "ec2:DescribeLaunchTemplateVersions": {"LaunchTemplateVersions": [
        {"LaunchTemplateId": "lt-1", "VersionNumber": 3, "LaunchTemplateData": {}},
        {"LaunchTemplateId": "lt-1", "VersionNumber": 2, "LaunchTemplateData": {"UserData": coded(ENV)}},
        {"LaunchTemplateId": "lt-1", "VersionNumber": 1, "LaunchTemplateData": {"UserData": packed(INI)}}]},
    "ec2:DescribeInstances": {"Reservations": [{"Instances": [
        {"InstanceId": "i-1", "State": {"Name": "running"}, "PublicIpAddress": "203.0.113.9",
         "Tags": [{"Key": "aws:ec2launchtemplate:id", "Value": "lt-1"}, {"Key": "aws:ec2launchtemplate:version", "Value": "2"}]},
        {"InstanceId": "i-2", "State": {"Name": "terminated"}}]}]},
    "ec2:DescribeInstanceAttribute": {"InstanceId": "i-1", "UserData": {"Value": packed(ENV)}},
    "elasticbeanstalk:DescribeEnvironments": {"Environments": [{"EnvironmentName": "shop", "ApplicationName": "app", "Status": "Ready",
                                                                "EnvironmentArn": arn("elasticbeanstalk", "environment/app/shop")}]},
    "elasticbeanstalk:DescribeConfigurationSettings": {"ConfigurationSettings": [{"OptionSettings": [
        {"Namespace": "aws:elasticbeanstalk:application:environment", "OptionName": k, "Value": v} for k, v in VARIABLES.items()]}]},
    "apprunner:ListServices": {"ServiceSummaryList": [{"ServiceName": "front", "ServiceArn": arn("apprunner", "service/front/1"), "Status": "RUNNING"}]},
    "amplify:ListApps": {"apps": []}, "amplify:ListBranches": {"branches": []},
    "glue:GetJobs": {"Jobs": [{"Name": "etl", "DefaultArguments": {"--KEY_ID": KEY, "--KEY_SECRET": SECRET}}]},
    "glue:GetConnections": {"ConnectionList": [{"Name": "lake", "ConnectionProperties": {"USERNAME": KEY, "PASSWORD": SECRET}}]},
    "batch:DescribeJobDefinitions": {"jobDefinitions": [
        {"jobDefinitionName": "render", "jobDefinitionArn": arn("batch", f"job-definition/render:{n}"), "revision": n, "type": "container",
         "containerProperties": {"environment": PAIRS}} for n in (1, 2)]},
    "stepfunctions:ListStateMachines": {"stateMachines": [{"stateMachineArn": arn("states", "stateMachine:flow"), "name": "flow", "type": "STANDARD",
                                                           "creationDate": "2026-01-01T00:00:00Z"}]},
    "stepfunctions:DescribeStateMachine": {"stateMachineArn": arn("states", "stateMachine:flow"), "name": "flow", "type": "STANDARD", "roleArn": "r",
                                           "creationDate": "2026-01-01T00:00:00Z", "revisionId": "s1",
                                           "definition": json.dumps({"States": {"Call": {"Parameters": {"Key": KEY, "Secret": SECRET}}}})},
    "events:ListConnections": {"Connections": [{"Name": "partner", "ConnectionArn": arn("events", "connection/partner/1")}]},
    "events:DescribeConnection": {"Name": "partner", "ConnectionArn": arn("events", "connection/partner/1"), "AuthorizationType": "BASIC",
                                  "SecretArn": secret_arn("others"), "AuthParameters": {"BasicAuthParameters": {"Username": KEY}}},
}  # fmt: skip
_NEEDED = {  # what AWS's model wants beside that, of no interest here
    "apprunner:DescribeService": lambda asked: {"Service": {
        "ServiceName": "front", "ServiceId": "1" * 32, "ServiceArn": asked["ServiceArn"], "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-02T00:00:00Z",
        "Status": "RUNNING", "InstanceConfiguration": {}, "AutoScalingConfigurationSummary": {}, "NetworkConfiguration": {},
        "SourceConfiguration": {"ImageRepository": {"ImageIdentifier": "x/y:z", "ImageRepositoryType": "ECR", "ImageConfiguration": {
            "RuntimeEnvironmentVariables": VARIABLES, "RuntimeEnvironmentSecrets": {"S": arn("ssm", "parameter/ci/dotenv")}}}}}},
}  # fmt: skip


def _amplify(noun: str) -> dict[str, Any]:
    when = {"createTime": "2026-01-01T00:00:00Z", "updateTime": "2026-01-02T00:00:00Z", "environmentVariables": VARIABLES}
    if noun == "app":
        return {"appId": "d1", "appArn": arn("amplify", "apps/d1"), "name": "web", "description": "", "repository": "", "platform": "WEB",
                "defaultDomain": "x", "enableBranchAutoBuild": False, "enableBasicAuth": True, "basicAuthCredentials": coded(f"{KEY}:{SECRET}"), **when}  # fmt: skip
    return {"branchArn": arn("amplify", "apps/d1/branches/main"), "branchName": "main", "description": "", "stage": "PRODUCTION", "displayName": "main",
            "enableNotification": False, "enableAutoBuild": False, "customDomains": [], "framework": "", "activeJobId": "1", "totalNumberOfJobs": "1",
            "enableBasicAuth": False, "ttl": "5", "enablePullRequestPreview": False, **when}  # fmt: skip


ANSWERS |= {"amplify:ListApps": {"apps": [_amplify("app")]}, "amplify:ListBranches": {"branches": [_amplify("branch")]}, **_NEEDED}


class Estate(ModelledCloud):
    """Answers by "service:Operation"; ``refused``: (service, region or "") whose every call is answered with an error code; ``events`` by region."""

    def __init__(self, **more: Any) -> None:
        super().__init__()
        self.answers = {**ANSWERS, **more.pop("answers", {})}
        self.refused: dict[tuple[str, str], str] = more.pop("refused", {})
        self.region, self.partition, self.own_key = REGION, "aws", ""
        self.caller = {"account": A, "arn": f"arn:aws:iam::{A}:user/responder", "user_id": "AIDA"}
        self.missing: set[tuple[str, str]] = more.pop("missing", set())  # services that AWS does not have in a region
        assert not more

    def call(self, call: Call, parameters: Any = None) -> dict[str, Any]:
        valid_call(call)
        self.calls.append(call)
        code = next((c for (s, r), c in self.refused.items() if s in (call.service, call.name) and r in ("", call.target.region)), "")
        if (call.service, call.target.region) in self.missing:
            code = "EndpointConnectionError"
        answer: Any = self.answers.get(call.name, {})
        answer = answer(dict(call.parameters)) if isinstance(answer, Callable) else answer  # type: ignore[arg-type]
        code = code or (answer if isinstance(answer, str) else "")
        if code:
            raise CloudError(f"{call.name}: {code}", code=code, object=call.target.account, operation=call.name)
        shape = model(call.service).operation_model(call.operation).output_shape
        if shape is not None and answer:
            checked(shape, _dates(answer), f"answer of {call.name}")
        found: dict[str, Any] = _plain(answer)
        return found

    def client(self, *_: Any, **__: Any) -> None:
        """Credentials can be had."""

    def responder_arn(self, _account: str) -> str:
        return str(self.caller["arn"])

    def offers(self, service: str, region: str) -> bool:
        return (service, region) not in self.missing

    def absent(self, error: Any, region: str) -> bool:
        return bool(getattr(error, "code", "") == "EndpointConnectionError" and not self.offers(error.operation.partition(":")[0], region))

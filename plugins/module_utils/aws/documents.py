# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy documents that an ``Edit`` may name: how each is read and written whole."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable, Mapping

from ..common.errors import EvictError
from ..common.plan import Call, Probe, Target, dig
from . import ecs, resources

Writer = Callable[[t.Any], Call]


def _role_trust(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Writer]:
    role = {"RoleName": name["RoleName"]}

    def write(document: t.Any) -> Call:
        if document is None:
            raise EvictError(f"role {name['RoleName']}: AWS refuses an empty trust policy", object=str(name["RoleName"]), operation="edit")
        return Call(target, "iam", "UpdateAssumeRolePolicy", {**role, "PolicyDocument": json.dumps(document)})

    return Probe(Call(target, "iam", "GetRole", role), ("Role", "AssumeRolePolicyDocument")), write


def _organizations_policy(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Writer]:
    policy = {"PolicyId": name["PolicyId"]}

    def write(document: t.Any) -> Call:
        if document is None:
            raise EvictError(f"policy {name['PolicyId']}: AWS refuses an empty policy", object=str(name["PolicyId"]), operation="edit")
        return Call(target, "organizations", "UpdatePolicy", {**policy, "Content": json.dumps(document, separators=(",", ":"))})

    return Probe(Call(target, "organizations", "DescribePolicy", policy), ("Policy", "Content")), write


def _bucket_lifecycle(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Writer]:
    bucket = {"Bucket": name["Bucket"], "ExpectedBucketOwner": target.account}

    def write(document: t.Any) -> Call:
        if document is None:
            raise EvictError(f"bucket {name['Bucket']}: S3 refuses an empty lifecycle", object=str(name["Bucket"]), operation="edit")
        kept = {k: v for k, v in document.items() if k == "TransitionDefaultMinimumObjectSize"}
        rules = {"LifecycleConfiguration": {"Rules": document.get("Rules", [])}}
        return Call(target, "s3", "PutBucketLifecycleConfiguration", {**bucket, **rules, **kept})

    return Probe(Call(target, "s3", "GetBucketLifecycleConfiguration", bucket), (), ("NoSuchLifecycleConfiguration",)), write


def _permission_set(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Writer]:
    permission_set = {"InstanceArn": name["InstanceArn"], "PermissionSetArn": name["PermissionSetArn"]}

    def write(document: t.Any) -> Call:
        if document is None:
            return Call(target, "sso-admin", "DeleteInlinePolicyFromPermissionSet", permission_set)
        text = json.dumps(document, separators=(",", ":"))
        return Call(target, "sso-admin", "PutInlinePolicyToPermissionSet", {**permission_set, "InlinePolicy": text})

    return Probe(Call(target, "sso-admin", "GetInlinePolicyForPermissionSet", permission_set), ("InlinePolicy",)), write


def _secret_value(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Writer]:
    """A new version of a secret, whose id is chosen here, so that a repeated request makes no second one. It waits under AWSPENDING."""
    secret = {"SecretId": name["SecretId"]}

    def write(document: t.Any) -> Call:
        if document is None:
            raise EvictError(f"secret {name['SecretId']} is not emptied", object=str(name["SecretId"]), operation="edit")
        stages = {"VersionStages": ["AWSPENDING"], "ClientRequestToken": name["VersionId"]}
        return Call(target, "secretsmanager", "PutSecretValue", {**secret, "SecretString": document, **stages})

    return Probe(Call(target, "secretsmanager", "GetSecretValue", secret), ("SecretString",)), write


def _parameter(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Writer]:
    """A parameter's value; ``Type``, ``KeyId`` and ``Tier`` are given again, since SSM takes its defaults for those that are not."""
    kept = {key: name[key] for key in ("Type", "KeyId", "Tier") if name.get(key)}

    def write(document: t.Any) -> Call:
        value = document.get("Value") if isinstance(document, dict) else document
        if value is None:
            raise EvictError(f"parameter {name['Name']} is not emptied", object=str(name["Name"]), operation="edit")
        return Call(target, "ssm", "PutParameter", {"Name": name["Name"], "Value": value, "Overwrite": True, **kept}, idempotent=False)

    if name.get("Version"):
        history = Call(target, "ssm", "GetParameterHistory", {"Name": name["Name"], "WithDecryption": True})
        return Probe(history, ("Parameters", {"Version": name["Version"]})), write
    return Probe(Call(target, "ssm", "GetParameter", {"Name": name["Name"], "WithDecryption": True}), ("Parameter", "Value")), write


def _function(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Writer]:
    """A function's environment, with RevisionId, so that somebody else's edit in between is not lost; ``Version``: the one that is written again."""
    function = {"FunctionName": name["FunctionName"]}

    def write(document: t.Any) -> Call:
        if not document:
            raise EvictError(f"function {name['FunctionName']} is not emptied", object=str(name["FunctionName"]), operation="edit")
        revision = {"RevisionId": document["RevisionId"]} if document.get("RevisionId") and not name.get("Version") else {}
        environment = {"Environment": {"Variables": (document.get("Environment") or {}).get("Variables", {})}}
        return Call(target, "lambda", "UpdateFunctionConfiguration", {**function, **environment, **revision}, idempotent=False)

    qualifier = {"Qualifier": name["Version"]} if name.get("Version") else {}
    return Probe(Call(target, "lambda", "GetFunctionConfiguration", {**function, **qualifier})), write


def _task_definition(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Writer]:
    """A revision of a task definition, which is written as a new one: what can be registered of it, and its tags."""

    def write(document: t.Any) -> Call:
        definition = (document or {}).get("taskDefinition") or {}
        fields = {k: definition[k] for k in ecs.REGISTRABLE if definition.get(k) not in (None, "")}
        tags = {"tags": document["tags"]} if (document or {}).get("tags") else {}
        return Call(target, "ecs", "RegisterTaskDefinition", {**fields, **tags}, idempotent=False)

    return Probe(ecs.definition(target, str(name["taskDefinition"]))), write


def _build_environment(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Writer]:
    """A project's environment, whole: CodeBuild takes no part of it."""

    def write(document: t.Any) -> Call:
        return Call(target, "codebuild", "UpdateProject", {"name": name["name"], "environment": document}, idempotent=False)

    return Probe(Call(target, "codebuild", "BatchGetProjects", {"names": [name["name"]]}), ("projects", 0, "environment")), write


DOCUMENTS: dict[str, Callable[[Target, Mapping[str, t.Any]], tuple[Probe, Writer]]] = {
    "iam.role-trust": _role_trust,
    "organizations.policy": _organizations_policy,
    "s3.lifecycle": _bucket_lifecycle,
    "sso-admin.permission-set": _permission_set,
    **resources.DOCUMENTS,
    "secretsmanager.value": _secret_value,
    "ssm.parameter": _parameter,
    "lambda.environment": _function,
    "ecs.task-definition": _task_definition,
    "codebuild.environment": _build_environment,
}


def parsed(operation: str, answer: dict[str, t.Any]) -> dict[str, t.Any]:
    """``answer`` with the policy that it holds as text parsed beside it; a text that is no JSON stays one. botocore decodes the documents of IAM only."""
    said = dig(answer, resources.TEXTS[operation]) if operation in resources.TEXTS else None
    if not said:
        return answer
    try:
        return {**answer, resources.PARSED: json.loads(said)}
    except (TypeError, ValueError):
        return {**answer, resources.PARSED: said}


def find(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, Writer]:
    """The probe that reads the document ``name`` ({"kind": …, …}) and the function from a new document to the Call that writes it."""
    if name.get("kind") not in DOCUMENTS:
        raise EvictError(f"no such policy document: {name.get('kind')!r}", operation="edit")
    return DOCUMENTS[name["kind"]](target, name)

"""What stock ministack lacks of resources' own policies: Lambda's whole resource policy (PutResourcePolicy, July 2026), CodeBuild's, and S3's policy status.

Shapes and errors: from the services' API models and references, not observed. The policy is the one that ministack judges invocations by.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from ministack.core import iam_actions
from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services import codebuild, ecr, kms, lambda_svc, s3, secretsmanager, sns, sqs

_PATH = re.compile(r"/2026-07-09/resource-policy/(arn:[^:]+:lambda:[^:]+:\d{12}:function:([\w-]+))/?")
_VERBS = {"GET": "GetResourcePolicy", "PUT": "PutResourcePolicy", "DELETE": "DeleteResourcePolicy"}
_STATUS = '<?xml version="1.0" encoding="UTF-8"?><PolicyStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsPublic>{}</IsPublic></PolicyStatus>'


def install() -> None:
    """Add the handlers; before ministack's app is imported. (The stores of these services are in the bed's snapshot once their modules are loaded.)"""
    assert all((ecr, kms, secretsmanager, sns, sqs))
    _patch_lambda()
    _patch_s3()
    _patch_codebuild()


def _patch_lambda() -> None:
    stock, action, arn = lambda_svc.handle_request, iam_actions._lambda_action, iam_actions.extract_resource_arn

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:
        found = _PATH.fullmatch(unquote(path))
        if found:
            return _resource_policy(method, found[2], json.loads(body or b"{}"), query_params)
        return await stock(method, path, headers, body, query_params)

    def action_of(method: str, path: str) -> Any:
        return _VERBS.get(method) if _PATH.fullmatch(unquote(path)) else action(method, path)

    def arn_of(service: str, method: str, path: str, *more: Any, **named: Any) -> Any:
        found = _PATH.fullmatch(unquote(path)) if service == "lambda" else None
        return found[1] if found else arn(service, method, path, *more, **named)

    lambda_svc.handle_request = handle
    iam_actions._lambda_action, iam_actions.extract_resource_arn = action_of, arn_of


def _resource_policy(method: str, name: str, data: dict[str, Any], query_params: Any) -> Any:
    function = lambda_svc._functions.get(name)
    if function is None:
        return error_response_json("ResourceNotFoundException", f"Function not found: {name}", 404)
    policy = function["policy"]
    revision = data.get("RevisionId") or (query_params.get("RevisionId") or [""])[0]
    if revision and revision != policy.get("_revision"):
        return error_response_json("PreconditionFailedException", "The RevisionId provided does not match the latest RevisionId.", 412)
    if method != "PUT" and not policy["Statement"]:
        return error_response_json("ResourceNotFoundException", "The resource you requested does not exist.", 404)
    if method == "GET":
        policy.setdefault("_revision", new_uuid())
        return json_response({"Policy": policy.get("_text") or json.dumps(_shown(policy)), "RevisionId": policy["_revision"]})
    if method == "DELETE":
        function["policy"] = {"Version": "2012-10-17", "Id": "default", "Statement": []}
        return 204, {}, b""
    function["policy"] = {**json.loads(data["Policy"]), "_text": data["Policy"], "_revision": new_uuid()}
    return json_response({"Policy": data["Policy"], "RevisionId": function["policy"]["_revision"]})


def _shown(policy: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in policy.items() if not k.startswith("_")}


def _patch_codebuild() -> None:
    """No project of the bed is shared."""
    stock = codebuild._handle_request_sync

    def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
        if not headers.get("x-amz-target", "").endswith(".GetResourcePolicy"):
            return stock(method, path, headers, body, query_params)
        arn = json.loads(body)["resourceArn"]
        return error_response_json("ResourceNotFoundException", f"Resource policy of {arn} does not exist", 400)

    codebuild._handle_request_sync = handle


def _patch_s3() -> None:
    stock = s3.handle_request

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any, *more: Any, **named: Any) -> Any:
        bucket = unquote(path).strip("/")
        if method == "GET" and "policyStatus" in query_params and "/" not in bucket:
            policy = s3._bucket_policies.get(bucket)
            if bucket not in s3._buckets:
                return s3._no_such_bucket(bucket)
            if not policy:
                return s3._error("NoSuchBucketPolicy", "The bucket policy does not exist", 404, f"/{bucket}")
            return 200, {"Content-Type": "application/xml"}, _STATUS.format(str(s3._policy_is_public(policy)).lower()).encode()
        return await stock(method, path, headers, body, query_params, *more, **named)

    s3.handle_request = handle

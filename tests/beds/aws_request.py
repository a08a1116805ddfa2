"""Tell which AWS operation an HTTP request is, with its parameters, and what an answer says. Pure functions."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote
from xml.etree import ElementTree as ET

_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_READ = re.compile(
    r"(Get|List|Describe|Head|Lookup|Simulate|Generate|BatchGet|Search|Query|Scan|Select|AssumeRole|"
    r"Decode|Check|Test|Validate|Preview|Estimate|View|Lookup)"
)
# botocore's name of a service differs from the one in the signature.
_MODEL = {
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
    "elasticloadbalancing": "elbv2",
    "email": "sesv2",
    "execute-api": "apigatewaymanagementapi",
}
# Data events: never in LookupEvents (CloudTrail user guide, "Logging data events").
_DATA = {
    "s3": re.compile(
        r"(Get|Head|Put|Delete|Copy|List|Restore|Select|Upload|Create|Complete|Abort).*"
        r"(Object|Objects|ObjectsV2|ObjectVersions|Part|Parts|MultipartUpload|Tagging)$"
    ),
    "sqs": re.compile(r"(Send|Receive|Delete|ChangeMessage).*(Message|Batch|Visibility)"),
    "sns": re.compile(r"Publish"),
    "lambda": re.compile(r"Invoke"),
    "dynamodb": re.compile(r"(Get|Put|Update|Delete|BatchGet|BatchWrite|TransactGet|TransactWrite)Items?$|Query|Scan"),
}


@dataclasses.dataclass
class AwsRequest:
    """One request as signed: service and region from the credential scope, operation and parameters from the protocol."""

    service: str
    region: str
    access_key: str
    operation: str
    parameters: dict[str, Any]
    protocol: str  # query | json | s3 | rest

    @property
    def read_only(self) -> bool:
        """As CloudTrail's readOnly: minting a session by AssumeRole counts as reading."""
        return bool(_READ.match(self.operation))

    @property
    def mutating(self) -> bool:
        """Whether the call changes something in the cloud (AssumeRole, GetSessionToken and the like do not)."""
        return not self.read_only

    @property
    def data_event(self) -> bool:
        """Whether CloudTrail counts it as a data event."""
        pattern = _DATA.get(self.service)
        return bool(pattern and pattern.fullmatch(self.operation)) and self.operation != "ListBuckets"


def parse_request(method: str, target: str, headers: dict[str, str], body: bytes) -> AwsRequest | None:
    """The AWS request, or None when it carries no SigV4 credential scope."""
    path, _, query = target.partition("?")
    match = _SCOPE.search(headers.get("authorization", ""))
    if match is None:
        presigned = parse_qs(query).get("X-Amz-Credential", [""])[0].split("/")
        if len(presigned) != 5:
            return None
        key, region, service = presigned[0], presigned[2], presigned[3]
    else:
        key, region, service = match.groups()
    amz_target = headers.get("x-amz-target", "")
    if amz_target:
        operation = amz_target.rsplit(".", 1)[-1]
        return AwsRequest(service, region, key, operation, _json(body), "json")
    if service == "s3":
        operation, parameters = _s3(method, path, query, headers)
        if operation == "PutBucketLifecycle":
            parameters["LifecycleConfiguration"] = _rules(body)
        return AwsRequest(service, region, key, operation, parameters, "s3")
    fields = dict(parse_qsl(query, keep_blank_values=True))
    if "x-www-form-urlencoded" in headers.get("content-type", ""):
        fields.update(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if "Action" in fields:
        operation = fields.pop("Action")
        fields.pop("Version", None)
        return AwsRequest(service, region, key, operation, _nest(fields), "query")
    operation, parameters = _rest(service, method, path)
    return AwsRequest(service, region, key, operation, {**fields, **parameters, **_json(body)}, "rest")


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _nest(fields: dict[str, str]) -> dict[str, Any]:
    """`Tags.member.1.Key=a` -> {"Tags": [{"Key": "a"}]} (query protocol)."""
    tree: dict[str, Any] = {}
    for name, value in fields.items():
        node, parts = tree, [p for p in name.split(".") if p != "member"]
        for part in parts[:-1]:
            child = node.setdefault(part, {})
            node = child if isinstance(child, dict) else {}
        node[parts[-1]] = value
    return _lists(tree)


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() for key in node):
        return [_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _lists(value) for key, value in node.items()}


_S3_SUBRESOURCE = {
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "acl": "Acl",
    "publicAccessBlock": "PublicAccessBlock",
    "versioning": "BucketVersioning",
    "lifecycle": "BucketLifecycle",
    "replication": "BucketReplication",
    "logging": "BucketLogging",
    "encryption": "BucketEncryption",
    "tagging": "Tagging",
    "cors": "BucketCors",
    "website": "BucketWebsite",
    "notification": "BucketNotification",
    "location": "BucketLocation",
    "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
}


def _s3(method: str, path: str, query: str, headers: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Summarised: enough to tell management events from data events, path-style addressing only."""
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    names = dict(parse_qsl(query, keep_blank_values=True))
    parameters: dict[str, Any] = {"bucketName": bucket} if bucket else {}
    if key:
        parameters["key"] = key
    verb = {"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete", "POST": "Post"}.get(method, method.title())
    if not bucket:
        return "ListBuckets", {}
    if key:
        if method == "PUT" and "x-amz-copy-source" in headers:
            return "CopyObject", parameters
        return ("PutObjectAcl" if "acl" in names and method == "PUT" else f"{verb}Object"), parameters
    for name, suffix in _S3_SUBRESOURCE.items():
        if name in names:
            return f"{verb}{'Bucket' if suffix in ('Acl', 'Tagging', 'PublicAccessBlock') else ''}{suffix}", parameters
    return {"GET": "ListObjects", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket", "POST": "DeleteObjects"}.get(
        method, verb
    ), parameters


def _rules(body: bytes) -> dict[str, Any]:
    """A lifecycle configuration as CloudTrail writes it: one rule is no list, and names are S3's."""
    try:
        root = ET.fromstring(body)
    except ET.ParseError:
        return {}
    rules = [_from_xml(rule) for rule in root]
    return {"Rule": rules[0] if len(rules) == 1 else rules}


@functools.cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    """botocore's routes of a REST service, loaded when the first call to it comes."""
    from botocore.exceptions import UnknownServiceError
    from botocore.loaders import Loader

    try:
        model = Loader().load_service_model(_MODEL.get(service, service), "service-2")
    except UnknownServiceError:
        return []
    routes = []
    for name, operation in model["operations"].items():
        uri = operation["http"]["requestUri"].split("?")[0]
        pattern = re.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(uri)))
        routes.append((operation["http"]["method"], re.compile(pattern + "/?"), name))
    return sorted(routes, key=lambda route: -len(re.sub(r"\(.*?\)", "", route[1].pattern)))


def _rest(service: str, method: str, path: str) -> tuple[str, dict[str, Any]]:
    if "/operation/" in path:  # smithy rpc-v2-cbor
        return path.rsplit("/", 1)[-1], {}
    for verb, pattern, name in _routes(service):
        match = pattern.fullmatch(path) if verb == method else None
        if match:
            return name, {key: unquote(value) for key, value in match.groupdict().items()}
    return f"{method} {path}", {}


# -- answers -----------------------------------------------------------------------------------------------------


def parse_error(status: int, headers: dict[str, str], body: bytes) -> tuple[str, str]:
    """(code, message) of an error answer; ("", "") of a success."""
    if status < 400:
        return "", ""
    text = body.lstrip()
    if text.startswith(b"<"):
        try:
            root = ET.fromstring(text)
        except ET.ParseError:
            return str(status), ""
        found = {element.tag.rsplit("}", 1)[-1]: element.text or "" for element in root.iter()}
        return found.get("Code", str(status)), found.get("Message", "")
    answer = _json(body)
    code = headers.get("x-amzn-errortype", "").split(":")[0] or str(answer.get("__type") or answer.get("code") or status)
    return code.rsplit("#", 1)[-1], str(answer.get("message") or answer.get("Message") or "")


def parse_answer(protocol: str, body: bytes) -> dict[str, Any]:
    """The members of a success answer (the <…Result> of query answers)."""
    if protocol in ("json", "rest"):
        return _json(body)
    try:
        root = ET.fromstring(body)
    except ET.ParseError:
        return {}
    value = _from_xml(root)
    if not isinstance(value, dict):
        return {}
    results = [member for key, member in value.items() if key.endswith("Result")]
    if results:
        return results[0] if isinstance(results[0], dict) else {}
    return {key: member for key, member in value.items() if key not in ("ResponseMetadata", "requestId", "RequestId")}


def _from_xml(element: ET.Element) -> Any:
    children = list(element)
    if not children:
        return element.text or ""
    names = [child.tag.rsplit("}", 1)[-1] for child in children]
    if set(names) <= {"member", "item"}:
        return [_from_xml(child) for child in children]
    return {name: _from_xml(child) for name, child in zip(names, children, strict=True)}


def error_answer(protocol: str, status: int, code: str, message: str) -> tuple[dict[str, str], bytes]:
    """An error as the service's protocol writes it: (headers, body)."""
    if protocol in ("json", "rest"):
        return (
            {"content-type": "application/x-amz-json-1.1", "x-amzn-errortype": code},
            json.dumps({"__type": code, "message": message}).encode(),
        )
    kind = "Sender" if status < 500 else "Receiver"
    xml = (
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        if protocol == "s3"
        else f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>bed</RequestId></ErrorResponse>"
    )
    return {"content-type": "text/xml"}, xml.encode()

"""CloudTrail from what the proxy saw: event records, and LookupEvents answered from them.

Field names follow "CloudTrail record contents" and real records; what differs from AWS is named in the comments.
"""

from __future__ import annotations

import base64
import calendar
import collections
import dataclasses
import hashlib
import json
import time
import uuid
from typing import Any

from tests.beds.aws_request import AwsRequest

# IAM and other global services record in us-east-1 whatever endpoint was used.
_GLOBAL = frozenset({"iam", "organizations", "cloudfront", "route53", "support"})
_SOURCES = {"monitoring": "monitoring", "email": "ses", "elasticloadbalancing": "elasticloadbalancing"}
# CloudTrail does not log calls whose credentials could not be authenticated: there is no identity to log them under.
UNAUTHENTICATED = frozenset(
    {
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "UnrecognizedClientException",
        "AuthFailure",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "ExpiredToken",
        "InvalidToken",
        "ExpiredTokenException",
        "RequestTimeTooSkewed",
        "InvalidSecurity",
        "MissingAuthenticationTokenException",
    }
)
_SECRET = frozenset(
    {
        "secretAccessKey",
        "sessionToken",
        "password",
        "newPassword",
        "oldPassword",
        "secretString",
        "secretBinary",
        "privateKey",
        "base32StringSeed",
        "qRCodePNG",
        "plaintext",
        "webIdentityToken",
        "sAMLAssertion",
        "tokenCode",
        "servicePassword",
        "serviceCredentialSecret",
    }
)
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_LAMBDA_V2 = frozenset(
    {
        "UpdateFunctionConfiguration",
        "UpdateFunctionCode",
        "AddPermission",
        "RemovePermission",
        "GetPolicy",
        "GetFunction",
        "GetFunctionConfiguration",
    }
)
_ATTRIBUTES = frozenset({"EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId"})


@dataclasses.dataclass(frozen=True)
class Event:
    """One record, with the fields that LookupEvents filters on."""

    at: float
    record: dict[str, Any]
    username: str
    access_key: str
    resources: tuple[tuple[str, str], ...]


class LookupRefusal(Exception):
    """A LookupEvents request that AWS refuses: args are (code, message)."""


class Trail:
    """Records by (account, region)."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], list[Event]] = collections.defaultdict(list)
        self._lookups: dict[tuple[str, str], collections.deque[float]] = collections.defaultdict(collections.deque)
        self.delay = 0.0  # seconds until an event can be looked up
        self.clock = 0.0  # seconds the cloud's clock is ahead
        self.rate = 2.0  # LookupEvents per second, account and region; 0 = unlimited

    def clear(self) -> None:
        """Forget all records."""
        self._events.clear()
        self._lookups.clear()

    def all(self) -> list[dict[str, Any]]:
        """All records of all accounts, oldest first, data events included."""
        events = sorted((event for group in self._events.values() for event in group), key=lambda event: event.at)
        return [event.record for event in events]

    def record(
        self,
        at: float,
        request: AwsRequest,
        identity: dict[str, Any],
        code: str,
        message: str,
        answer: dict[str, Any],
        source_ip: str,
        user_agent: str,
        request_id: str,
    ) -> None:
        """Note one authenticated call; a cross-account AssumeRole is noted in both accounts."""
        name = _event_name(request)
        region = "us-east-1" if request.service in _GLOBAL else request.region
        resources = _resources(request, answer)
        record: dict[str, Any] = {
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at + self.clock)),
            "eventSource": f"{_SOURCES.get(request.service, request.service)}.amazonaws.com",
            "eventName": name,
            "awsRegion": region,
            "sourceIPAddress": source_ip,
            "userAgent": user_agent,
            "requestParameters": _camel(request.parameters, request) or None,
            "responseElements": (_camel(answer, request) or None) if _has_response_elements(request, code) else None,
            "requestID": request_id,
            "eventID": str(uuid.uuid4()),
            "readOnly": request.read_only,
            "eventType": "AwsApiCall",
            "managementEvent": not request.data_event,
            "recipientAccountId": identity["accountId"],
            "eventCategory": "Data" if request.data_event else "Management",
        }
        if code:
            record["errorCode"] = f"Client.{code}" if request.service == "ec2" else code
            record["errorMessage"] = message
        if request.service == "sts" and not code and request.parameters.get("RoleArn"):
            role_arn = str(request.parameters["RoleArn"])
            owner = role_arn.split(":")[4]
            record["resources"] = [{"accountId": owner, "type": "AWS::IAM::Role", "ARN": role_arn}]
            if owner != identity["accountId"]:
                record["sharedEventID"] = str(uuid.uuid4())
                stranger = {"type": "AWSAccount", "principalId": identity["principalId"], "accountId": identity["accountId"]}
                self._add(
                    at, {**record, "userIdentity": stranger, "eventID": str(uuid.uuid4()), "recipientAccountId": owner}, region, resources
                )
        self._add(at, record, region, resources)

    def _add(self, at: float, record: dict[str, Any], region: str, resources: list[tuple[str, str]]) -> None:
        identity = record["userIdentity"]
        self._events[record["recipientAccountId"], region].append(
            Event(at, record, _username(identity), identity.get("accessKeyId", ""), tuple(resources))
        )

    def throttled(self, account: str, region: str) -> bool:
        """Whether a LookupEvents now is over the rate; counts it if not."""
        if not self.rate:
            return False
        now, recent = time.monotonic(), self._lookups[account, region]
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= self.rate:
            return True
        recent.append(now)
        return False

    def lookup(self, account: str, region: str, request: dict[str, Any]) -> dict[str, Any]:
        """LookupEvents' answer, newest first. Raises LookupRefusal as AWS would refuse."""
        attributes = request.get("LookupAttributes") or []
        if len(attributes) > 1 or any(a.get("AttributeKey") not in _ATTRIBUTES for a in attributes):
            raise LookupRefusal("InvalidLookupAttributesException", "Specify at most one valid lookup attribute.")
        size = request.get("MaxResults", 50)
        if not 1 <= size <= 50:
            raise LookupRefusal("InvalidMaxResultsException", "MaxResults must lie between 1 and 50.")
        now = time.time() + self.clock
        start = max(float(request.get("StartTime") or 0), now - 90 * 86400)
        end = float(request.get("EndTime") or now + 1)
        if request.get("StartTime") and float(request["StartTime"]) > end:
            raise LookupRefusal("InvalidTimeRangeException", "Start time must not be later than end time.")
        events = self._events[account, region]
        digest = hashlib.sha256(
            json.dumps([request.get(k) for k in ("LookupAttributes", "StartTime", "EndTime")], sort_keys=True, default=str).encode()
        ).hexdigest()[:8]
        position = self._position(request.get("NextToken"), digest, len(events))
        found: list[dict[str, Any]] = []
        while position > 0:
            event = events[position - 1]
            if _matches(event, attributes, start, end, time.time() - self.delay):
                if len(found) == size:
                    break
                found.append(_summary(event))
            position -= 1
        answer: dict[str, Any] = {"Events": found}
        if position > 0:
            answer["NextToken"] = base64.urlsafe_b64encode(f"{digest}:{position}".encode()).decode()
        return answer

    @staticmethod
    def _position(token: str | None, digest: str, end: int) -> int:
        if not token:
            return end
        try:
            given, position = base64.urlsafe_b64decode(token).decode().split(":")
        except ValueError:
            given, position = "", "0"
        if given != digest:  # AWS: "must be passed in with the same parameters that were specified in the original call"
            raise LookupRefusal("InvalidNextTokenException", "The token is not valid for these parameters.")
        return int(position)


def _matches(event: Event, attributes: list[dict[str, str]], start: float, end: float, delivered: float) -> bool:
    at = _event_time(event)
    if not event.record["managementEvent"] or not start <= at <= end or event.at > delivered:
        return False
    if not attributes:
        return True
    key, value = attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]
    if key == "ResourceName":
        return any(name == value for _, name in event.resources)
    if key == "ResourceType":
        return any(kind == value for kind, _ in event.resources)
    record = event.record
    return (
        value
        == {
            "EventId": record["eventID"],
            "EventName": record["eventName"],
            "Username": event.username,
            "ReadOnly": str(record["readOnly"]).lower(),
            "EventSource": record["eventSource"],
            "AccessKeyId": event.access_key,
        }[key]
    )


def _event_time(event: Event) -> int:
    return calendar.timegm(time.strptime(event.record["eventTime"], "%Y-%m-%dT%H:%M:%SZ"))


def _summary(event: Event) -> dict[str, Any]:
    record = event.record
    answer = {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": str(record["readOnly"]).lower(),
        "EventTime": _event_time(event),
        "EventSource": record["eventSource"],
        "Username": event.username,
        "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in event.resources],
        "CloudTrailEvent": json.dumps(record),
    }
    if event.access_key:
        answer["AccessKeyId"] = event.access_key
    return answer


def _username(identity: dict[str, Any]) -> str:
    """User name; a role session's session name; a federated user's name; root."""
    kind = identity["type"]
    if kind in ("AssumedRole", "FederatedUser"):
        return str(identity["principalId"]).split(":", 1)[-1]
    return "root" if kind == "Root" else str(identity.get("userName", ""))


def _event_name(request: AwsRequest) -> str:
    """Lambda's events carry the API version; S3's and all others the operation."""
    if request.service == "lambda" and not request.data_event:
        return f"{request.operation}20150331" + ("v2" if request.operation in _LAMBDA_V2 else "")
    return request.operation


def _has_response_elements(request: AwsRequest, code: str) -> bool:
    """Reads have none, except STS, whose answers name the credentials that were minted."""
    return not code and (not request.read_only or request.service == "sts" and request.operation != "GetCallerIdentity")


def _camel(value: Any, request: AwsRequest) -> Any:
    """CloudTrail's camelCase, without secrets. AWS keeps sessionToken in AssumeRole's responseElements; we drop it."""
    if isinstance(value, list):
        return [_camel(item, request) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, item in value.items():
        name = key[:1].lower() + key[1:]
        if name in _SECRET or name == "packedPolicySize":
            continue
        hidden = name == "value" and request.operation == "PutParameter" or name == "environment" and request.service == "lambda"
        result[name] = _HIDDEN if hidden else _camel(item, request)
    return result


_RESOURCE_PARAMETERS = (
    ("UserName", "AWS::IAM::User"),
    ("RoleName", "AWS::IAM::Role"),
    ("GroupName", "AWS::IAM::Group"),
    ("PolicyName", "AWS::IAM::Policy"),
    ("PolicyArn", "AWS::IAM::Policy"),
    ("AccessKeyId", "AWS::IAM::AccessKey"),
    ("RoleArn", "AWS::IAM::Role"),
    ("bucketName", "AWS::S3::Bucket"),
    ("SecretId", "AWS::SecretsManager::Secret"),
    ("FunctionName", "AWS::Lambda::Function"),
)


def _resources(request: AwsRequest, answer: dict[str, Any]) -> list[tuple[str, str]]:
    """What LookupEvents lists under Resources: the objects named, and the credentials an answer issued."""
    named = [
        (kind, str(request.parameters[parameter]))
        for parameter, kind in _RESOURCE_PARAMETERS
        if isinstance(request.parameters.get(parameter), str)
    ]
    for box, field, kind in (
        ("Credentials", "AccessKeyId", "AWS::IAM::AccessKey"),
        ("AccessKey", "AccessKeyId", "AWS::IAM::AccessKey"),
        ("AssumedRoleUser", "AssumedRoleId", "AWS::STS::AssumedRole"),
        ("AssumedRoleUser", "Arn", "AWS::STS::AssumedRole"),
        ("FederatedUser", "Arn", "AWS::STS::FederatedUser"),
        ("User", "Arn", "AWS::IAM::User"),
        ("User", "UserId", "AWS::IAM::User"),
    ):
        member = answer.get(box)
        if isinstance(member, dict) and member.get(field):
            named.append((kind, str(member[field])))
    return list(dict.fromkeys(named))

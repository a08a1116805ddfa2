# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS means by an error: the object that a request was about, and what the responder does next."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ..common.errors import CloudError
from ..common.plan import Call

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_NO_CREDENTIALS = {"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "SignatureDoesNotMatch", "InvalidAccessKeyId"}
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "UnauthorizedOperation"}
# Of S3, EC2 and others; IAM and STS have no code of their own for it.
_SUSPENDED = {"AccountProblem", "AccountSuspended", "AccountSuspendedException", "Blocked", "OptInRequired"}
# What services call the thing that a request is about; the first that it has.
_NAMES = ("AccessKeyId", "UserName", "RoleName", "RoleArn", "PolicyArn", "SecretId", "InstanceIds", "TargetId", "PolicyId", "Name",
          "SessionId", "CommandId", "AutomationExecutionId", "JobName", "jobId", "executionArn", "StackName", "FunctionName", "service", "AssociationId",
          "principalArn", "clusterName", "projectName", "id", "profileId", "trustAnchorId", "crlId", "Bucket", "KeyId", "TrailName", "EventDataStore",
          "DetectorId", "ConfigurationRecorderName", "logGroupName", "AutoScalingGroupName", "FleetId", "SpotFleetRequestId", "MembershipId", "UserId",
          "PermissionSetArn", "TargetPrincipal", "InstanceArn", "IdentityStoreId", "QueueUrl", "QueueName", "TopicArn", "ResourceArn",
          "repositoryName", "NetworkInterfaceId", "InstanceId", "VolumeId", "GroupId", "GroupName", "TargetGroupArn", "UUID",
          "InstanceProfileName", "OpenIDConnectProviderArn", "SAMLProviderArn")  # fmt: skip


def subject(call: Call, sent: Mapping[str, t.Any]) -> str:
    """The object of a request, in words."""
    for name in _NAMES:
        if sent.get(name):
            return f"{name}={sent[name]}" + (f" in {call.target.account}" if call.target.account else "")
    return call.target.account or "the caller's account"


def throttled(code: str) -> bool:
    """AWS was too busy: the same request may be sent again later."""
    return "Throttl" in code or code in ("TooManyRequestsException", "RequestLimitExceeded", "SlowDown")


def explain(call: Call, sent: Mapping[str, t.Any], error: Mapping[str, t.Any], lost: bool, who: Callable[[], str]) -> CloudError:
    """``error``: AWS's Code, Message and Reason; ``lost``: it is the server's, after which nobody knows whether the request was carried out; ``who``: asked."""
    code, text = str(error.get("Code", "Unknown")), " ".join(str(error[k]) for k in ("Message", "Reason") if error.get(k))
    remedy = ""
    if code in EXPIRED:
        remedy = "the responder's own session has expired: log in again, then run the same command; what was done is recorded"
    elif code in _NO_CREDENTIALS:
        remedy = "the responder's own credentials are not valid: check AWS_PROFILE or log in again"
    elif code in _DENIED:
        remedy = f"the responder ({who()}) needs {call.name}; see docs/permissions"
    elif code in _SUSPENDED:
        remedy = f"AWS has suspended, blocked or closed account {call.target.account or 'of the caller'}: have it reopened (AWS Support), then run again"
    elif throttled(code):
        remedy = "AWS throttles this account: run the same command again, with fewer threads"
    about = subject(call, sent)
    return CloudError(f"{call.name} on {about}: {code}: {text}", code=code, lost=lost, object=about, operation=call.name, remedy=remedy)

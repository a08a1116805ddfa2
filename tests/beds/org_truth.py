"""What stock ministack's Organizations gets wrong: who may call it, quotas, and `aws:PrincipalArn` of a role session.

Sources: the Organizations API reference (errors, ConstraintViolationException's reasons), "Quotas for AWS Organizations", and "AWS global
condition context keys" (for an assumed role aws:PrincipalArn is the role's ARN, for a federated user its own). Transcribed, not observed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator as ev
from ministack.core.responses import error_response_json, get_account_id, request_scope
from ministack.services import organizations as org

Answer = tuple[int, dict[str, str], bytes]
# people: {session name: user id}, of sessions of the roles that Identity Center made
SETTINGS: dict[str, Any] = {"in_use": True, "delegated": (), "size": 5120, "slots": 5, "suspended": (), "people": {}}
_NOT_DELEGATED = (
    "ListRoots",
    "EnablePolicyType",
    "DisablePolicyType",
    "MoveAccount",
    "CreateAccount",
    "CloseAccount",
)  # in this bed's delegation policy
_DEFAULTS = dict(SETTINGS)
_TYPE = "SERVICE_CONTROL_POLICY"


def reset() -> None:
    """Back to an organization with AWS's quotas and no delegated administrator."""
    SETTINGS.update(_DEFAULTS)


def install(management: str) -> None:
    """Wrap every Organizations handler, and tell the evaluator what aws:PrincipalArn is."""
    for operation, handler in list(org._DISPATCH.items()):
        org._DISPATCH[operation] = _wrap(operation, handler, management)
    resolve = ev._resolve_condition_key

    def principal_arn(key: str, context: Any) -> Any:
        if key.lower() == "aws:principalarn" and context.principal_type == "AssumedRole":
            return _role_arn(context.principal_arn)
        if key.lower() == "identitystore:userid" and ":assumed-role/AWSReservedSSO_" in context.principal_arn:
            return SETTINGS["people"].get(context.principal_arn.rsplit("/", 1)[-1])
        return resolve(key, context)

    ev._resolve_condition_key = principal_arn
    _name_resources()


def _name_resources() -> None:
    """A request that names an account or a policy is judged by the ARN of that; stock ministack takes the organization's for every request.

    Likewise users and roles by their ARNs with the path, where stock ministack leaves the path out, and what else ``_with_path`` names.
    """
    from ministack.core import iam_actions

    extract = iam_actions.extract_resource_arn

    def extracting(service: str, method: str, path: str, headers: Any, body: bytes, *more: Any, **named: Any) -> str:
        if service == "organizations":
            try:
                asked = json.loads(body or b"{}")
            except ValueError:
                asked = {}
            if asked.get("TargetId"):
                return f"arn:aws:organizations::{get_account_id()}:account/o-bed/{asked['TargetId']}"
            if asked.get("PolicyId"):
                return f"arn:aws:organizations::{get_account_id()}:policy/o-bed/service_control_policy/{asked['PolicyId']}"
        if service == "iam" and more and (arn := _with_path(more[0])):
            return arn
        return extract(service, method, path, headers, body, *more, **named)

    iam_actions.extract_resource_arn = extracting


def _with_path(params: Any) -> str:
    """ARN of the provider, instance profile, group, role or user that a request to IAM names or makes; "" when it names none.

    What puts a role into a profile or a user into a group, or takes it out, is judged by the profile or the group (Service Authorization Reference).
    """
    from ministack.services import iam

    if provider := iam._p(params, "OpenIDConnectProviderArn") or iam._p(params, "SAMLProviderArn"):
        return str(provider)
    kinds = (
        ("InstanceProfileName", "instance-profile", iam._instance_profiles),
        ("GroupName", "group", iam._groups),
        ("RoleName", "role", iam._roles),
        ("UserName", "user", iam._users),
    )
    for field, kind, store in kinds:
        if name := iam._p(params, field):
            record = store.get(name) or {}
            return str(record.get("Arn") or f"arn:aws:iam::{get_account_id()}:{kind}{iam._p(params, 'Path') or '/'}{name}")
    return ""


def _role_arn(session_arn: str) -> str:
    from ministack.services import iam

    account, name = session_arn.split(":")[4], ev._role_name_from_assumed_arn(session_arn)
    return str((iam._roles.get_scoped(account, None, name) or {}).get("Arn") or f"arn:aws:iam::{account}:role/{name}")


def _wrap(operation: str, handler: Callable[[Any], Answer], management: str) -> Callable[[Any], Answer]:
    def wrapped(payload: Any) -> Answer:
        account = get_account_id()
        member = account == management or bool(org._accounts.get_scoped(management, None, account))
        if not SETTINGS["in_use"] or not member:
            return error_response_json("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.", 400)
        delegated = account in SETTINGS["delegated"] and operation not in _NOT_DELEGATED
        if account != management and operation != "DescribeOrganization" and not delegated:
            return error_response_json("AccessDeniedException", "You don't have permissions to access this resource.", 400)
        with request_scope(management, "us-east-1"):
            return _over_quota(operation, payload) or _with_state(operation, handler(payload))

    return wrapped


def suspended(role_arn: str) -> bool:
    """Whether nobody can assume the role, because AWS has suspended its account ("Closing an account": no API is open to its principals)."""
    return role_arn.count(":") > 4 and role_arn.split(":")[4] in SETTINGS["suspended"]


def _with_state(operation: str, answer: Answer) -> Answer:
    body = json.loads(answer[2] or b"{}") if operation in ("DescribeAccount", "ListAccounts") and answer[0] == 200 else {}
    listed = [account for account in [body.get("Account", {}), *body.get("Accounts", [])] if account.get("Id") in SETTINGS["suspended"]]
    for account in listed:
        account |= {"Status": "SUSPENDED", "State": "SUSPENDED"}
    return (answer[0], answer[1], json.dumps(body).encode()) if listed else answer


def _violated(reason: str, message: str) -> Answer:
    body = {"__type": "ConstraintViolationException", "Message": message, "Reason": reason}
    return (
        400,
        {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": "ConstraintViolationException"},
        json.dumps(body).encode(),
    )


def _over_quota(operation: str, payload: Any) -> Answer | None:
    if operation in ("CreatePolicy", "UpdatePolicy") and len(payload.get("Content") or "") > SETTINGS["size"]:
        return _violated("POLICY_CONTENT_LIMIT_EXCEEDED", "You have exceeded the maximum policy size.")
    if operation not in ("AttachPolicy", "DetachPolicy"):
        return None
    target = payload.get("TargetId")
    types = {key: policy["Type"] for key, policy in org._policies.items()}
    attached = [key for key, targets in org._attachments.items() if target in (targets or []) and types.get(key) == _TYPE]
    if operation == "AttachPolicy" and len(attached) >= SETTINGS["slots"] and payload.get("PolicyId") not in attached:
        return _violated(
            "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You have attained the maximum number of policies attached to the target."
        )
    if operation == "DetachPolicy" and attached == [payload.get("PolicyId")]:
        return _violated("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You cannot detach the last policy of this type.")
    return None

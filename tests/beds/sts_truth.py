"""What stock ministack's evaluator and STS get wrong or leave out: SCPs, session limits, last use, lag.

`patch_evaluator` must run before ministack.app, sts and s3 are imported (they import some functions by name).
"""

from __future__ import annotations

import contextvars
import importlib.util
import json
import pathlib
import re
import time
from typing import Any

from ministack.core import iam_evaluator as ev

from tests.beds import lag

_key_account: contextvars.ContextVar[str] = contextvars.ContextVar("bed_key_account", default="")
_ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def patch_evaluator(management: str) -> None:
    """Lag, SCPs, last use and session limits in ministack's evaluator."""
    from tests.beds.iam_truth import account_of_key

    find_account = ev.find_iam_access_key_account

    def find_iam_access_key_account(key_id: str) -> str | None:
        """By the account the id encodes: also right for a key that is deleted but not yet gone for the evaluator."""
        from ministack.services import sts

        if key_id in sts._sessions:
            return None
        return account_of_key(key_id) or find_account(key_id)

    ev.find_iam_access_key_account = find_iam_access_key_account
    resolve = ev.resolve_principal

    def resolve_principal(key: str, account: str, credential: Any = None) -> Any:
        principal = resolve(key, account, credential)
        return principal if isinstance(principal, ev.AuthError) else _limit_by_scp(principal, management)

    ev.resolve_principal = lag.lagged(resolve_principal)
    ev.resolve_credential = lag.lagged(ev.resolve_credential)
    ev.request_caller_arn = lag.lagged(ev.request_caller_arn)
    enforce, check = ev.enforce, ev.check_credentials

    @lag.lagged
    def enforcing(access_key_id: str, iam_action: str, service: str, region: str, *args: Any, **kwargs: Any) -> Any:
        refusal = enforce(access_key_id, iam_action, service, region, *args, **kwargs)
        if isinstance(refusal, ev.AuthError):
            return refusal
        _note_use(access_key_id, service, region)
        return refusal or _refused_to_session(access_key_id, iam_action)

    @lag.lagged
    def checking(access_key_id: str, service: str | None = None) -> Any:
        refusal = check(access_key_id, service)
        if refusal is None and access_key_id:
            from ministack.core.responses import get_region

            _note_use(access_key_id, service or "", get_region())
        return refusal

    ev.enforce, ev.check_credentials = enforcing, checking
    _name_the_denying_layer()
    ev._RESOURCE_POLICY_LOOKUPS["sts"] = ("sts", "_bed_trust_policy")


# -- messages ----------------------------------------------------------------------------------------------------


class _ServiceControl(list[Any]):
    """A limit that stems from SCPs, to be told from boundaries and session policies."""


_denied_by: contextvars.ContextVar[str] = contextvars.ContextVar("bed_denied_by", default="")


def _name_the_denying_layer() -> None:
    """AWS's message says which kind of policy denied; stock ministack always blames an identity-based policy."""
    from ministack.core import iam_actions

    evaluate, respond = ev.evaluate, iam_actions.access_denied_response

    def evaluating(context: Any, policies: Any, *limits: Any) -> Any:
        result = evaluate(context, policies, *limits)
        if result.decision != "Allow" and limits:
            _denied_by.set(_denying_layer(context, policies, limits, result.decision == "Deny"))
        return result

    def responding(*args: Any, **kwargs: Any) -> Any:
        status, headers, body = respond(*args, **kwargs)
        layer = _denied_by.get().encode()
        if layer and isinstance(body, bytes):
            body = body.replace(b"in an identity-based policy", b"in a " + layer)
            body = body.replace(b"because no identity-based policy allows", b"because no " + layer + b" allows")
        return status, headers, body

    ev.evaluate, iam_actions.access_denied_response = evaluating, responding


def _denying_layer(context: Any, policies: Any, limits: Any, explicit: bool) -> str:
    """The kind of limit that decided; "" when it was the identity's own policies."""
    effect = "Deny" if explicit else "Allow"
    for layer in (policies, *limits):
        found = ev._first_match(context, [statement for statements in layer for statement in statements], effect)
        if bool(found) == explicit:
            if layer is policies:
                return ""
            return "service control policy" if isinstance(layer, _ServiceControl) else "permissions boundary"
    return ""


# -- service control policies ------------------------------------------------------------------------------------


def _limit_by_scp(principal: Any, management: str) -> Any:
    """Add one limit per level of the organization tree. The management account and service-linked roles are exempt."""
    from ministack.services import iam
    from ministack.services import organizations as org

    if principal.account == management:
        return principal
    if not org._accounts.get_scoped(management, None, principal.account):
        return principal
    if principal.type == "AssumedRole":
        role = iam._roles.get_scoped(principal.account, None, ev._role_name_from_assumed_arn(principal.arn)) or {}
        if role.get("Path", "/").startswith("/aws-service-role/"):
            return principal
    policies = {
        key: policy
        for (account, key), policy in org._policies.to_dict().items()
        if account == management and policy.get("Type") in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")
    }  # a resource control policy is judged for requests within the account alone: principals and resources are the same one's
    attached = {key: targets or [] for (account, key), targets in org._attachments.to_dict().items() if account == management}
    node: str | None = principal.account
    while node:
        documents = [policies[key]["_Content"] for key, targets in attached.items() if node in targets and key in policies]
        if node.startswith("ou-"):  # ministack attaches FullAWSAccess to the root and to accounts, not to new OUs
            documents.append(json.dumps(_ALLOW_ALL))
        principal.limits.append(_ServiceControl(ev.parse_policy_document(document) for document in documents))
        record = org._ous.get_scoped(management, None, node) or org._accounts.get_scoped(management, None, node) or {}
        node = record.get("_ParentId")
    if principal.policies is None:  # SCPs restrict a member account's root as well
        principal.policies = [ev.parse_policy_document(_ALLOW_ALL)]
    return principal


# -- sessions ----------------------------------------------------------------------------------------------------


def _note_use(key_id: str, service: str, region: str) -> None:
    """AWS notes the use of a key whether or not the call was allowed."""
    from ministack.services import sts

    from tests.beds.iam_truth import KEY_LAST_USED, ROLE_LAST_USED

    session = sts._sessions.get(key_id)
    if session is None:
        KEY_LAST_USED[key_id] = (time.time(), region, service)
    elif session.get("PrincipalType") == "AssumedRole":
        arn = str(session.get("Arn", ""))
        ROLE_LAST_USED[arn.split(":")[4], ev._role_name_from_assumed_arn(arn)] = (time.time(), region)


def _refused_to_session(key_id: str, action: str) -> Any:
    """GetSessionToken credentials (without MFA) and federated users may not call IAM, and of STS little.

    Source: IAM User Guide, "Compare AWS STS credentials". The refusal of IAM is InvalidClientTokenId.
    """
    from ministack.services import sts

    session = sts._sessions.get(key_id)
    kind = session.get("PrincipalType") if session else None
    if session is None or kind not in ("User", "FederatedUser"):
        return None
    service, _, operation = action.partition(":")
    if service == "iam":
        return ev.AuthError("InvalidClientTokenId", "The security token included in the request is invalid.")
    if service == "sts" and kind == "FederatedUser" and operation != "GetCallerIdentity":
        return ev.EvalResult("ImplicitDeny", str(session.get("Arn", "")))
    return None


def _same_account_trust(role_arn: str) -> tuple[dict[str, Any], str] | None:
    """A trust policy that names the caller itself suffices within one account, without an identity policy.

    Only unconditional Allows, as the evaluator does not know ExternalId and the like here; Denies and conditions are
    checked by the STS handler afterwards.
    """
    from ministack.core.responses import get_account_id
    from ministack.services import iam

    match = re.fullmatch(r"arn:aws:iam::(\d{12}):role/(?:.*/)?([^/]+)", role_arn)
    if not match or match[1] != get_account_id():
        return None
    role = iam._roles.get_scoped(match[1], None, match[2])
    if role is None:
        return None
    document = json.loads(role.get("AssumeRolePolicyDocument") or "{}")
    statements = document.get("Statement", [])
    statements = statements if isinstance(statements, list) else [statements]
    allows = [{**s, "Resource": "*"} for s in statements if s.get("Effect") == "Allow" and not s.get("Condition")]
    return {"Version": "2012-10-17", "Statement": allows}, match[1]


def patch_sts() -> None:
    """Lag for trust policies, AWS's limits on session durations, session key ids that encode their account."""
    from ministack.core.responses import get_account_id
    from ministack.core.router import extract_access_key_id
    from ministack.services import iam, sts

    from tests.beds import org_truth, tag_truth
    from tests.beds.iam_truth import new_key_id

    sts._bed_trust_policy = _same_account_trust
    iam._gen_session_access_key = sts._gen_session_access_key = lambda: new_key_id("ASIA", _key_account.get() or get_account_id())
    original = sts.handle_request

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
        params = tag_truth.parameters(body, query)
        action, role_arn = iam._p(params, "Action"), iam._p(params, "RoleArn")
        caller = extract_access_key_id(headers, query)
        with lag.evaluator_view():
            if action == "AssumeRole" and org_truth.suspended(role_arn):
                return iam._error(
                    403, "AccessDenied", f"User is not authorized to perform: sts:AssumeRole on resource: {role_arn}", ns="sts"
                )
            if refused := tag_truth.refusal(action, params, caller):
                return refused
            problem = _duration_problem(action, role_arn, iam._p(params, "DurationSeconds"), sts._sessions.get(caller))
            if problem:
                return iam._error(400, "ValidationError", problem, ns="sts")
            source = iam._p(params, "SourceIdentity") if action == "AssumeRole" else ""
            if source and (refusal := _source_refused(extract_access_key_id(headers, query), headers, query, params)):
                return iam._error(403, "AccessDenied", refusal, ns="sts")
            token = _key_account.set(role_arn.split(":")[4] if role_arn.count(":") > 4 else "")
            try:
                answer = await original(method, path, headers, body, query)
                tag_truth.remember(action, params, caller, answer)
                session = sts._sessions.get(caller) or {}
                return _with_source(answer, source or session.get("SourceIdentity", ""), action)
            finally:
                _key_account.reset(token)

    sts.handle_request = handle_request


def _source_refused(key: str, headers: dict[str, str], query: dict[str, Any], params: dict[str, Any]) -> str:
    """Why the source identity may not be set; "" when it may. Stock ministack ignores it.

    Source: IAM User Guide, "Monitor and control actions taken with assumed roles": the caller's policies and the role's trust must both allow
    sts:SetSourceIdentity, and one that is set cannot be changed by a role that is assumed next.
    """
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import iam, sts

    source, role_arn = iam._p(params, "SourceIdentity"), iam._p(params, "RoleArn")
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", source, re.ASCII) or source.startswith("aws:"):
        return f"1 validation error detected: Value '{source}' at 'sourceIdentity' failed to satisfy constraint"
    caller = sts._caller_identity(headers, query)
    if isinstance(caller, ev.CredentialResolutionError) or role_arn.count(":") < 5:
        return ""  # the handler says what is wrong
    refusal = f"User: {caller['userArn']} is not authorized to perform: sts:SetSourceIdentity on resource: {role_arn}"
    inherited = (sts._sessions.get(key) or {}).get("SourceIdentity", source)
    if inherited != source or ev.enforce(key, "sts:SetSourceIdentity", "sts", get_region(), resource_arn=role_arn):
        return refusal
    account = role_arn.split(":")[4] or get_account_id()
    role = iam._roles.get_scoped(account, None, role_arn.rsplit("/", 1)[-1]) or {}
    context = ev.EvalContext(
        principal_arn=caller["userArn"], principal_type=caller["principalType"], principal_account=caller["accountId"],
        action="sts:SetSourceIdentity", resource_arn=role_arn, region=get_region(), principal_keys=caller["principalKeys"],
        service_context={"sts:sourceidentity": source, "sts:externalid": iam._p(params, "ExternalId") or None,
                         "sts:rolesessionname": iam._p(params, "RoleSessionName") or None},
    )  # fmt: skip
    return "" if not role or ev.evaluate_trust_policy(role.get("AssumeRolePolicyDocument", "{}"), caller["userArn"], context) else refusal


def _with_source(answer: Any, source: str, action: str) -> Any:
    """The session keeps it, and so does the answer."""
    from ministack.services import sts

    status, headers, body = answer
    made = re.search(rb"<AccessKeyId>(\w+)</AccessKeyId>", body) if action == "AssumeRole" and source and status == 200 else None
    if not made:
        return answer
    sts._sessions[made[1].decode()]["SourceIdentity"] = source
    return status, headers, body.replace(b"</AssumeRoleResult>", f"<SourceIdentity>{source}</SourceIdentity></AssumeRoleResult>".encode())


def _duration_problem(action: str, role_arn: str, seconds: str, caller_session: dict[str, Any] | None) -> str:
    from ministack.services import iam

    if not seconds:
        return ""
    longest = 129600 if action in ("GetSessionToken", "GetFederationToken") else 43200
    if not seconds.isdigit() or not 900 <= int(seconds) <= longest:
        return (
            (
                f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
                f"Member must have value between 900 and {longest}"
            )
            if action != "GetWebIdentityToken"
            else ""
        )
    if action.startswith("AssumeRole") and role_arn.count(":") > 4:
        role = iam._roles.get_scoped(role_arn.split(":")[4], None, role_arn.rsplit("/", 1)[-1]) or {}
        if int(seconds) > role.get("MaxSessionDuration", 43200):
            return "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        if caller_session and caller_session.get("PrincipalType") == "AssumedRole" and int(seconds) > 3600:
            return "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    return ""


# -- AWS-managed policies -----------------------------------------------------------------------------------------


def load_managed_policies() -> int:
    """The documents of all AWS-managed policies, from moto's bundled copy (stock ministack knows a few only)."""
    from ministack.services import iam

    spec = importlib.util.find_spec("moto")
    if spec is None or spec.origin is None:
        raise SystemExit("the bed needs moto for its copy of the AWS-managed policies: pip install --no-deps moto==5.2.5")
    namespace: dict[str, Any] = {}
    source = pathlib.Path(spec.origin).parent / "iam" / "aws_managed_policies.py"
    exec(source.read_text(encoding="utf-8"), namespace)  # noqa: S102 - one assignment; importing moto.iam takes seconds
    for name, policy in json.loads(namespace["aws_managed_policies_data"]).items():
        resource = (policy.get("Path", "/").strip("/") + "/" + name).strip("/")
        record = iam._make_aws_managed_record(resource, json.dumps(policy["Document"]))
        iam._aws_managed_policies[record["Arn"]] = record
    loaded = dict(iam._aws_managed_policies)
    # iam.reset() throws them away and seeds its own few: put ours back instead.
    iam._seed_aws_managed_policies = lambda: iam._aws_managed_policies.update(loaded)
    return len(loaded)

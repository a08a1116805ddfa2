"""What stock ministack's policy simulator leaves out, and S3's expected bucket owner.

Sources, transcribed and not observed: IAM API reference, SimulatePrincipalPolicy (OrganizationsDecisionDetail, PermissionsBoundaryDecisionDetail, one
result for each action and resource, pages of MaxItems); IAM User Guide, "Testing IAM policies with the IAM policy simulator" (service control policies
with conditions are not evaluated); "Verifying bucket ownership with bucket owner condition" (403 for another account's bucket).
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator as ev
from ministack.core.responses import get_account_id, get_region

PAGE = 25  # AWS: up to 100, "and might return fewer"


def install(management: str) -> None:
    """Before ministack's app is imported."""
    from ministack.services import iam, s3

    table = next(
        value
        for value in vars(iam).values()
        if isinstance(value, dict) and "SimulatePrincipalPolicy" in value and callable(value["SimulatePrincipalPolicy"])
    )
    table["SimulatePrincipalPolicy"] = lambda params: _simulate(params, management)
    stock = s3.handle_request

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any], *more: Any, **named: Any
    ) -> Any:
        wanted = next((v for k, v in headers.items() if k.lower() == "x-amz-expected-bucket-owner"), "")
        if wanted:
            bucket, _key = s3._parse_bucket_key(path, headers)
            owner = s3._bucket_owner_account(bucket) if bucket else None
            if owner and owner != wanted:
                return 403, {"Content-Type": "application/xml"}, b"" if method == "HEAD" else b"<Error><Code>AccessDenied</Code></Error>"
        return await stock(method, path, headers, body, query_params, *more, **named)

    s3.handle_request = handle


def _simulate(params: Any, management: str) -> Any:
    from ministack.services import iam

    arn = iam._p(params, "PolicySourceArn")
    kind, _slash, rest = arn.split(":")[5].partition("/")
    account, name = get_account_id(), rest.rpartition("/")[2]
    store = {"user": iam._users, "role": iam._roles}.get(kind)
    if store is None or arn.split(":")[4] != account or not store.get(name):
        return iam._error(404, "NoSuchEntity", f"The {kind} with name {name} cannot be found.", ns="iam")
    actions, resource = iam._extract_simulate_params(params)
    policies = ev._gather_user_policies(name, account) if kind == "user" else ev._gather_role_policies(name, account)
    boundaries = ev._permissions_boundary(store, name, account)
    controls = _controls(arn, account, kind, management)
    first = int(iam._p(params, "Marker") or 0)
    page = actions[first : first + PAGE]
    results = "".join(_result(action, resource, arn, account, policies, boundaries, controls) for action in page)
    truncated = first + PAGE < len(actions)
    tail = f"<IsTruncated>true</IsTruncated><Marker>{first + PAGE}</Marker>" if truncated else "<IsTruncated>false</IsTruncated>"
    return iam._xml(
        200,
        "SimulatePrincipalPolicyResponse",
        f"<SimulatePrincipalPolicyResult><EvaluationResults>{results}</EvaluationResults>{tail}</SimulatePrincipalPolicyResult>",
        ns="iam",
    )


def _controls(arn: str, account: str, kind: str, management: str) -> list[list[list[ev.ParsedStatement]]]:
    """The service control policies, level by level, without their statements that have conditions."""
    from tests.beds import sts_truth

    principal = ev.PrincipalInfo(arn=arn, type="User" if kind == "user" else "Role", account=account, policies=[])
    sts_truth._limit_by_scp(principal, management)
    return [[[s for s in statements if not s.conditions] for statements in level] for level in principal.limits]


def _result(action: str, resource: str, arn: str, account: str, policies: Any, boundaries: Any, controls: Any) -> str:
    context = ev.EvalContext(
        principal_arn=arn, principal_type="User", principal_account=account, action=action, resource_arn=resource, region=get_region(),
        source_ip="127.0.0.1", secure_transport=True,
    )  # fmt: skip

    def decided(*limits: Any) -> str:
        return ev.evaluate(context, policies, *limits).decision

    own, bounded, controlled = decided(), decided(*boundaries), decided(*controls)
    worst = next((d for wanted in ("Deny", "ImplicitDeny") for d in (own, bounded, controlled) if d == wanted), "Allow")
    decision = {"Allow": "allowed", "Deny": "explicitDeny"}.get(worst, "implicitDeny")
    detail = f"<OrganizationsDecisionDetail><AllowedByOrganizations>{str(own != 'Allow' or controlled == 'Allow').lower()}</AllowedByOrganizations></OrganizationsDecisionDetail>"
    if boundaries:
        inside = str(own != "Allow" or bounded == "Allow").lower()
        detail += f"<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>{inside}</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>"
    return (
        f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName><EvalDecision>{decision}</EvalDecision>"
        f"<MatchedStatements></MatchedStatements><MissingContextValues></MissingContextValues>{detail}</member>"
    )

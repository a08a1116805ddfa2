"""Whether a user may write in IAM or become somebody else: by the simulator, by the words of its policies, by roles that trust it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import powers
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from tests.unit.aws.modelled_cloud import ModelledCloud

A = "111122223333"
USER = Principal(A, "user", "app", "AIDA", f"arn:aws:iam::{A}:user/app", "AKIAIOSFODNN7EXAMPLE")
ROLE = f"arn:aws:iam::{A}:role/deploy"
ARN = f"arn:aws:iam::{A}:policy/more"
ONE, SHARED = "inline", "attached"


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", **({"Action": action} if action else {}), "Resource": resource, **more}


def cloud(*statements: Any, where: str = ONE, allowed: Any = None, trust: Any = None, **answers: Any) -> ModelledCloud:
    """``allowed``: {resource: actions} of the simulator."""

    def simulate(sent: dict[str, Any]) -> dict[str, Any]:
        (resource,) = sent["ResourceArns"]
        may = (allowed or {}).get(resource, ())
        return {"EvaluationResults": [{"EvalActionName": a, "EvalDecision": "allowed" if a in may else "implicitDeny",
                                       "MissingContextValues": ["aws:MultiFactorAuthAge"] if f"?{a}" in may else []} for a in sent["ActionNames"]]}  # fmt: skip

    document = {"Version": "2012-10-17", "Statement": list(statements)}
    names: dict[str, Any] = {where: ["p"]} if statements else {}
    text = {"PolicyName": "p", "PolicyDocument": document}
    role = {"Path": "/", "RoleName": "deploy", "RoleId": "AROAIOSFODNN7EXAMPLE", "Arn": ROLE, "CreateDate": "2026-01-01T00:00:00Z",
            "AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow", "Principal": {"AWS": trust}}]} if trust else {}}  # fmt: skip
    group = {
        "Path": "/",
        "GroupName": "g",
        "GroupId": "AGPAIOSFODNN7EXAMPLE",
        "Arn": f"arn:aws:iam::{A}:group/g",
        "CreateDate": "2026-01-01T00:00:00Z",
    }
    attached = {"AttachedPolicies": [{"PolicyName": "more", "PolicyArn": ARN}]}
    plain = _Undecoded(
        SimulatePrincipalPolicy=simulate, ListUserPolicies={"PolicyNames": names.get(ONE, [])}, ListGroupPolicies={"PolicyNames": names.get("group", [])},
        ListAttachedUserPolicies=attached if where == SHARED else {"AttachedPolicies": []}, ListAttachedGroupPolicies={"AttachedPolicies": []},
        ListGroupsForUser={"Groups": [group] if where == "group" else []}, GetUserPolicy={"UserName": "app", **text},
        GetGroupPolicy={"GroupName": "g", **text}, GetPolicy={"Policy": {"DefaultVersionId": "v2"}},
        GetPolicyVersion={"PolicyVersion": {"VersionId": "v2", "Document": document}}, ListRoles={"Roles": [role], "IsTruncated": False},
    )  # fmt: skip
    plain.answers.update(answers)
    return plain


class _Undecoded(ModelledCloud):
    """The model has documents as text; botocore hands them on parsed."""

    def call(self, call: Any, parameters: Any = None) -> dict[str, Any]:
        answer = self.answers.get(call.operation)
        if call.operation in ("GetUserPolicy", "GetGroupPolicy", "GetPolicyVersion", "ListRoles") and isinstance(answer, dict):
            self.calls.append(call)
            return answer
        return super().call(call, parameters)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (cloud(), ""),
        (cloud(allow("sqs:*")), ""),
        (cloud(allow("iam:Get*")), ""),
        (cloud(allow("iam:ChangePassword")), ""),
        (cloud(allowed={"*": ["iam:CreateUser"]}), "its user may iam:CreateUser"),
        (cloud(allow("sts:AssumeRole", ROLE)), ""),  # a boundary, or the organization, takes it back
        (cloud(allow("sts:AssumeRole", ROLE), allowed={ROLE: ["sts:AssumeRole"]}), f"sts:AssumeRole on {ROLE}"),
        (cloud(allow(["sts:*"], [ROLE]), where="group", allowed={ROLE: ["sts:AssumeRole"]}), f"sts:AssumeRole on {ROLE}"),
        (cloud(allow("iam:PassRole", ROLE), where=SHARED, allowed={ROLE: ["iam:PassRole"]}), f"iam:PassRole on {ROLE}"),
        (cloud(allow("iam:UploadSSHPublicKey", ROLE), allowed={ROLE: ["iam:UploadSSHPublicKey"]}), "iam:UploadSSHPublicKey"),
        (cloud(allow("iam:*", ROLE), allowed={ROLE: ["iam:PutRolePolicy"]}), "iam:PutRolePolicy"),
        (cloud(allow(None, ROLE, NotAction="s3:*"), allowed={ROLE: ["sts:AssumeRole"]}), "sts:AssumeRole"),
        (cloud(allow("sts:AssumeRole", ROLE), allowed={ROLE: ["?sts:AssumeRole"]}), "under a condition"),
        (cloud(allow("sts:AssumeRole", [f"{ROLE}{n}" for n in range(30)])), "30 resources"),
        (cloud(trust=USER.arn), f"assume {ROLE}, which trusts it by name"),
        (cloud(trust=f"arn:aws:iam::{A}:root"), ""),  # asks for a policy
        (cloud(SimulatePrincipalPolicy="AccessDenied"), "not known"),
        (cloud(ListGroupsForUser="AccessDenied"), "not known"),
        (cloud(ListRoles="AccessDenied"), "not known"),
    ],
)  # fmt: skip
def test_what_speaks_against_leaving_its_key_alive(given: ModelledCloud, said: str) -> None:
    answer = powers.powerful(USER, Reader({"aws": given}))
    assert said in answer and bool(answer) == bool(said), answer

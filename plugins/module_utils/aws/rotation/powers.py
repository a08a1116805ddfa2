# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a user may write in IAM or become somebody else: its leaked key is then never left alive for a while.

The simulator judges a request, and an Allow of one role is no Allow of ``*``. So the user's own policies are read, and what they name is simulated: within its
boundary and the organization. A role of its account that trusts the user by name asks for no policy.
"""

from __future__ import annotations

import fnmatch
import typing as t
from collections.abc import Iterator, Mapping

from ...common.edits import statements_of
from ...common.errors import CloudError
from ...common.guard import identity
from ...common.plan import Call
from ...common.reader import Reader
from .. import quarantine
from ..principal import Principal

READS = ("iam:GetGroupPolicy", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetUserPolicy", "iam:ListAttachedGroupPolicies", "iam:ListAttachedUserPolicies",
         "iam:ListGroupPolicies", "iam:ListGroupsForUser", "iam:ListRoles", "iam:ListUserPolicies", "iam:SimulatePrincipalPolicy")  # fmt: skip
POWER = ("iam:AttachUserPolicy", "iam:CreateAccessKey", "iam:CreateUser", "iam:PutUserPolicy", "sts:AssumeRole")  # asked on everything
_MORE = (*POWER, "iam:AddUserToGroup", "iam:AttachGroupPolicy", "iam:AttachRolePolicy", "iam:CreateLoginProfile", "iam:CreatePolicyVersion", "iam:CreateRole",
         "iam:DeactivateMFADevice", "iam:DeleteUserPolicy", "iam:DetachUserPolicy", "iam:EnableMFADevice", "iam:PassRole", "iam:PutGroupPolicy",
         "iam:PutRolePolicy", "iam:SetDefaultPolicyVersion", "iam:TagUser", "iam:UpdateAccessKey", "iam:UpdateAssumeRolePolicy",
         "iam:UpdateLoginProfile")  # fmt: skip
_READING = ("get", "list", "generate", "simulate", "changepassword")  # one's own password, with the old one
_MOST = 20  # resources that are asked about


def powerful(user: Principal, reader: Reader) -> str:
    """Why ("" for no), or why that is not known."""
    try:
        said = _allowed(user, POWER, "*", reader) or _by_word(user, reader)
        if said:
            return f"its user may {said}"
        trusting = _trusting(user, reader)
        return f"its user may assume {trusting}, which trusts it by name" if trusting else ""
    except CloudError as error:
        return f"it is not known what it may do ({error.code})"


def _allowed(user: Principal, actions: t.Iterable[str], resource: str, reader: Reader) -> str:
    asked = {"PolicySourceArn": user.arn, "ActionNames": sorted(actions), "ResourceArns": [resource]}
    found = reader.get(Call(user.target, "iam", "SimulatePrincipalPolicy", asked)).get("EvaluationResults", [])
    may = sorted(str(row["EvalActionName"]) for row in found if row.get("EvalDecision") == "allowed")
    doubt = sorted(
        str(row["EvalActionName"]) for row in found if row.get("EvalDecision") == "implicitDeny" and row.get("MissingContextValues")
    )
    if may:
        return ", ".join(may) + ("" if resource == "*" else f" on {resource}")
    return f"{', '.join(doubt)} under a condition" if doubt else ""


def _by_word(user: Principal, reader: Reader) -> str:
    """What statements allow on less than everything."""
    wanted: dict[str, set[str]] = {}
    for statement in _statements(user, reader):
        actions = _powers(statement)
        for resource in _many(statement.get("Resource", "*")) if actions else ():
            wanted.setdefault(str(resource), set()).update(actions)
    if len(wanted) > _MOST:
        return f"write in IAM or assume roles on {len(wanted)} resources, of which {_MOST} would be asked about"
    return next((said for resource, actions in sorted(wanted.items()) if (said := _allowed(user, actions, resource, reader))), "")


def _powers(statement: Mapping[str, t.Any]) -> set[str]:
    """Actions of the statement that count, by names that the simulator knows."""
    if statement.get("Effect") != "Allow":
        return set()
    if "NotAction" in statement:
        no = [str(a).lower() for a in _many(statement["NotAction"])]
        return {a for a in _MORE if not any(fnmatch.fnmatchcase(a.lower(), pattern) for pattern in no)}
    found: set[str] = set()
    for pattern in (str(a) for a in _many(statement.get("Action", []))):
        known = {a for a in _MORE if fnmatch.fnmatchcase(a.lower(), pattern.lower())}
        verb = pattern.lower().removeprefix("iam:")
        writes = verb != pattern.lower() and not verb.startswith(_READING) and not set("*?") & set(verb)
        found |= known or ({pattern} if writes else set())
    return found


def _statements(user: Principal, reader: Reader) -> Iterator[Mapping[str, t.Any]]:
    """Of all its policies: inline, attached, and of its groups."""
    at, who = user.target, {"UserName": user.name}

    def listed(call: Call, key: str) -> list[t.Any]:
        return list(reader.get(call).get(key, []))

    attached = listed(Call(at, "iam", "ListAttachedUserPolicies", who), "AttachedPolicies")
    for name in listed(Call(at, "iam", "ListUserPolicies", who), "PolicyNames"):
        yield from _said(reader.get(Call(at, "iam", "GetUserPolicy", {**who, "PolicyName": name})))
    for group in listed(Call(at, "iam", "ListGroupsForUser", who), "Groups"):
        named = {"GroupName": group["GroupName"]}
        attached += listed(Call(at, "iam", "ListAttachedGroupPolicies", named), "AttachedPolicies")
        for name in listed(Call(at, "iam", "ListGroupPolicies", named), "PolicyNames"):
            yield from _said(reader.get(Call(at, "iam", "GetGroupPolicy", {**named, "PolicyName": name})))
    for arn in sorted({str(policy["PolicyArn"]) for policy in attached}):
        version = reader.get(Call(at, "iam", "GetPolicy", {"PolicyArn": arn}))["Policy"]["DefaultVersionId"]
        found = reader.get(Call(at, "iam", "GetPolicyVersion", {"PolicyArn": arn, "VersionId": version}))["PolicyVersion"]
        yield from _said({"PolicyDocument": found["Document"]})


def _said(answer: Mapping[str, t.Any]) -> list[Mapping[str, t.Any]]:
    return list(statements_of(answer["PolicyDocument"]))


def _trusting(user: Principal, reader: Reader) -> str:
    """The first role of the account whose trust policy names the user."""
    roles = reader.get(Call(user.target, "iam", "ListRoles", {})).get("Roles", [])
    mine = identity(user.arn)
    return next((str(role["Arn"]) for role in roles if mine in {identity(arn) for arn in quarantine.trusted_by(role)["AWS"]}), "")


def _many(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else [value]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the organization stands above an account: read, never changed. Shared by the checks; not one itself."""

from __future__ import annotations

import json
import typing as t

from ...common.plan import Call
from .. import organization, standing_fence
from ..organization import SCP, TARGET
from ..service_control import listed
from .kind import Look

READS = ("organizations:DescribeOrganization", "organizations:DescribePolicy", "organizations:ListParents", "organizations:ListPoliciesForTarget",
         "organizations:ListRoots")  # fmt: skip
_SID = "EvictStanding"


def about(look: Look) -> dict[str, t.Any]:
    """The organization. Raises ``EvictError``."""
    found: dict[str, t.Any] = organization._ask(look.reader, Call(TARGET, "organizations", "DescribeOrganization", {}))["Organization"]
    return found


def exempt_by_aws(look: Look) -> bool:
    """Whether the account is the management account, which no control policy binds."""
    return bool(about(look).get("MasterAccountId") == look.account)


def enabled(look: Look) -> set[str]:
    """Policy types that are enabled at the root."""
    roots = organization._ask(look.reader, Call(TARGET, "organizations", "ListRoots", {})).get("Roots", [])
    return {str(p.get("Type")) for r in roots for p in r.get("PolicyTypes", []) if p.get("Status") == "ENABLED"}


def attached(look: Look, target: str, form: organization.Form = SCP) -> list[dict[str, t.Any]]:
    """The policies on one account, unit or root: [{Id, Name, …}]."""
    call = Call(TARGET, "organizations", "ListPoliciesForTarget", {"TargetId": target, **form.filter})
    return list(organization._ask(look.reader, call).get("Policies", []))


def document(look: Look, policy: str) -> t.Any:
    """What a policy says."""
    return organization._ask(look.reader, Call(TARGET, "organizations", "DescribePolicy", {"PolicyId": policy}))["Policy"]["Content"]


def path(look: Look) -> list[str]:
    """The account, its units and the root, from below."""
    found = [look.account]
    while not found[-1].startswith("r-") and len(found) < 10:  # five levels of units are the most
        parents = organization._ask(look.reader, Call(TARGET, "organizations", "ListParents", {"ChildId": found[-1]})).get("Parents", [])
        if not parents:
            break
        found.append(str(parents[0]["Id"]))
    return found


def standing(look: Look) -> list[tuple[str, list[str], list[str]]]:
    """The standing fences that hold the account: (name, whom it exempts, which of its statements it lacks)."""
    found = []
    seen: set[str] = set()
    for target in path(look):
        for policy in attached(look, target):
            if policy.get("AwsManaged") or policy["Id"] in seen:
                continue
            seen.add(policy["Id"])
            statements = _statements(document(look, policy["Id"]))
            if any(map(_waits, statements)):
                exempt = sorted({arn for s in statements for arn in _exempt(s) if str(s.get("Sid", "")).startswith(_SID)})
                model = standing_fence.document(exempt or ["arn:aws:iam::*:role/nobody"], look.aws.partition)["Statement"]
                there = [_meaning(s) for s in statements]
                found.append((str(policy["Name"]), exempt, sorted(str(s["Sid"]) for s in model if _meaning(s) not in there)))
    return found


def _statements(content: t.Any) -> list[dict[str, t.Any]]:
    found = content.get("Statement", []) if isinstance(content, dict) else []
    return [s for s in ([found] if isinstance(found, dict) else found) if isinstance(s, dict)]


def _meaning(statement: t.Mapping[str, t.Any]) -> str:
    """A statement in one spelling: lists in order, one or many alike, without its Sid."""

    def plain(value: t.Any) -> t.Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k != "Sid"}
        return sorted(map(str, value)) if isinstance(value, list) else [str(value)]

    return json.dumps(
        {k: plain(v) for k, v in statement.items() if k not in ("Sid", "Effect")} | {"Effect": statement.get("Effect")}, sort_keys=True
    )


def _waits(statement: t.Mapping[str, t.Any]) -> bool:
    """Whether it denies everything to whatever carries the tag, and nothing narrower."""
    condition = statement.get("Condition") or {}
    tagged = {"Null": {f"aws:PrincipalTag/{standing_fence.TAG}": "false"}}
    everything = listed(statement.get("Action", [])) == ["*"] and listed(statement.get("Resource", [])) == ["*"]
    return statement.get("Effect") == "Deny" and everything and condition == tagged


def _exempt(statement: t.Mapping[str, t.Any]) -> list[str]:
    return [str(arn) for arn in listed(((statement.get("Condition") or {}).get("ArnNotLike") or {}).get("aws:PrincipalArn", []))]


def matches(pattern: str, arn: str) -> bool:
    """Whether an exempt ARN, in which ``*`` may stand for the account, is this one."""
    return pattern == arn or (":iam::*:" in pattern and pattern.split(":iam::*:", 1)[1] == arn.split(":", 5)[-1])

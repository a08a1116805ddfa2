# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS's policy simulator says that an identity may do.

It judges the identity's policies and its boundary, and says whether the organization's service control policies allow the action. It does not look at
service control policies with conditions, resource control policies, and resource policies: an "allowed" is no proof, a denial is one.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ...common.errors import CloudError, EvictError
from ...common.plan import Call, Target
from .kind import Look

READS = ("iam:SimulatePrincipalPolicy",)
CHUNK = 40  # actions in one request
ALLOWED = "allowed"


class Verdict(t.NamedTuple):
    """Of one action: ``decision`` as AWS says it, and who is to blame in words ("" when allowed)."""

    action: str
    decision: str
    by: str


def denied(look: Look, arn: str, wanted: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[Verdict, str]]:
    """Of a list of actions.py what ``arn`` may not do, with what it is for. Raises ``EvictError``."""
    account = arn.split(":")[4]
    for resource, why in wanted.items():
        named = resource.replace("{partition}", look.aws.partition).replace("{region}", look.aws.region).replace("{account}", account)
        yield from ((verdict, why[verdict.action]) for verdict in simulate(look, arn, why, named) if verdict.by)


def simulate(look: Look, arn: str, actions: Iterable[str], resource: str = "*") -> list[Verdict]:
    """One verdict for each action, all pages. Raises ``EvictError``, also when AWS leaves an action out."""
    wanted = list(dict.fromkeys(actions))
    target = Target("aws", arn.split(":")[4])
    found: dict[str, Verdict] = {}
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        parameters: dict[str, t.Any] = {"PolicySourceArn": arn, "ActionNames": chunk}
        if resource != "*":
            parameters["ResourceArns"] = [resource]
        try:
            answer = look.ask(Call(target, "iam", "SimulatePrincipalPolicy", parameters))
        except CloudError as error:
            if error.code not in ("InvalidInput", "ValidationError") or len(wanted) == 1:
                raise
            for action in chunk:  # one action that the simulator of this partition does not know must not hide the others
                found |= {v.action: v for v in simulate(look, arn, [action], resource)}
            continue
        found |= {v.action: v for v in map(_verdict, answer.get("EvaluationResults", []))}
    if gone := [action for action in wanted if action not in found]:
        raise EvictError(f"the policy simulator said nothing of {', '.join(gone[:5])}", object=arn, operation="iam:SimulatePrincipalPolicy")
    return [found[action] for action in wanted]


def _verdict(result: t.Mapping[str, t.Any]) -> Verdict:
    action, decision = str(result.get("EvalActionName")), str(result.get("EvalDecision"))
    organization = (result.get("OrganizationsDecisionDetail") or {}).get("AllowedByOrganizations")
    boundary = (result.get("PermissionsBoundaryDecisionDetail") or {}).get("AllowedByPermissionsBoundary")
    if organization is False:
        return Verdict(action, decision if decision != ALLOWED else "explicitDeny", "a policy of the organization denies it")
    if boundary is False:
        return Verdict(action, decision if decision != ALLOWED else "implicitDeny", "its permissions boundary does not allow it")
    if decision == ALLOWED:
        return Verdict(action, decision, "")
    return Verdict(action, decision, "a policy denies it" if decision == "explicitDeny" else "no policy allows it")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the fence above an account does not bind: those who respond to the incident, and what it protects, as exact ARNs."""

from __future__ import annotations

import re
import typing as t

from ..common.errors import EvictError
from ..common.guard import kind_of
from ..common.plan import Call, Target
from .service_control import Exempt
from .session import Aws

if t.TYPE_CHECKING:
    from ..common.case import Case

_WILD = re.compile(r"[*?$]")  # exact ARNs only: a wildcard or a variable might match what an attacker makes


def exempt(aws: Aws, case: Case, account: str) -> Exempt:
    """Who may go on working on the contained identities of ``account``: the responder of this run and of earlier ones, and what the incident protects.

    Only ARNs of that account: the policy judges its own principals, and nobody elsewhere can write to its IAM.
    """
    incident = case.incident
    named = [aws.responder_arn(account), aws.caller["arn"], *incident.protected]
    arns = {found for arn in named if arn.split(":")[4] == account for found in exact(aws, arn) if not _WILD.search(arn)}
    arns |= {arn for note in case.notes("responder") if note["data"]["account"] == account for arn in note["data"]["arns"]}
    declared = [*incident.trusted.principals, *incident.automations, *named]
    return Exempt(tuple(sorted(arns)), tuple(sorted({a for a in declared if f":sts::{account}:federated-user/" in a})))


def declared(aws: Aws, incident: t.Any, account: str) -> tuple[str, ...]:
    """Trusted principals and automations of ``account``, as ``aws:PrincipalArn`` has them: of a role's session, the role."""
    named = {arn for arn in (*incident.trusted.principals, *incident.automations) if arn.split(":")[4] == account}
    return tuple(sorted({found for arn in named for found in exact(aws, arn)}))


def exact(aws: Aws, arn: str) -> list[str]:
    """``aws:PrincipalArn`` of what ``arn`` says: of a role session it is the role's ARN with its path, which only IAM knows."""
    if kind_of(arn) != "assumed-role":
        return [arn]
    _head, name, *_session = arn.split("/")
    partition, account = arn.split(":")[1], arn.split(":")[4]
    own = f"arn:{partition}:iam::{account}:role"
    try:
        return [str(aws.call(Call(Target("aws", account), "iam", "GetRole", {"RoleName": name}))["Role"]["Arn"])]
    except EvictError:
        if name.startswith("AWSReservedSSO_"):  # nobody but AWS makes roles under this path
            return [f"{own}/aws-reserved/sso.amazonaws.com/{name}", f"{own}/aws-reserved/sso.amazonaws.com/*/{name}"]
        return [f"{own}/{name}", f"{own}/*/{name}"]  # its path is not known; a name is given once in an account, and both are protected


def note_responder(aws: Aws, case: Case, account: str) -> None:
    """So that a colleague's later run, or a release by somebody else, does not take the exemption from who worked first."""
    own = {arn for arn in (aws.responder_arn(account), aws.caller["arn"]) if arn.split(":")[4] == account}
    data = {"account": account, "arns": sorted({found for arn in own for found in exact(aws, arn)})}
    if not case.check and data["arns"] and data not in [n["data"] for n in case.notes("responder")]:
        case.note("responder", data)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the fence above an account does not bind: those who respond to the incident, and what it protects, as exact ARNs."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import typing as t
from collections.abc import Iterable

from ..common.errors import EvictError
from ..common.guard import identity, kind_of
from ..common.plan import Call, Target
from ..common.reader import Reader
from .service_control import JOINING, Exempt
from .session import Aws

READS = ("iam:GetRole", "iam:GetUser", "iam:ListAttachedGroupPolicies", "iam:ListAttachedRolePolicies", "iam:ListAttachedUserPolicies",
         "iam:ListGroupsForUser")  # fmt: skip

if t.TYPE_CHECKING:
    from ..common.case import Case

NOTE = "responder"  # {"account", "arns", "policies"}: who works in an account for this case
Noted = dict[str, t.Any]
_WILD = re.compile(r"[*?$]")  # exact ARNs only: a wildcard or a variable might match what an attacker makes


def exempt(aws: Aws, case: Case, account: str, noted: Iterable[Noted] | None = None) -> Exempt:
    """Who may go on working on the contained identities of ``account``: the responder of this run and of others (``noted``: what those have noted of
    themselves; if left out, all that the ledger had when it was opened), and what the incident protects. Of the others nobody who is in wrong hands by now.

    Only ARNs of that account: the policy judges its own principals, and nobody elsewhere can write to its IAM. The role that writes the policy is among them
    where it is the account's, which then administers the organization's policies.
    """
    incident = case.incident
    named = [aws.responder_arn(account), aws.caller["arn"], aws.management_arn]
    others = case.notes(NOTE) if noted is None else noted
    lost = case.compromised()[1]
    beside = {arn for note in others if note["data"]["account"] == account for arn in note["data"]["arns"] if identity(arn) not in lost}
    own = _of(aws, account, named) | beside
    arns = own | _of(aws, account, incident.protected)
    declared = [*incident.trusted.principals, *incident.automations, *named, *incident.protected]
    federated = sorted({a for a in declared if f":sts::{account}:federated-user/" in a})
    return Exempt(tuple(sorted(arns)), tuple(federated), responders=tuple(sorted(own)))


def _of(aws: Aws, account: str, named: Iterable[str]) -> set[str]:
    return {found for arn in named if arn.split(":")[4] == account for found in exact(aws, arn) if not _WILD.search(arn)}


def protecting(aws: Aws, case: Case, account: str, reader: Reader, noted: Iterable[Noted] | None = None) -> Exempt:
    """``exempt``, with the managed policies that are attached to the responder's own role or user, or are its boundary, and the groups of users.

    With another version of one, whoever may write in IAM would cut it off without touching it. Those of earlier responders of the case too.
    ``reader``: so that ``note_responder`` asks for nothing twice.
    """
    found = {arn for own in _own(aws, account) for arn in _standing_on(case, own, reader)}
    others = list(case.notes(NOTE) if noted is None else noted)
    found |= {arn for note in others if note["data"]["account"] == account for arn in note["data"].get("policies", ())}
    base = exempt(aws, case, account, others)
    return dataclasses.replace(base, policies=tuple(sorted(found.union(*_groups(case, base, reader)))))


def _own(aws: Aws, account: str) -> list[str]:
    named = {arn for arn in (aws.responder_arn(account), aws.caller["arn"], aws.management_arn) if arn.split(":")[4] == account}
    return sorted({found for arn in named for found in exact(aws, arn) if "*" not in found})


def _standing_on(case: Case, own: str, reader: Reader) -> list[str]:
    """ARNs of the account's own managed policies of one role or user; those of AWS nobody changes. What cannot be read is said, and not protected."""
    kind, name, target = kind_of(own), own.rsplit("/", 1)[-1], Target("aws", own.split(":")[4])
    if kind not in ("role", "user"):
        return []
    listed, shown = (
        (Call(target, "iam", "ListAttachedRolePolicies", {"RoleName": name}), Call(target, "iam", "GetRole", {"RoleName": name}))
        if kind == "role"
        else (Call(target, "iam", "ListAttachedUserPolicies", {"UserName": name}), Call(target, "iam", "GetUser", {"UserName": name}))
    )
    try:
        arns = [p["PolicyArn"] for p in reader.get(listed).get("AttachedPolicies", [])]
        arns.append(str((reader.get(shown)[kind.capitalize()].get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn") or ""))
    except EvictError as error:
        _unread(case, f"managed policies of {own}", error)
        return []
    return [arn for arn in arns if arn and arn.split(":")[4] == target.account]


def _groups(case: Case, found: Exempt, reader: Reader) -> list[list[str]]:
    """Of each user among the exempt what cuts it off without touching it: a group that denies, to which it is added, its groups, and their policies."""
    users = [arn for arn in found.arns if kind_of(arn) == "user"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda user: _groups_of(case, user, reader), users))


def _groups_of(case: Case, user: str, reader: Reader) -> list[str]:
    name, target = user.rsplit("/", 1)[-1], Target("aws", user.split(":")[4])
    found = [user.partition(":user/")[0] + JOINING]
    try:
        for group in reader.get(Call(target, "iam", "ListGroupsForUser", {"UserName": name})).get("Groups", []):
            found.append(group["Arn"])
            listed = reader.get(Call(target, "iam", "ListAttachedGroupPolicies", {"GroupName": group["GroupName"]}))
            found += [p["PolicyArn"] for p in listed.get("AttachedPolicies", []) if p["PolicyArn"].split(":")[4] == target.account]
    except EvictError as error:
        if getattr(error, "code", "") != "NoSuchEntity":  # nobody can make it either
            _unread(case, f"groups of {user}", error)
    return found


def _unread(case: Case, what: str, error: EvictError) -> None:
    text = f"the {what} could not be read, so the fence above the account does not keep others from changing them: {error.message}"
    if text not in case.warnings:
        case.warnings.append(text)


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


def note_responder(aws: Aws, case: Case, account: str, reader: Reader) -> None:
    """So that a colleague's later run, or a release by somebody else, does not take the exemption from who worked first."""
    named = {arn for arn in (aws.responder_arn(account), aws.caller["arn"], aws.management_arn) if arn.split(":")[4] == account}
    policies = sorted({arn for own in _own(aws, account) for arn in _standing_on(case, own, reader)})
    data = {"account": account, "arns": sorted({found for arn in named for found in exact(aws, arn)})} | (
        {"policies": policies} if policies else {}
    )
    if not case.check and data["arns"] and data not in [n["data"] for n in case.notes(NOTE)]:
        case.note(NOTE, data)

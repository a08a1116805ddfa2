# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a suspect, as it was reported, to the principal in AWS that it stands for."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..common.errors import CloudError, EvictError
from ..common.guard import session_arn
from ..common.plan import Call, Target
from ..common.reader import Reader
from ..common.suspect import Suspect
from . import accounts, events, identity_center, principal
from .credentials import service_specific_credential
from .principal import Principal, role, user
from .session import Aws

READS = (*accounts.READS, *principal.READS, "iam:GetAccessKeyLastUsed", "iam:GetInstanceProfile",
         "ec2:DescribeInstances", "organizations:DescribeAccount", *events.READS)  # fmt: skip
_SEARCH_SECONDS = 20.0
_ABSENT = ("NoSuchEntity", "NoSuchEntityException")


def resolve(aws: Aws, suspect: Suspect) -> Principal:
    """The principal that ``suspect`` is. Raises ``EvictError`` that says what to pass instead, with the candidates when there are several."""
    finder = _FINDERS.get(suspect.kind)
    if finder is None:
        raise EvictError(
            f"{suspect.value}: this release cannot look up a suspect of kind {suspect.kind!r} in AWS",
            object=suspect.value,
            operation="resolve",
        )
    found = finder(aws, suspect)
    shared = found.kind == "role" and found.name.startswith(identity_center.PREFIX)
    return _person_of(aws, found) if shared and len(found.sessions) == 1 else found


def _person_of(aws: Aws, role: Principal) -> Principal:
    """Of the session of a role that is shared, whose it is. Who cannot be found is known by that name only."""
    (name,) = role.sessions
    try:
        who = identity_center.person(aws, name, hint=identity_center.region_in(str(role.facts.get("Path"))), account=role.account)
    except EvictError as error:
        known = Principal(role.account, identity_center.KIND, name, "", session_arn(role.arn, name),
                          role.suspect, {"person": identity_center.Person(None, "", name), "account": role.account, "why": error})  # fmt: skip
    else:
        known = _person(aws, who, role.account, role.suspect)
    return dataclasses.replace(known, compromised=role.compromised, sessions=role.sessions, discovered=role.discovered)


def _person(aws: Aws, who: identity_center.Person, account: str, suspect: str) -> Principal:
    """``account``: in which a session was seen, "" for none."""
    owner = account or (who.instance.owner if who.instance else "")
    return Principal(owner, identity_center.KIND, who.name, who.id, who.arn(aws.partition), suspect, {"person": who, "account": account})


def _identity_center_user(aws: Aws, suspect: Suspect) -> Principal:
    return _person(aws, identity_center.person(aws, suspect.value, account=suspect.account), suspect.account, suspect.value)


def _account_of_key(aws: Aws, suspect: Suspect) -> str:
    found = accounts.of_key(aws, suspect.value)
    if suspect.account and found != suspect.account:
        raise EvictError(
            f"{suspect.value} belongs to account {found}, not to {suspect.account}", object=suspect.value, operation="resolve",
            remedy="correct the account in the incident file, or leave it out",
        )  # fmt: skip
    try:
        aws.client(Target("aws", found), "iam")
    except EvictError:
        _must_be_ours(aws, found, suspect.value)
        raise
    return found


def _must_be_ours(aws: Aws, account: str, what: str) -> None:
    """Raises when the organization says that ``account`` is not in it; an organization that cannot be read says nothing."""
    try:
        aws.call(Call(Target("aws", ""), "organizations", "DescribeAccount", {"AccountId": account}))
    except EvictError as error:
        if getattr(error, "code", "") == "AccountNotFoundException":
            raise EvictError(
                f"{what} belongs to account {account}, which is not in your organization", object=what, operation="resolve",
                remedy="it is somebody else's key: tell its owner or AWS Trust & Safety; if the account is yours, give connection.aws.role_arn for it",
            ) from error  # fmt: skip


def _key(aws: Aws, suspect: Suspect) -> Principal:
    account = suspect.account or _account_of_key(aws, suspect)
    try:
        answer = aws.call(Call(Target("aws", account), "iam", "GetAccessKeyLastUsed", {"AccessKeyId": suspect.value}))
    except CloudError as error:
        if error.code not in ("AccessDenied", *_ABSENT):
            raise
        raise EvictError(
            f"access key {suspect.value} is not known in account {account} ({error.code})", object=suspect.value, operation=error.operation,
            remedy="check the id; of a deleted key name the user instead (arn: arn:aws:iam::ACCOUNT:user/NAME); AWS answers the same when the"
            f" responder ({aws.responder_arn(account)}) may not call iam:GetAccessKeyLastUsed",
        ) from error  # fmt: skip
    name = answer.get("UserName")
    if not name or name == "<root_account>":
        arn = f"arn:{aws.partition}:iam::{account}:root"
        return Principal(account, "root", "root", account, arn, suspect.value, compromised={suspect.value})
    found = user(aws, account, name, suspect.value)
    found.compromised.add(suspect.value)
    last = answer.get("AccessKeyLastUsed", {})
    if last.get("LastUsedDate"):
        found.used = f"last used {last['LastUsedDate']} on {last.get('ServiceName')} in {last.get('Region')}"
    return found


def _service_credential(aws: Aws, suspect: Suspect) -> Principal:
    """Of the id, or of the public half, of a service-specific credential: the user who holds it. All of a phantom user is compromised."""
    account, name, _at, _account = suspect.account or aws.caller["account"], *suspect.value.rpartition("-at-")
    names = [re.sub(r"\+\d+$", "", name), name] if name else [service_specific_credential.owner(aws, account, suspect.value)]
    found = next((p for n in dict.fromkeys(names) if n for p in _try(user, aws, account, n, suspect.value)), None)
    if found is None:
        raise EvictError(
            f"service-specific credential {suspect.value} is not known in account {account}", object=suspect.value,
            operation="iam:ListServiceSpecificCredentials", remedy="check the id and give the account; of a deleted one name the user instead",
        )  # fmt: skip
    found.whole = bool(found.phantom)
    try:
        held = service_specific_credential.held(found, Reader({"aws": aws}))
    except CloudError:
        return found  # containment itself says of which kind nothing is known
    named = {c["id"] for c in held if suspect.value in (c["id"], c["alias"])}
    found.compromised.update(named or (c["id"] for c in held))  # where it cannot be told which one it is, none is given back unasked
    return found


def _session_key(aws: Aws, suspect: Suspect) -> Principal:
    account = suspect.account or _account_of_key(aws, suspect)
    found, gaps = events.everywhere(aws, account, "AccessKeyId", suspect.value, seconds=_SEARCH_SECONDS, most=50)
    for event in reversed(found):
        issuer = from_identity(aws, account, event.get("userIdentity", {}), suspect.value)
        if issuer:
            issuer.compromised.add(suspect.value)
            return issuer
    unread = f" (could not read: {'; '.join(gaps)})" if gaps else ""
    raise EvictError(
        f"session key {suspect.value} does not appear in CloudTrail's history of account {account}{unread}", object=suspect.value,
        operation="cloudtrail:LookupEvents",
        remedy="pass the role or user that issued the session: arn:aws:iam::ACCOUNT:role/NAME; history may be 15 minutes late",
    )  # fmt: skip


def from_identity(aws: Aws, account: str, identity: dict[str, t.Any], suspect: str) -> Principal | None:
    """The principal behind a CloudTrail ``userIdentity``; None for services and what has no issuer."""
    issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
    owner = str(identity.get("accountId") or account)
    if issuer.get("type") == "Role" and issuer.get("arn"):
        found = role(aws, str(issuer.get("accountId") or owner), str(issuer["arn"]).rsplit("/", 1)[-1], suspect)
        found.sessions.add(str(identity.get("principalId", "")).partition(":")[2])
        return found
    name = (
        issuer.get("userName") if issuer.get("type") == "IAMUser" else identity.get("userName") if identity.get("type") == "IAMUser" else ""
    )
    if name:
        return user(aws, owner, str(name), suspect)
    if identity.get("type") == "Root" or issuer.get("type") == "Root":
        return Principal(owner, "root", "root", owner, f"arn:{aws.partition}:iam::{owner}:root", suspect)
    return None


def _arn(aws: Aws, suspect: Suspect) -> Principal:
    name = suspect.value.rsplit("/", 1)[-1]
    account = suspect.value.split(":")[4]
    finder = user if suspect.kind == "user_arn" else role
    try:
        found = finder(aws, account, name, suspect.value)
    except CloudError as error:
        if error.code in _ABSENT:
            raise EvictError(
                f"{suspect.value} does not exist", object=suspect.value, operation=error.operation, remedy="check the ARN"
            ) from error
        raise
    if found.arn != suspect.value:
        raise EvictError(
            f"{suspect.value} does not exist; {found.arn} does", object=suspect.value, operation="resolve", remedy=f"pass {found.arn}"
        )
    found.whole = True
    return found


def _assumed_role(aws: Aws, suspect: Suspect) -> Principal:
    _head, name, session = suspect.value.split("/", 2)
    found = role(aws, suspect.value.split(":")[4], name, suspect.value)
    found.sessions.add(session)
    return found


def _federated(aws: Aws, suspect: Suspect) -> Principal:
    account, name = suspect.value.split(":")[4], suspect.value.rsplit("/", 1)[-1]
    found, gaps = events.everywhere(aws, account, "EventName", "GetFederationToken", seconds=_SEARCH_SECONDS)
    users = {
        str(e["userIdentity"].get("userName")) for e in found
        if (e.get("requestParameters") or {}).get("name") == name and e.get("userIdentity", {}).get("type") == "IAMUser"
    }  # fmt: skip
    if len(users) == 1:
        return user(aws, account, users.pop(), suspect.value)
    unread = f" (could not read: {'; '.join(gaps)})" if gaps else ""
    raise EvictError(
        f"{suspect.value}: CloudTrail's history names {len(users) or 'no'} user(s) that made such a session{unread}", object=suspect.value,
        operation="cloudtrail:LookupEvents", remedy=_one_of(f"arn:{aws.partition}:iam::{account}:user/{u}" for u in sorted(users)),
    )  # fmt: skip


def _one_of(candidates: t.Iterable[str]) -> str:
    listed = list(candidates)
    return (
        f"pass one of: {', '.join(listed)}"
        if listed
        else "pass the IAM user that called GetFederationToken: arn:aws:iam::ACCOUNT:user/NAME"
    )


def _try(finder: t.Callable[..., Principal], aws: Aws, account: str, name: str, suspect: str) -> list[Principal]:
    if not re.fullmatch(r"[\w+=,.@-]{1,128}", name):
        return []
    try:
        return [finder(aws, account, name, suspect)]
    except CloudError as error:
        if error.code in _ABSENT:
            return []
        raise


def _name(aws: Aws, suspect: Suspect) -> Principal:
    account = suspect.account or aws.caller["account"]
    return _single(
        suspect, account, _try(user, aws, account, suspect.value, suspect.value) + _try(role, aws, account, suspect.value, suspect.value)
    )


def _email(aws: Aws, suspect: Suspect) -> Principal:
    """An IAM user of that name, the role sessions that carry the address as their name (federation), or a user of Identity Center."""
    account = suspect.account or aws.caller["account"]
    found = {p.arn: p for p in _try(user, aws, account, suspect.value, suspect.value)}
    if not found:
        seen, _gaps = events.everywhere(aws, account, "Username", suspect.value, seconds=_SEARCH_SECONDS)
        for identity in {
            str(e.get("userIdentity", {}).get("sessionContext", {}).get("sessionIssuer", {}).get("arn")): e["userIdentity"] for e in seen
        }.values():
            if issuer := from_identity(aws, account, identity, suspect.value):
                found[issuer.arn] = issuer
    if not found:
        try:
            who = identity_center.person(aws, suspect.value, account=account)
            found = {p.arn: p for p in (_person(aws, who, "", suspect.value),)}
        except EvictError:
            pass  # there may be no Identity Center at all: what is said below is of the account
    return _single(suspect, account, list(found.values()))


def _instance(aws: Aws, suspect: Suspect) -> Principal:
    account = suspect.account or aws.caller["account"]
    found: list[Principal] = []
    gone = True
    for region in events.regions(aws, account):
        target = Target("aws", account, region)
        try:
            answer = aws.call(Call(target, "ec2", "DescribeInstances", {"InstanceIds": [suspect.value]}))
        except CloudError as error:
            if error.code == "InvalidInstanceID.NotFound":
                continue
            raise
        for instance in (i for r in answer.get("Reservations", []) for i in r["Instances"]):
            profile = instance.get("IamInstanceProfile", {}).get("Arn", "").rsplit("/", 1)[-1]
            if instance.get("State", {}).get("Name") in ("terminated", "shutting-down"):
                continue
            gone = False
            if not profile:
                raise EvictError(
                    f"instance {suspect.value} ({region}) has no role",
                    object=suspect.value,
                    operation="resolve",
                    remedy="isolate the instance",
                )
            answer = aws.call(Call(target, "iam", "GetInstanceProfile", {"InstanceProfileName": profile}))
            for entry in answer["InstanceProfile"]["Roles"]:
                principal = role(aws, account, entry["RoleName"], suspect.value)
                principal.sessions.add(suspect.value)
                found.append(principal)
    if gone:
        found, gaps = _sessions_of(aws, account, suspect)
        if not found:
            unread = f" (could not read: {'; '.join(gaps)})" if gaps else ""
            raise EvictError(
                f"instance {suspect.value} is gone from account {account}, and CloudTrail's history names no session of it{unread}", object=suspect.value,
                operation="resolve", remedy="name the role that it had: arn:aws:iam::ACCOUNT:role/NAME; its sessions may outlive it by six hours",
            )  # fmt: skip
    return _single(suspect, account, found)


def _sessions_of(aws: Aws, account: str, suspect: Suspect) -> tuple[list[Principal], list[str]]:
    """(the roles under which something was done in the name of an instance, what could not be read)."""
    seen, gaps = events.everywhere(aws, account, "Username", suspect.value, seconds=_SEARCH_SECONDS, most=50)
    found: dict[str, Principal] = {}
    for event in seen:
        who = event.get("userIdentity", {})
        if ":assumed-role/" in str(who.get("arn")) and (issuer := from_identity(aws, account, who, suspect.value)):
            found[issuer.arn] = issuer
    return list(found.values()), gaps


def _single(suspect: Suspect, account: str, found: list[Principal]) -> Principal:
    if len(found) == 1:
        return found[0]
    if not found:
        raise EvictError(
            f"{suspect.value}: nothing of that name in account {account}", object=suspect.value, operation="resolve",
            remedy="give the account, or pass an access key id or an ARN",
        )  # fmt: skip
    raise EvictError(
        f"{suspect.value} may be any of {', '.join(p.arn for p in found)}; nothing was changed", object=suspect.value, operation="resolve",
        remedy=f"pass one of: {', '.join(p.arn for p in found)}",
    )  # fmt: skip


def _root(_aws: Aws, suspect: Suspect) -> Principal:
    account = suspect.value.split(":")[4]
    return Principal(account, "root", "root", account, suspect.value, suspect.value)


_FINDERS: dict[str, t.Callable[[Aws, t.Any], Principal]] = {
    "access_key": _key,
    "session_key": _session_key,
    "user_arn": _arn,
    "role_arn": _arn,
    "assumed_role_arn": _assumed_role,
    "federated_user_arn": _federated,
    "root": _root,
    "name": _name,
    "email": _email,
    "service_credential": _service_credential,
    "instance": _instance,
    "identity_center_user": _identity_center_user,
}

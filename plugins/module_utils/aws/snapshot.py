# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a principal was when the response found it: the documents of ``aws_principal_info``, and the evidence of ``aws_contain``."""

from __future__ import annotations

import contextlib
import hashlib
import json
import typing as t
from collections.abc import Callable, Iterable, Iterator

from ..common.chain import Job
from ..common.errors import EvictError
from ..common.plan import Call, Phase, Probe, Target
from ..common.reader import Reader
from . import credentials
from .credentials import server_certificate
from .principal import Principal

if t.TYPE_CHECKING:
    from ..common.case import Case

READS = ("iam:ListUserPolicies", "iam:GetUserPolicy", "iam:ListAttachedUserPolicies", "iam:ListGroupsForUser",
         "iam:ListRolePolicies", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
         "iam:GetAccessKeyLastUsed", *server_certificate.READS, *(read for kind in credentials.KINDS.values() for read in kind.READS))  # fmt: skip
# Reads only, after the principal's fence and before its credentials.
_AHEAD, _KEEP = t.cast(Phase, int(Phase.FENCE) + 3), t.cast(Phase, int(Phase.FENCE) + 5)
_LISTS = {
    "user": {"attached_policies": ("ListAttachedUserPolicies", "AttachedPolicies"), "groups": ("ListGroupsForUser", "Groups")},
    "role": {"attached_policies": ("ListAttachedRolePolicies", "AttachedPolicies"),
             "instance_profiles": ("ListInstanceProfilesForRole", "InstanceProfiles")},
}  # fmt: skip


def _or_unknown(read: t.Callable[[], t.Any]) -> t.Any:
    """The value, or {"unknown": reason}: a read that failed is never shown as empty."""
    try:
        return read()
    except EvictError as error:
        return {"unknown": error.message}


def list_inline(principal: Principal, reader: Reader) -> list[str]:
    """Names of its inline policies; from now on known of the principal, so that nothing asks for one that is not there."""
    noun = principal.kind.capitalize()
    names = reader.get(Call(principal.target, "iam", f"List{noun}Policies", {f"{noun}Name": principal.name})).get("PolicyNames", [])
    principal.inline = set(names)
    return list(names)


def _inline(principal: Principal, reader: Reader) -> dict[str, t.Any]:
    noun = principal.kind.capitalize()
    name = {f"{noun}Name": principal.name}
    names = list_inline(principal, reader)

    def document(policy: str) -> t.Any:
        return reader.read(Probe(Call(principal.target, "iam", f"Get{noun}Policy", {**name, "PolicyName": policy}), ("PolicyDocument",)))

    return {policy: _or_unknown(lambda policy=policy: document(policy)) for policy in names}  # type: ignore[misc]


def take(
    principal: Principal, reader: Reader, *, last_used: bool = False, kinds: t.Iterable[str] = tuple(credentials.KINDS)
) -> dict[str, t.Any]:
    """All that IAM tells of a user or role; each part is its value or {"unknown": reason}. ``last_used`` costs a call per access key."""
    noun = principal.kind.capitalize()
    name = {f"{noun}Name": principal.name}
    found: dict[str, t.Any] = {"principal": principal.row(), principal.kind: principal.facts}
    found["inline_policies"] = _or_unknown(lambda: _inline(principal, reader))
    for part, (operation, key) in _LISTS[principal.kind].items():
        found[part] = _or_unknown(lambda o=operation, k=key: reader.get(Call(principal.target, "iam", o, name)).get(k, []))  # type: ignore[misc]
    if principal.kind == "user":
        found["credentials"] = {k: _or_unknown(lambda k=k: credentials.KINDS[k].held(principal, reader)) for k in kinds}  # type: ignore[misc]
        keys = found["credentials"].get("access_key")
        if last_used and isinstance(keys, list):
            for key in keys:
                call = Call(principal.target, "iam", "GetAccessKeyLastUsed", {"AccessKeyId": key["id"]})
                key["last_used"] = _or_unknown(lambda call=call: reader.get(call).get("AccessKeyLastUsed"))  # type: ignore[misc]
    return found


def jobs(principal: Principal, case: Case, kinds: Iterable[str]) -> Iterator[Job]:
    """Put the snapshot into the case's evidence, once. Its reads, and those that the credentials need next, are asked for side by side.

    ``kinds``: of credentials, that are looked at.
    """
    name = f"principals/{hashlib.sha256(principal.arn.encode()).hexdigest()[:32]}.json"
    wanted = case.wants_evidence(name)
    ahead: list[Callable[[Reader], t.Any]] = []
    if principal.kind == "user":
        needed = kinds if wanted or not principal.only else principal.only_kinds  # of an innocent user only what is cut is read again
        ahead += [lambda r, k=k: credentials.KINDS[k].held(principal, r) for k in needed]  # type: ignore[misc]
    if wanted:
        noun = principal.kind.capitalize()
        ahead += [
            lambda r, o=operation: r.get(Call(principal.target, "iam", o, {f"{noun}Name": principal.name}))  # type: ignore[misc]
            for operation, _key in _LISTS[principal.kind].values()
        ]
    for read in ahead:
        yield Job(_AHEAD, lambda r, read=read: _quietly(read, r))  # type: ignore[misc]
    if wanted:
        yield Job(_KEEP, lambda r: _keep(principal, case, name, kinds, r))
    if case.wants_evidence(account := f"accounts/{principal.account}.json"):
        yield Job(_KEEP, lambda r: _keep_account(principal.target, case, account, r))


def _quietly(read: Callable[[Reader], t.Any], reader: Reader) -> list[t.Any]:
    """The Reader remembers an error as well: who needs the answer gets it again."""
    with contextlib.suppress(EvictError):
        read(reader)
    return []


def _keep(principal: Principal, case: Case, name: str, kinds: Iterable[str], reader: Reader) -> list[t.Any]:
    data = json.dumps(take(principal, reader, kinds=kinds), sort_keys=True, indent=1).encode()
    case.keep_evidence(name, data, source=f"iam of {principal.account}: {principal.arn}")
    return []


def server_certificates(account: Target, reader: Reader) -> t.Any:
    """Those of the account, or {"unknown": reason}."""
    return _or_unknown(lambda: server_certificate.held(account, reader))


def _keep_account(account: Target, case: Case, name: str, reader: Reader) -> list[t.Any]:
    """What no user holds: server certificates, of which those that were uploaded during the incident are warned about."""
    found = server_certificates(account, reader)
    data = json.dumps({"server_certificates": found}, sort_keys=True, indent=1).encode()
    case.keep_evidence(name, data, source=f"iam of {account.account}: server certificates")
    window = credentials.Asked.by(case.incident)
    if isinstance(found, dict):
        case.warnings.append(f"account {account.account}: server certificates: unknown, since they could not be listed: {found['unknown']}")
    elif new := [c["arn"] for c in found if window.during(c["created"])]:
        listed = ", ".join(new[:5]) + (f" and {len(new) - 5} more" if len(new) > 5 else "")
        case.warnings.append(
            f"account {account.account}: uploaded during the incident, reported and not changed: server certificate {listed}"
        )
    return []

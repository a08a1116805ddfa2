# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Steps that put back what a contained principal changed while its fence was spreading.

A release keeps them, since it would give the attacker's change back; a verdict that it was no compromise undoes them.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from collections.abc import Iterator

from ..common import edits
from ..common.guard import kind_of
from ..common.plan import Action, Call, Edit, Phase, Probe, Step, Target
from . import deny_all, identity_providers
from .account_state import Change
from .policy import inline

HELD = "#held/"  # in the ids of these Steps
ACTION = "put back"
NOTE = "put_back"  # kind of notes: {"step": its id, "by": identity of whoever had changed it}
# A policy of AWS itself, and whether it only denies; a key that AWS finds published gets the quarantine from AWS.
_OF_AWS = re.compile(rf"arn:[\w-]+:iam::aws:policy/(?:({deny_all.NAME}|AWSCompromisedKeyQuarantine(?:V\d+)?)|.+)")
ABSENT = ("NoSuchEntity", "NoSuchEntityException")
_Parts = tuple[tuple[Action, ...], Probe, t.Any, t.Any]  # what to do, what shows it, what that shows now and afterwards


def is_held(step: Step) -> bool:
    """Whether it is one of these."""
    return step.fragment.startswith(HELD[1:])


def gives(change: Change) -> bool:
    """Whether somebody may do more after it than before. A policy whose text is not known may allow what is added, and deny what is taken away."""
    kind, _slash, name = change.facet.partition("/")
    if kind == "inline":
        old, new = (edits.statements_of(document or {}) for document in (change.before, change.after))
        return any(s.get("Effect") != "Deny" for s in new if s not in old) or any(s.get("Effect") == "Deny" for s in old if s not in new)
    if kind == "attached":
        of_aws = _OF_AWS.fullmatch(name)
        denies = bool(of_aws and of_aws[1])
        return not denies if change.before is None else denies or not of_aws
    if kind == "boundary":
        of_aws = _OF_AWS.fullmatch(str(change.after))
        return not (of_aws and of_aws[1] == deny_all.NAME)
    return True


def steps(change: Change, target: Target) -> Iterator[Step]:
    """What makes ``change`` undone; nothing for what has no way back (an object that is gone), or another one (credentials, new objects)."""
    kind, _slash, name = change.facet.partition("/")
    make = {
        "inline": _inline,
        "attached": _attached,
        "group": _group,
        "boundary": _boundary,
        "trust": _trust,
        "version": _version,
        "name": _name,
        "profile": _profile,
        "metadata": identity_providers.metadata,
        "thumbprints": identity_providers.thumbprints,
        "client": identity_providers.client,
    }.get(kind)
    parts = make(change, name, target) if make else None
    if not parts:
        return
    do, probe, now, after = parts
    reverse = make(dataclasses.replace(change, before=change.after, after=change.before), name, target) if make else None
    yield Step(
        id=f"{change.arn}{HELD}{change.facet}", principal=change.arn, resource=f"{change.arn} {change.facet}", action=ACTION, phase=Phase.RESOURCE,
        before=now, after=after, do=do, probe=probe, undo=reverse[0] if reverse else (),
        irreversible="" if reverse else "what it was changed to cannot be had again",
    )  # fmt: skip


def _noun(arn: str) -> tuple[str, dict[str, str]]:
    """("User", {"UserName": …}) of a user's, role's or group's ARN."""
    noun = kind_of(arn).capitalize()
    return noun, {f"{noun}Name": arn.rsplit("/", 1)[-1]}


def _inline(change: Change, name: str, target: Target) -> _Parts | None:
    noun, who = _noun(change.arn)
    if noun == "Group":
        where = {**who, "PolicyName": name}
        probe = Probe(Call(target, "iam", "GetGroupPolicy", where), ("PolicyDocument",), ABSENT)
        delete = Call(target, "iam", "DeleteGroupPolicy", where)
        write = Call(target, "iam", "PutGroupPolicy", {**where, "PolicyDocument": json.dumps(change.before)})
    else:
        probe, put, delete = inline(noun.lower(), change.arn.rsplit("/", 1)[-1], name, target)
        write = put(change.before)
    return ((delete if change.before is None else write,), probe, change.after, change.before)


def _attached(change: Change, name: str, target: Target) -> _Parts:
    noun, who = _noun(change.arn)
    where = {**who, "PolicyArn": name}
    probe = Probe(Call(target, "iam", f"ListAttached{noun}Policies", who), ("AttachedPolicies", {"PolicyArn": name}, "PolicyArn"), ABSENT)
    do = Call(target, "iam", f"Attach{noun}Policy", where) if change.before else Call(target, "iam", f"Detach{noun}Policy", where)
    return (do,), probe, name if change.after else None, name if change.before else None


def _group(change: Change, name: str, target: Target) -> _Parts:
    user = {"UserName": change.arn.rsplit("/", 1)[-1]}
    probe = Probe(Call(target, "iam", "ListGroupsForUser", user), ("Groups", {"GroupName": name}, "GroupName"), ABSENT)
    where = {**user, "GroupName": name}
    do = Call(target, "iam", "AddUserToGroup", where) if change.before else Call(target, "iam", "RemoveUserFromGroup", where)
    return (do,), probe, name if change.after else None, name if change.before else None


def _boundary(change: Change, _name: str, target: Target) -> _Parts:
    noun, who = _noun(change.arn)
    probe = Probe(Call(target, "iam", f"Get{noun}", who), (noun, "PermissionsBoundary", "PermissionsBoundaryArn"), ABSENT)
    put = Call(target, "iam", f"Put{noun}PermissionsBoundary", {**who, "PermissionsBoundary": change.before})
    return (put if change.before else Call(target, "iam", f"Delete{noun}PermissionsBoundary", who),), probe, change.after, change.before


def _trust(change: Change, _name: str, target: Target) -> _Parts | None:
    """Statement by statement: what others may have edited elsewhere in it meanwhile stays."""
    who = {"RoleName": change.arn.rsplit("/", 1)[-1]}
    old, new = (edits.statements_of(document or {}) for document in (change.before, change.after))
    arguments = {"remove": [s for s in new if s not in old], "add": [s for s in old if s not in new]}
    after = edits.apply("swap_statements", change.after, arguments)
    edit = Edit(target, {"kind": "iam.role-trust", **who}, "swap_statements", arguments)
    return (edit,), Probe(Call(target, "iam", "GetRole", who), ("Role", "AssumeRolePolicyDocument"), ABSENT), change.after, after


def _name(change: Change, _facet: str, target: Target) -> _Parts:
    """Of a user's ARN: its name and path, by which every control names it."""
    (_head, was), (_head, now) = (str(arn).split(":user", 1) for arn in (change.before, change.after))
    (path, name), name_now = was.rsplit("/", 1), now.rsplit("/", 1)[-1]
    probe = Probe(Call(target, "iam", "GetUser", {"UserName": name}), ("User", "Arn"), ABSENT)
    do = Call(target, "iam", "UpdateUser", {"UserName": name_now, "NewUserName": name, "NewPath": f"{path}/"})
    return (do,), probe, change.after if name_now == name else None, change.before


def _version(change: Change, _name: str, target: Target) -> _Parts | None:
    if not change.before:
        return None
    where = {"PolicyArn": change.arn}
    probe = Probe(Call(target, "iam", "GetPolicy", where), ("Policy", "DefaultVersionId"), ABSENT)
    return (Call(target, "iam", "SetDefaultPolicyVersion", {**where, "VersionId": change.before}),), probe, change.after, change.before


def _profile(change: Change, name: str, target: Target) -> _Parts | None:
    """A role that was put into an instance profile, for the attacker's machine to get, is taken out. The other way needs iam:PassRole: by hand."""
    if not change.after:
        return None
    role = change.arn.rsplit("/", 1)[-1]
    probe = Probe(
        Call(target, "iam", "GetInstanceProfile", {"InstanceProfileName": name}),
        ("InstanceProfile", "Roles", {"RoleName": role}, "RoleName"),
        ABSENT,
    )
    do = Call(target, "iam", "RemoveRoleFromInstanceProfile", {"InstanceProfileName": name, "RoleName": role})
    return (do,), probe, role, None

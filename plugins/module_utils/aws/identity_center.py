# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM Identity Center: from a session, a user name or an e-mail to the person, and what takes that person's access away.

The role AWSReservedSSO_<permission set>_<hash> is shared by whoever has the permission set, and belongs to AWS. What is one person's are the
assignments, the memberships, and ``identitystore:UserId`` in each of their requests. Read in the instance's own region, of the management account or of a
delegated administrator.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import json
import re
import threading
import typing as t
import weakref
from collections.abc import Iterable, Iterator

from ..common.errors import CloudError, EvictError
from ..common.plan import Call, Edit, Phase, Probe, Step, Target
from ..common.reader import Reader
from . import events
from .session import Aws

READS = ("sso-admin:ListInstances", "sso-admin:ListAccountAssignmentsForPrincipal", "sso-admin:ListAccountAssignments",
         "sso-admin:DescribePermissionSet", "sso-admin:GetInlinePolicyForPermissionSet", "sso-admin:ListPermissionSetsProvisionedToAccount",
         "identitystore:ListUsers", "identitystore:GetUserId", "identitystore:DescribeUser", "identitystore:ListGroupMembershipsForMember",
         "identitystore:ListGroupMemberships", "ec2:DescribeRegions")  # fmt: skip
KIND = "identity_center_user"  # of a ``Principal``
PREFIX = "AWSReservedSSO_"
LONGEST = datetime.timedelta(hours=12)  # to which a permission set's session duration can be raised, for a moment or for good
PORTAL = datetime.timedelta(days=90)  # of a session of the access portal, as it may be configured; 8 hours unless somebody did
USER_KEY = (
    "identitystore:UserId"  # in every request of a session that Identity Center made; AWS's examples deny by it in SCPs and permission sets
)
_ID = re.compile(r"(?:[0-9a-f]{10}-)?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SESSION_ROLE = re.compile(r"arn:[\w-]+:sts::(\d{12}):assumed-role/(AWSReservedSSO_[\w+=,.@-]+)/(.+)")
_GONE = ("ResourceNotFoundException",)
_SIZE = 32768  # characters of a permission set's inline policy


@dataclasses.dataclass(frozen=True)
class Instance:
    """Of the organization. ``owner``: the account that it belongs to."""

    arn: str
    store: str
    owner: str
    region: str

    @property
    def target(self) -> Target:
        return Target("aws", "", self.region)


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A permission set in an account; ``group``: the id of the group through which it is had, "" for the person's own."""

    account: str
    permission_set: str
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Person:
    """A user of Identity Center. ``id`` is "" when the identity store could not be read, or does not have the user any more."""

    instance: Instance | None
    id: str
    name: str
    emails: tuple[str, ...] = ()
    issuer: str = ""  # of the external identity provider that keeps the user, "" for the directory of Identity Center itself
    status: str = ""  # ENABLED | DISABLED, where AWS tells

    def arn(self, partition: str) -> str:
        return f"arn:{partition}:identitystore:::user/{self.id}"

    @property
    def names(self) -> set[str]:
        """What it may be called, folded."""
        return {n.casefold() for n in (self.id, self.name, *self.emails) if n}


def session_of(arn: str) -> tuple[str, str, str] | None:
    """(account, role, session name) of the ARN of a session that Identity Center made; None for any other."""
    found = _SESSION_ROLE.fullmatch(arn)
    return (found[1], found[2], found[3]) if found else None


# -- where it is -----------------------------------------------------------------------------------------------------------------

_FOUND: weakref.WeakKeyDictionary[Aws, dict[str, Instance | EvictError]] = weakref.WeakKeyDictionary()
_NOT_ENABLED = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "AuthFailure",
    "OptInRequired",
)  # what a region says that the account has not enabled
_LOCK = threading.Lock()


def instance(aws: Aws, *, hint: str = "", account: str = "") -> Instance:
    """The organization's instance, looked for once in a run. ``hint``: a region that is asked before the others; ``account``: whose regions are enabled."""
    with _LOCK:
        kept = _FOUND.setdefault(aws, {})
        known = kept.get("") or kept.get(f"{hint} {account}")
        if known is None:
            try:
                known = kept[""] = _find(aws, hint, account)
            except EvictError as error:
                known = kept[f"{hint} {account}"] = error
    if isinstance(known, EvictError):
        raise known
    return known


def region_in(path: str) -> str:
    """The instance's region, which the path of its roles names, except us-east-1."""
    found = re.fullmatch(r"/aws-reserved/sso\.amazonaws\.com/(?:([a-z0-9-]+)/)?", path)
    return (found[1] or "us-east-1") if found else ""


def _find(aws: Aws, hint: str, account: str) -> Instance:
    given = aws.identity_center_region
    first = [given] if given else list(dict.fromkeys(filter(None, (hint, aws.region))))
    for region in first:
        if found := _in(aws, region):
            return found
    if not given:
        try:
            enabled = events.regions(aws, account or aws.caller["account"])
        except EvictError:  # nobody says which are enabled: all that have the service
            enabled = aws.offered("sso-admin")
        left = sorted(set(enabled) - set(first))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for one in pool.map(lambda region: _in(aws, region), left):
                if one:
                    return one
    raise EvictError(
        f"no instance of IAM Identity Center in {given or 'any enabled region'}, as {aws.identity_center_arn} sees it", object="IAM Identity Center",
        operation="sso-admin:ListInstances", remedy="set connection.aws.identity_center_region, and connection.aws.identity_center_role_arn or"
        " management_role_arn: a role of the management account or of a delegated administrator",
    )  # fmt: skip


def _in(aws: Aws, region: str) -> Instance | None:
    try:
        listed = aws.call(Call(Target("aws", "", region), "sso-admin", "ListInstances", {})).get("Instances", [])
    except CloudError as error:
        if aws.absent(error, region) or error.code in _NOT_ENABLED:
            return None
        raise
    usable = [i for i in listed if i.get("Status", "ACTIVE") == "ACTIVE"]
    # Beside the organization's own there may be one of a delegated administrator's own account, which has no permission sets.
    asking = aws.identity_center_arn.split(":")[4]
    best = sorted(usable, key=lambda i: str(i.get("OwnerAccountId")) == asking)
    return next(
        (
            Instance(i["InstanceArn"], i["IdentityStoreId"], str(i.get("OwnerAccountId", "")), str(i.get("PrimaryRegion") or region))
            for i in best
        ),
        None,
    )


# -- who it is -------------------------------------------------------------------------------------------------------------------


def person(aws: Aws, named: str, *, hint: str = "", account: str = "") -> Person:
    """By user id, user name or e-mail. Raises ``EvictError``: Identity Center cannot be read, or has no such user."""
    where = instance(aws, hint=hint, account=account)
    store = {"IdentityStoreId": where.store}
    found: dict[str, t.Any] | None = None
    if _ID.fullmatch(named):
        found = _described(aws, where, named)
    if not found:
        wanted = [{"AttributePath": "UserName", "AttributeValue": named}]
        listed = aws.call(Call(where.target, "identitystore", "ListUsers", {**store, "Filters": wanted})).get("Users", [])
        found = next(iter(listed), None)
    if not found and "@" in named:
        by_mail = {"UniqueAttribute": {"AttributePath": "emails.value", "AttributeValue": named}}
        try:
            user = aws.call(Call(where.target, "identitystore", "GetUserId", {**store, "AlternateIdentifier": by_mail}))["UserId"]
            found = _described(aws, where, user)
        except CloudError as error:
            if error.code not in _GONE:
                raise
    if not found:
        raise EvictError(
            f"{named}: IAM Identity Center ({where.store} in {where.region}) has no user of that id, name or e-mail", object=named,
            operation="identitystore:ListUsers", remedy="check the spelling; a user who was deleted can be named by the session: arn:aws:sts::ACCOUNT:"
            "assumed-role/AWSReservedSSO_…/NAME",
        )  # fmt: skip
    return Person(
        where, found["UserId"], str(found.get("UserName") or named), tuple(str(e.get("Value")) for e in found.get("Emails", []) if e.get("Value")),
        next((str(e.get("Issuer")) for e in found.get("ExternalIds", [])), ""), str(found.get("UserStatus", "")),
    )  # fmt: skip


def _described(aws: Aws, where: Instance, user: str) -> dict[str, t.Any] | None:
    try:
        return aws.call(Call(where.target, "identitystore", "DescribeUser", {"IdentityStoreId": where.store, "UserId": user}))
    except CloudError as error:
        if error.code in _GONE:
            return None
        raise


# -- what it has -----------------------------------------------------------------------------------------------------------------


def _memberships(who: Person) -> Call:
    where = t.cast(Instance, who.instance)
    return Call(
        where.target, "identitystore", "ListGroupMembershipsForMember", {"IdentityStoreId": where.store, "MemberId": {"UserId": who.id}}
    )


def _assignments(where: Instance, principal: str, kind: str) -> Call:
    asked = {"InstanceArn": where.arn, "PrincipalId": principal, "PrincipalType": kind}
    return Call(where.target, "sso-admin", "ListAccountAssignmentsForPrincipal", asked)


def groups(who: Person, reader: Reader) -> dict[str, str]:
    """{group id: membership id}."""
    return {m["GroupId"]: m["MembershipId"] for m in reader.get(_memberships(who)).get("GroupMemberships", [])}


def assignments(who: Person, reader: Reader) -> list[Assignment]:
    """The person's own and those of their groups, each once."""
    where, found = t.cast(Instance, who.instance), set()
    for principal, kind in [(who.id, "USER"), *((group, "GROUP") for group in groups(who, reader))]:
        for one in reader.get(_assignments(where, principal, kind)).get("AccountAssignments", []):
            group = "" if one.get("PrincipalType", kind) == "USER" else str(one.get("PrincipalId") or principal)
            found.add(Assignment(one["AccountId"], one["PermissionSetArn"], group))
    return sorted(found, key=dataclasses.astuple)


def facts(who: Person, reader: Reader) -> dict[str, t.Any]:
    """Who it is and what it has, for a person to read; what is not known of one whom nobody could find is left out."""
    found: dict[str, t.Any] = {
        "id": who.id,
        "name": who.name,
        "status": who.status,
        "identity_provider": who.issuer or "Identity Center's own directory",
    }
    if not who.id or not who.instance:
        return {"id": "", "name": who.name}
    has = [
        {"account": a.account, "permission_set": name_of(who.instance, a.permission_set, reader), "group": a.group}
        for a in assignments(who, reader)
    ]
    return {**found, "region": who.instance.region, "groups": sorted(groups(who, reader)), "assignments": has}


def name_of(where: Instance, permission_set: str, reader: Reader) -> str:
    asked = {"InstanceArn": where.arn, "PermissionSetArn": permission_set}
    found = reader.get(Call(where.target, "sso-admin", "DescribePermissionSet", asked))["PermissionSet"]
    return str(found.get("Name") or permission_set)


def others(who: Person, permission_set: str, accounts: Iterable[str], reader: Reader) -> int:
    """How many other people have the permission set in one of ``accounts``, themselves or through a group."""
    where = t.cast(Instance, who.instance)
    users: set[str] = set()
    seen: set[str] = set()
    for account in accounts:
        asked = {"InstanceArn": where.arn, "AccountId": account, "PermissionSetArn": permission_set}
        for one in reader.get(Call(where.target, "sso-admin", "ListAccountAssignments", asked)).get("AccountAssignments", []):
            (users if one["PrincipalType"] == "USER" else seen).add(one["PrincipalId"])
    for group in sorted(seen):
        asked = {"IdentityStoreId": where.store, "GroupId": group}
        listed = reader.get(Call(where.target, "identitystore", "ListGroupMemberships", asked)).get("GroupMemberships", [])
        users |= {m["MemberId"]["UserId"] for m in listed if m.get("MemberId", {}).get("UserId")}
    return len(users - {who.id})


# -- what takes it away ----------------------------------------------------------------------------------------------------------


def remove_assignments(who: Person, arn: str, reader: Reader) -> Iterator[Step]:
    """The person's own assignments; those of a group are others' too, and end with the membership."""
    where = t.cast(Instance, who.instance)
    for one in assignments(who, reader):
        if one.group:
            continue
        asked = {"InstanceArn": where.arn, "TargetId": one.account, "TargetType": "AWS_ACCOUNT", "PermissionSetArn": one.permission_set,
                 "PrincipalType": "USER", "PrincipalId": who.id}  # fmt: skip
        listed = {"AccountId": one.account, "PermissionSetArn": one.permission_set, "PrincipalType": "USER"}
        yield Step(
            id=f"{arn}#assignment/{one.account}/{one.permission_set}", principal=arn, phase=Phase.CREDENTIAL,
            resource=f"Identity Center user {who.name} assignment of {one.permission_set.rsplit('/', 1)[-1]} in {one.account}", action="remove",
            before=one.permission_set, after=None, do=(Call(where.target, "sso-admin", "DeleteAccountAssignment", asked),),
            undo=(Call(where.target, "sso-admin", "CreateAccountAssignment", asked),),
            probe=Probe(_assignments(where, who.id, "USER"), ("AccountAssignments", listed, "PermissionSetArn")),
        )  # fmt: skip


def leave_groups(who: Person, arn: str, reader: Reader) -> Iterator[Step]:
    """All groups. A membership that comes back has another id."""
    where = t.cast(Instance, who.instance)
    store = {"IdentityStoreId": where.store}
    for group, membership in sorted(groups(who, reader).items()):
        back = {**store, "GroupId": group, "MemberId": {"UserId": who.id}}
        yield Step(
            id=f"{arn}#membership/{group}", principal=arn, phase=Phase.CREDENTIAL, resource=f"Identity Center user {who.name} membership of group {group}",
            action="remove", before=group, after=None,
            do=(Call(where.target, "identitystore", "DeleteGroupMembership", {**store, "MembershipId": membership}),),
            undo=(Call(where.target, "identitystore", "CreateGroupMembership", back),),
            probe=Probe(_memberships(who), ("GroupMemberships", {"GroupId": group}, "GroupId")),
        )  # fmt: skip


def sid(incident: t.Any, who: Person) -> str:
    """Of the statement that holds one person: the incident's, and the end of the user's id."""
    return str(incident.sid) + re.sub(r"[^0-9A-Za-z]", "", who.id)[-12:]


def deny(who: Person, arn: str, permission_set: str, account: str, incident: t.Any, expires: str, reader: Reader) -> Iterator[Step]:
    """A statement in the permission set's inline policy, which holds this person alone; whatever else is in the policy stays.

    AWS takes it to the roles when the permission set is provisioned: ``provision``. Its undo provisions ``account`` again.
    """
    where = t.cast(Instance, who.instance)
    named = {"InstanceArn": where.arn, "PermissionSetArn": permission_set}
    read = Call(where.target, "sso-admin", "GetInlinePolicyForPermissionSet", named)
    name = name_of(where, permission_set, reader)
    mine = sid(incident, who)
    statement = {"Sid": mine, "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {USER_KEY: who.id}}}
    document = reader.get(read).get("InlinePolicy")
    if document is not None and not isinstance(document, dict):
        raise EvictError(f"permission set {name}: its inline policy is no policy document", object=permission_set, operation="deny",
                         remedy="put it right by hand (IAM Identity Center > Permission sets), then run again")  # fmt: skip
    probe = Probe(read, ("InlinePolicy", "Statement", {"Sid": mine}))
    before = reader.read(probe)
    if before is None and len(json.dumps(document or {})) + len(json.dumps(statement)) + 60 > _SIZE:
        raise EvictError(f"permission set {name}: no room in its inline policy ({_SIZE} characters)", object=permission_set, operation="deny",
                         remedy="shorten it by hand, then run again")  # fmt: skip
    edit = {"kind": "sso-admin.permission-set", **named}
    count = others(who, permission_set, [account], reader)
    yield Step(
        id=f"{arn}#deny/{permission_set}", principal=arn, phase=Phase.SESSION, resource=f"permission set {name} statement {mine}", before=before,
        action=f"deny everything to {who.name} alone" + (f"; {count} other user(s) of it go on" if count else ""), after=statement, probe=probe,
        do=(Edit(where.target, edit, "add_statement", {"statement": statement}),),
        undo=(Edit(where.target, edit, "remove_statement", {"sid": mine}),), expires=expires,
    )  # fmt: skip


def provision(where: Instance, arn: str, permission_set: str, account: str, changed: bool, reader: Reader) -> Iterator[Step]:
    """What the permission set says, to its role in ``account``. ``changed``: its policy was just written, so what is there is older."""
    listed = {"InstanceArn": where.arn, "AccountId": account, "ProvisioningStatus": "LATEST_PERMISSION_SET_PROVISIONED"}
    probe = Probe(
        Call(where.target, "sso-admin", "ListPermissionSetsProvisionedToAccount", listed), ("PermissionSets", {"": permission_set})
    )
    asked = {"InstanceArn": where.arn, "PermissionSetArn": permission_set, "TargetType": "AWS_ACCOUNT", "TargetId": account}
    again = Call(where.target, "sso-admin", "ProvisionPermissionSet", asked)
    yield Step(
        id=f"{arn}#{PROVISIONED}/{permission_set}/{account}", principal=arn, phase=Phase.RESOURCE, action="provision", do=(again,), probe=probe,
        resource=f"permission set {permission_set.rsplit('/', 1)[-1]} in {account}", before=None if changed else reader.read(probe),
        after=permission_set, irreversible="the roles are to say what the permission set says",
    )  # fmt: skip


PROVISIONED = "provisioned"

"""What stock ministack's IAM gets wrong and the project's claims rest on: quotas, paging, validation, last use.

Every IAM handler is wrapped once (`install`): fill in the implicit user -> validate -> quota -> handler -> note the
change for the lag -> page. Sources: the IAM User Guide ("IAM and STS quotas") and the API reference's errors; AWS's
wording is transcribed from documentation, not observed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from ministack.core import iam_evaluator as ev
from ministack.core.responses import get_account_id
from ministack.services import iam

Answer = tuple[int, dict[str, str], bytes]
Params = dict[str, Any]

_NS = "https://iam.amazonaws.com/doc/2010-05-08/"
ET.register_namespace("", _NS)
PAGE = {"size": 100}  # AWS's default page; smaller in tests that want several pages
KEY_LAST_USED: dict[str, tuple[float, str, str]] = {}  # access key id -> (time, region, service)
ROLE_LAST_USED: dict[tuple[str, str], tuple[float, str]] = {}  # (account, role name) -> (time, region)
KEY_OWNERS: dict[str, dict[str, str]] = {}  # every key ever issued, also deleted ones: {account, user, user_id, arn}

_INLINE_LIMIT = {"User": 2048, "Role": 10240, "Group": 5120}
_MANAGED_LIMIT = 6144
_TRUST_LIMIT = 2048
_ATTACH_LIMIT = 10
_KEY_LIMIT = 2
_READS = ("Get", "List", "Simulate", "Generate")

# Operations whose UserName defaults to the caller (API reference: "If you do not specify a user name, IAM determines
# the user name implicitly based on the access key ID signing the request").
_IMPLICIT_USER = frozenset(
    {
        "GetUser",
        "CreateAccessKey",
        "ListAccessKeys",
        "UpdateAccessKey",
        "DeleteAccessKey",
        "GetLoginProfile",
        "CreateLoginProfile",
        "DeleteLoginProfile",
        "ListMFADevices",
    }
)

# Paged list operations -> the element that holds the members.
_PAGED = {
    "ListUsers": ("Users",),
    "ListRoles": ("Roles",),
    "ListGroups": ("Groups",),
    "ListAccessKeys": ("AccessKeyMetadata",),
    "ListUserPolicies": ("PolicyNames",),
    "ListRolePolicies": ("PolicyNames",),
    "ListGroupPolicies": ("PolicyNames",),
    "ListAttachedUserPolicies": ("AttachedPolicies",),
    "ListAttachedRolePolicies": ("AttachedPolicies",),
    "ListAttachedGroupPolicies": ("AttachedPolicies",),
    "ListGroupsForUser": ("Groups",),
    "ListPolicies": ("Policies",),
    "ListPolicyVersions": ("Versions",),
    "ListMFADevices": ("MFADevices",),
    "ListSSHPublicKeys": ("SSHPublicKeys",),
    "ListSigningCertificates": ("Certificates",),
    "ListServiceSpecificCredentials": ("ServiceSpecificCredentials",),
    "ListServerCertificates": ("ServerCertificateMetadataList",),
    "GetGroup": ("Users",),
    "ListEntitiesForPolicy": ("PolicyGroups", "PolicyUsers", "PolicyRoles"),
    "ListInstanceProfiles": ("InstanceProfiles",),
    "ListInstanceProfilesForRole": ("InstanceProfiles",),
    "ListVirtualMFADevices": ("VirtualMFADevices",),
    "ListUserTags": ("Tags",),
    "ListRoleTags": ("Tags",),
    "GetAccountAuthorizationDetails": ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"),
}


def install(stores: dict[str, Any]) -> None:
    """Wrap every IAM handler. `stores` are the lagged stores by kind: User, Role, Group, Policy, Key, UserInline, …"""
    iam._gen_access_key_id = lambda: new_key_id("AKIA", get_account_id())
    iam._role_xml = _role_xml
    iam._get_access_key_last_used = iam._IAM_HANDLERS["GetAccessKeyLastUsed"] = _get_access_key_last_used
    iam._IAM_HANDLERS["SetDefaultPolicyVersion"] = _set_default_policy_version
    simulate = iam._IAM_HANDLERS["SimulatePrincipalPolicy"]
    iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = lambda p: simulate(_without_path(p))  # it takes the path for a part of the name
    for action, handler in list(iam._IAM_HANDLERS.items()):
        iam._IAM_HANDLERS[action] = _wrap(action, handler, stores)


def _wrap(action: str, handler: Callable[[Params], Answer], stores: dict[str, Any]) -> Callable[[Params], Answer]:
    checks = [check for prefix, check in _CHECKS if re.fullmatch(prefix, action)]
    mutates = not action.startswith(_READS)

    def wrapped(params: Params) -> Answer:
        if action in _IMPLICIT_USER and not iam._p(params, "UserName"):
            name, refusal = _implicit_user(action)
            if refusal:
                return refusal
            if name:
                params = {**params, "UserName": [name]}
        for check in checks:
            refusal = check(action, params)
            if refusal:
                return refusal
        entity = _deleted_entity(action, params)
        answer = handler(params)
        if entity and answer[0] == 200:
            _orphan_trusts(*entity)
        if mutates:
            _touch(params, stores)
            if action == "CreateAccessKey" and answer[0] == 200:
                _remember_key(stores["Key"])
        return _page(action, params, answer) if action in _PAGED and answer[0] == 200 else answer

    return wrapped


def _touch(params: Params, stores: dict[str, Any]) -> None:
    """In-place edits are made on the objects that the parameters name."""
    account = get_account_id()
    for parameter, kinds in (
        ("UserName", ("User", "UserInline")),
        ("RoleName", ("Role",)),
        ("GroupName", ("Group", "GroupInline")),
        ("PolicyArn", ("Policy",)),
        ("AccessKeyId", ("Key",)),
    ):
        name = iam._p(params, parameter)
        for kind in kinds if name else ():
            stores[kind].touch((account, name))


def _remember_key(keys: Any) -> None:
    key_id = next(reversed(keys.keys()))
    user = iam._users.get(keys[key_id]["UserName"]) or {}
    KEY_OWNERS[key_id] = {
        "account": get_account_id(),
        "user": user.get("UserName", ""),
        "user_id": user.get("UserId", ""),
        "arn": user.get("Arn", ""),
    }


def _deleted_entity(action: str, params: Params) -> tuple[str, str] | None:
    """(ARN, unique id) of the user or role that the call is about to delete."""
    if action == "DeleteUser":
        record = iam._users.get(iam._p(params, "UserName"))
        return record and (record["Arn"], record["UserId"])
    record = iam._roles.get(iam._p(params, "RoleName")) if action == "DeleteRole" else None
    return record and (record["Arn"], record["RoleId"])


def _orphan_trusts(arn: str, unique_id: str) -> None:
    """AWS keeps principals of trust policies by unique id and shows the id once the principal is gone, so that a new
    one of the same name is not trusted. (It does the same in bucket, queue and key policies; this bed does not.)"""
    for (account, name), role in iam._roles.to_dict().items():
        text = role.get("AssumeRolePolicyDocument") or ""
        if f'"{arn}"' in text:
            role["AssumeRolePolicyDocument"] = text.replace(f'"{arn}"', f'"{unique_id}"')
            iam._roles.touch((account, name))


def _implicit_user(action: str) -> tuple[str, Answer | None]:
    arn = ev.caller_arn()
    if ":user/" in arn:
        return arn.rsplit("/", 1)[-1], None
    if arn.endswith(":root"):
        return "", None
    return "", iam._error(400, "ValidationError", "Must specify userName when calling with non-User credentials")


# -- identifiers ------------------------------------------------------------------------------------------------

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def new_key_id(prefix: str, account: str) -> str:
    """A key id that encodes its account as AWS's do, so that sts:GetAccessKeyInfo can tell it of deleted keys too."""
    import secrets

    bits = 1 << 49 | int(account) << 9 | secrets.randbits(9)
    head = "".join(_BASE32[bits >> shift & 31] for shift in range(45, -1, -5))
    return prefix + head + "".join(secrets.choice(_BASE32) for _ in range(6))


def account_of_key(key_id: str) -> str | None:
    """The account an AKIA/ASIA id encodes, else None."""
    if key_id[:4] not in ("AKIA", "ASIA") or len(key_id) != 20 or set(key_id[4:]) - set(_BASE32):
        return None
    bits = 0
    for char in key_id[4:14]:
        bits = bits << 5 | _BASE32.index(char)
    return f"{bits >> 9 & (1 << 40) - 1:012d}" if bits >> 49 else None


# -- validation and quotas ---------------------------------------------------------------------------------------


def _size(document: str) -> int:
    """Characters that count towards IAM's policy quotas: all but whitespace."""
    return len(re.sub(r"\s", "", document))


def _limit(message: str) -> Answer:
    return iam._error(409, "LimitExceeded", message)


def _malformed(message: str) -> Answer:
    return iam._error(400, "MalformedPolicyDocument", escape(message))


def _check_names(action: str, params: Params) -> Answer | None:
    for name, longest in (("UserName", 64), ("RoleName", 64), ("GroupName", 128), ("PolicyName", 128)):
        value = iam._p(params, name)
        if value and (len(value) > longest or not re.fullmatch(r"[\w+=,.@-]+", value, re.ASCII)):
            field = name[0].lower() + name[1:]
            return iam._error(
                400,
                "ValidationError",
                f"1 validation error detected: Value at '{field}' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [\\w+=,.@-]+",
            )
    return None


def _check_document(action: str, params: Params) -> Answer | None:
    """Sid characters and uniqueness, and JSON at all: AWS refuses these, stock ministack stores them."""
    parameter = "AssumeRolePolicyDocument" if action == "CreateRole" else "PolicyDocument"
    try:
        document = json.loads(iam._p(params, parameter) or "null")
    except ValueError:
        return _malformed("Syntax errors in policy.")
    if not isinstance(document, dict):
        return _malformed("Syntax errors in policy.")
    if document.get("Version", "2012-10-17") not in ("2012-10-17", "2008-10-17"):
        return _malformed("Syntax errors in policy.")
    statements = document.get("Statement")
    statements = statements if isinstance(statements, list) else [statements]
    sids = [s["Sid"] for s in statements if isinstance(s, dict) and s.get("Sid")]
    if any(not re.fullmatch(r"[0-9A-Za-z]*", str(sid)) for sid in sids):
        return _malformed("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
    if len(set(sids)) != len(sids):
        return _malformed("Statement IDs (SID) in a single policy must be unique.")
    if action in ("CreateRole", "UpdateAssumeRolePolicy"):
        if not all(isinstance(s, dict) and s.get("Effect") in ("Allow", "Deny") for s in statements):
            return _malformed("Syntax errors in policy.")
        if any("Resource" in s or "NotResource" in s for s in statements):
            return _malformed("Has prohibited field Resource")
        return _invalid_principal(statements)
    return None


def _invalid_principal(statements: list[Any]) -> Answer | None:
    """AWS refuses a trust policy that names a user or role which does not exist (here: in an account of the bed)."""
    accounts = {account for store in (iam._users, iam._roles) for account, _ in store.to_dict()}
    ids = {record.get("UserId") or record.get("RoleId") for store in (iam._users, iam._roles) for record in store.to_dict().values()}
    for statement in statements:
        principal = statement.get("Principal")
        named = principal.get("AWS", []) if isinstance(principal, dict) else []
        for arn in [named] if isinstance(named, str) else named:
            if re.fullmatch(r"A(IDA|ROA)[A-Z0-9]{12,}", arn) and arn not in ids:
                return _malformed(f'Invalid principal in policy: "AWS":"{arn}"')
            match = re.fullmatch(r"arn:aws:iam::(\d{12}):(user|role)/(?:.*/)?([^/]+)", arn)
            if match and match[1] in accounts:
                store = iam._users if match[2] == "user" else iam._roles
                if (store.get_scoped(match[1], None, match[3]) or {}).get("Arn") != arn:
                    return _malformed(f'Invalid principal in policy: "AWS":"{arn}"')
    return None


def _check_trust_size(action: str, params: Params) -> Answer | None:
    parameter = "AssumeRolePolicyDocument" if action == "CreateRole" else "PolicyDocument"
    if _size(iam._p(params, parameter)) > _TRUST_LIMIT:
        return _limit(f"Cannot exceed quota for ACLSizePerRole: {_TRUST_LIMIT}")
    return None


def _check_inline_size(action: str, params: Params) -> Answer | None:
    kind = action[len("Put") : -len("Policy")]
    name = iam._p(params, f"{kind}Name")
    existing = {
        "User": lambda: iam._user_inline_policies.get(name),
        "Group": lambda: iam._group_inline_policies.get(name),
        "Role": lambda: (iam._roles.get(name) or {}).get("InlinePolicies"),
    }[kind]() or {}
    total = sum(_size(d) for n, d in existing.items() if n != iam._p(params, "PolicyName"))
    if total + _size(iam._p(params, "PolicyDocument")) > _INLINE_LIMIT[kind]:
        return _limit(f"Maximum policy size of {_INLINE_LIMIT[kind]} bytes exceeded for {kind.lower()} {name}")
    return None


def _check_managed_size(action: str, params: Params) -> Answer | None:
    if _size(iam._p(params, "PolicyDocument")) > _MANAGED_LIMIT:
        return _limit(f"Cannot exceed quota for PolicySize: {_MANAGED_LIMIT}")
    return None


def _check_attach(action: str, params: Params) -> Answer | None:
    kind = action[len("Attach") : -len("Policy")]
    store = {"User": iam._users, "Role": iam._roles, "Group": iam._groups}[kind]
    attached = (store.get(iam._p(params, f"{kind}Name")) or {}).get("AttachedPolicies", [])
    arn = iam._p(params, "PolicyArn")
    if not iam._policy_exists(arn):  # stock ministack attaches it, without effect
        return iam._error(404, "NoSuchEntity", escape(f"Policy {arn} does not exist or is not attachable."))
    if arn not in attached and len(attached) >= _ATTACH_LIMIT:
        return _limit(f"Cannot exceed quota for PoliciesPer{kind}: {_ATTACH_LIMIT}")
    return None


def _check_key_quota(action: str, params: Params) -> Answer | None:
    name = iam._p(params, "UserName")
    if sum(1 for key in iam._access_keys.values() if key["UserName"] == name) >= _KEY_LIMIT:
        return _limit(f"Cannot exceed quota for AccessKeysPerUser: {_KEY_LIMIT}")
    return None


def _check_key_owner(action: str, params: Params) -> Answer | None:
    key_id, name = iam._p(params, "AccessKeyId"), iam._p(params, "UserName")
    record = iam._access_keys.get(key_id)
    if record and name and record["UserName"] != name:
        return iam._error(404, "NoSuchEntity", escape(f"The Access Key with id {key_id} cannot be found."))
    return None


def _check_user_exists(action: str, params: Params) -> Answer | None:
    name = iam._p(params, "UserName")
    if name and name not in iam._users:
        return iam._error(404, "NoSuchEntity", escape(f"The user with name {name} cannot be found."))
    return None


def _check_delete_user(action: str, params: Params) -> Answer | None:
    """AWS deletes only an empty user; stock ministack looks at keys and attached policies only."""
    name = iam._p(params, "UserName")
    for found, what in (
        (iam._user_inline_policies.get(name), "delete policies"),
        (iam._login_profiles.get(name), "delete login profile"),
        ([g for g in iam._groups.values() if name in g.get("Users", [])], "remove users from group"),
    ):
        if found:
            return iam._error(409, "DeleteConflict", f"Cannot delete entity, must {what} first.")
    return None


_CHECKS: list[tuple[str, Callable[[str, Params], Answer | None]]] = [
    (r"(Create|Put|Update|Attach|Add).*", _check_names),
    (r"ListAccessKeys", _check_user_exists),
    (r"Put(User|Role|Group)Policy|CreatePolicy(Version)?|UpdateAssumeRolePolicy|CreateRole", _check_document),
    (r"UpdateAssumeRolePolicy|CreateRole", _check_trust_size),
    (r"Put(User|Role|Group)Policy", _check_inline_size),
    (r"CreatePolicy(Version)?", _check_managed_size),
    (r"Attach(User|Role|Group)Policy", _check_attach),
    (r"CreateAccessKey", _check_key_quota),
    (r"(Update|Delete)AccessKey", _check_key_owner),
    (r"DeleteUser", _check_delete_user),
]


# -- answers -----------------------------------------------------------------------------------------------------


def _stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _role_xml(name: str, boundary: bool = True) -> str:
    """As ministack's, with text escaped (a description may hold markup) and, on GetRole, RoleLastUsed."""
    role = iam._roles[name]
    tags = "".join(f"<member><Key>{escape(t['Key'])}</Key><Value>{escape(t['Value'])}</Value></member>" for t in role.get("Tags") or [])
    xml = "".join(f"<{field}>{escape(str(role[field]))}</{field}>" for field in ("RoleName", "RoleId", "Arn", "Path", "CreateDate"))
    xml += (
        f"<AssumeRolePolicyDocument>{quote(role.get('AssumeRolePolicyDocument') or '{}', safe='')}"
        f"</AssumeRolePolicyDocument><Description>{escape(role.get('Description') or '')}</Description>"
        f"<MaxSessionDuration>{role.get('MaxSessionDuration', 3600)}</MaxSessionDuration>"
    )
    if tags and boundary:  # ListRoles returns neither tags nor boundary nor last use
        xml += f"<Tags>{tags}</Tags>"
    return xml + (_boundary_xml(role) + role_last_used_xml(name) if boundary else "")


def _boundary_xml(entity: dict[str, Any]) -> str:
    if not entity.get("PermissionsBoundary"):
        return ""
    return (
        "<PermissionsBoundary><PermissionsBoundaryType>PermissionsBoundaryPolicy</PermissionsBoundaryType>"
        f"<PermissionsBoundaryArn>{entity['PermissionsBoundary']}</PermissionsBoundaryArn></PermissionsBoundary>"
    )


def role_last_used_xml(name: str) -> str:
    """RoleLastUsed of a role in the request's account: empty when its sessions never called."""
    used = ROLE_LAST_USED.get((get_account_id(), name))
    inner = f"<LastUsedDate>{_stamp(used[0])}</LastUsedDate><Region>{used[1]}</Region>" if used else ""
    return f"<RoleLastUsed>{inner}</RoleLastUsed>"


def _get_access_key_last_used(params: Params) -> Answer:
    """AWS answers AccessDenied for a key of another account, and says the same of ids that nobody owns."""
    key_id = iam._p(params, "AccessKeyId")
    record = iam._access_keys.get(key_id)
    if record is None:
        return iam._error(
            403,
            "AccessDenied",
            escape(f"User: {ev.caller_arn()} is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key {key_id}"),
        )
    moment, region, service = KEY_LAST_USED.get(key_id, (None, "N/A", "N/A"))
    date = f"<LastUsedDate>{_stamp(moment)}</LastUsedDate>" if moment else ""
    return iam._xml(
        200,
        "GetAccessKeyLastUsedResponse",
        f"<GetAccessKeyLastUsedResult><UserName>{record['UserName']}</UserName><AccessKeyLastUsed>{date}"
        f"<Region>{region}</Region><ServiceName>{service}</ServiceName></AccessKeyLastUsed>"
        "</GetAccessKeyLastUsedResult>",
    )


def _set_default_policy_version(params: Params) -> Answer:
    """Missing in ministack."""
    policy, version = iam._policies.get(iam._p(params, "PolicyArn")), iam._p(params, "VersionId")
    if not policy or version not in policy["Versions"]:
        return iam._error(404, "NoSuchEntity", escape(f"Policy version {version} does not exist."))
    for record in policy["Versions"].values():
        record["IsDefaultVersion"] = record["VersionId"] == version
    policy["DefaultVersionId"] = version
    return iam._xml(200, "SetDefaultPolicyVersionResponse", "")


def _page(action: str, params: Params, answer: Answer) -> Answer:
    """Cut a list answer into pages; the marker is the offset (opaque to callers, as AWS's is)."""
    size = min(int(iam._p(params, "MaxItems") or PAGE["size"]), 1000)
    marker = iam._p(params, "Marker")
    if marker and not re.fullmatch(r"bed-\d+", marker):
        return iam._error(400, "ValidationError", "Invalid Marker.")
    start = int(marker[4:]) if marker else 0
    details = action == "GetAccountAuthorizationDetails"
    if not start and not details and answer[2].count(b"<member>") <= size:
        return answer
    root = ET.fromstring(answer[2])
    members = [(box, member) for path in _PAGED[action] for box in root.iterfind(f"./*/{{{_NS}}}{path}") for member in list(box)]
    for position, (box, member) in enumerate(members):
        if not start <= position < start + size:
            box.remove(member)
        elif details:
            _complete_details(box, member)
    more = len(members) > start + size
    result = root[0]
    truncated = result.find(f"{{{_NS}}}IsTruncated")
    if truncated is None:
        truncated = ET.SubElement(result, f"{{{_NS}}}IsTruncated")
    truncated.text = "true" if more else "false"
    if more:
        ET.SubElement(result, f"{{{_NS}}}Marker").text = f"bed-{start + size}"
    return answer[0], answer[1], b'<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(root)


def _complete_details(box: ET.Element, member: ET.Element) -> None:
    """GetAccountAuthorizationDetails carries the boundary and a role's last use; stock ministack leaves them out."""
    kind = box.tag.rsplit("}", 1)[-1]
    if kind not in ("UserDetailList", "RoleDetailList"):
        return
    name = member.findtext(f"{{{_NS}}}{'UserName' if kind == 'UserDetailList' else 'RoleName'}") or ""
    entity = (iam._users if kind == "UserDetailList" else iam._roles).get(name) or {}
    xml = _boundary_xml(entity) + (role_last_used_xml(name) if kind == "RoleDetailList" else "")
    member.extend(ET.fromstring(f'<x xmlns="{_NS}">{xml}</x>'))


def _without_path(p: Any) -> Any:
    """The request with the last part of the ARN's name alone: IAM's names are unique, whatever their path."""
    arn = p.get("PolicySourceArn")
    text = arn[0] if isinstance(arn, list) else str(arn or "")
    head, _slash, rest = text.partition("/")
    bare = f"{head}/{rest.rsplit('/', 1)[-1]}" if rest else text
    return {**p, "PolicySourceArn": [bare] if isinstance(arn, list) else bare}

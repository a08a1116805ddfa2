"""UpdateUser, which stock ministack does not have: a user gets another name or path, and keeps its id, keys, policies and groups.

From IAM's API reference. What is renamed counts as renamed when the lag is over, like every other change. A session of such a user keeps, in
`aws:PrincipalArn`, the ARN of the moment in which it was minted, but the user's policies and `aws:userid`: nothing documents what AWS does, and this is the worst.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from ministack.core.responses import get_account_id
from ministack.services import iam, sts

from tests.beds import iam_kinds

Params = dict[str, Any]


def install() -> None:
    """Before iam_truth wraps all handlers."""
    iam._IAM_HANDLERS["UpdateUser"] = _update_user


def _update_user(params: Params) -> Any:
    old, new, path = iam._p(params, "UserName"), iam._p(params, "NewUserName"), iam._p(params, "NewPath")
    if old not in iam._users:
        return iam._error(404, "NoSuchEntity", escape(f"The user with name {old} cannot be found."))
    if new and new != old and new in iam._users:
        return iam._error(409, "EntityAlreadyExists", escape(f"User with name {new} already exists."))
    user = dict(iam._users[old])
    was = user["Arn"]
    name, where = new or old, path or user["Path"]
    user |= {"UserName": name, "Path": where, "Arn": f"arn:aws:iam::{get_account_id()}:user{where}{name}"}
    if name != old:
        for store in (iam._users, iam._user_inline_policies, iam._login_profiles):
            if old in store:
                store[name] = store.pop(old)
        for store in (iam._access_keys, iam._mfa_devices, *iam_kinds.STORES.values()):
            for key, record in list(store.items()):
                if record.get("UserName") == old:
                    store[key] = {**record, "UserName": name}
        for key, group in list(iam._groups.items()):
            if old in group["Users"]:
                iam._groups[key] = {**group, "Users": [name if member == old else member for member in group["Users"]]}
    iam._users[name] = user
    for key, session in list(sts._sessions.items()):  # a session is its user's, whatever the user is called
        if session.get("PrincipalType") == "AssumedRole":
            continue
        source = str(session.get("SourceAccessKeyId") or "")
        by_key = (iam._access_keys.get(source) or {}).get("UserName") == name
        if session.get("UserId") == user["UserId"]:  # its Arn, and so aws:PrincipalArn, stays what it was when it was minted
            sts._sessions[key] = {**session, "PrincipalName": name, "SourcePrincipalArn": user["Arn"]}
        elif by_key or session.get("SourcePrincipalArn") == was:
            sts._sessions[key] = {**session, "SourcePrincipalArn": user["Arn"]}
    return iam._xml(200, "UpdateUserResponse", "")

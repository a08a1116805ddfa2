"""What stock ministack leaves out of tags in authorization: session tags are authorized, inherited and transitive; tags of users and roles as resources.

Sources: IAM User Guide, "Pass session tags in AWS STS" (a session tag overrides the tag of the role or user with the same key, in any case of its letters;
transitive tags pass to the next session and cannot be overridden there; passing tags needs sts:TagSession), "IAM and AWS STS condition context keys"
(iam:PolicyARN, aws:ResourceTag). Transcribed, not observed. Whether ``Null`` takes an empty tag for none is not documented: ``SETTINGS["empty_is_null"]``.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_actions
from ministack.core import iam_evaluator as ev
from ministack.core.responses import get_account_id, get_region

SETTINGS = {"empty_is_null": False}
_TAGGED = ("AssumeRole", "GetFederationToken")


def reset() -> None:
    """An empty tag is there."""
    SETTINGS["empty_is_null"] = False


def install() -> None:
    """Patch the evaluator and the context of IAM requests; call it before sts_truth.patch_sts."""
    single, keys, context = ev._evaluate_single_condition, ev._principal_keys, iam_actions.request_tag_context

    def evaluating(operator: str, actual: Any, expected: list[str]) -> bool:
        if operator.lower() == "null" and actual == "" and SETTINGS["empty_is_null"]:
            actual = None
        return bool(single(operator, actual, expected))

    def principal_keys(credential: Any) -> dict[str, Any]:
        found: dict[str, Any] = keys(credential)
        if credential.principal_type == "FederatedUser":  # the user's tags, less those that the session overrides
            from ministack.services import iam, sts

            name = (sts._sessions.get(credential.access_key_id) or {}).get("PrincipalName")
            user = (iam._users.get_scoped(credential.account_id, None, name) if name else None) or {}
            found = {**{f"aws:principaltag/{t['Key'].lower()}": t["Value"] for t in user.get("Tags") or []}, **found}
        return found

    def tag_context(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = context(service, iam_action, body, params)
        return {**_of_iam(iam_action, params), **found} if service == "iam" else found

    ev._evaluate_single_condition, ev._principal_keys, iam_actions.request_tag_context = evaluating, principal_keys, tag_context


def _of_iam(iam_action: str, params: dict[str, Any]) -> dict[str, Any]:
    """iam:PolicyARN of attaching and detaching, and the tags of the user or role that is named."""
    from ministack.services import iam

    found: dict[str, Any] = {}
    if re.fullmatch(r"iam:(At|De)tach(User|Role|Group)Policy", iam_action):
        found["iam:PolicyARN"] = iam._p(params, "PolicyArn")
    for name, store in (("UserName", iam._users), ("RoleName", iam._roles)):
        record = store.get_scoped(get_account_id(), None, iam._p(params, name)) if iam._p(params, name) else None
        for tag in (record or {}).get("Tags") or []:
            found[f"aws:ResourceTag/{tag['Key']}".lower()] = tag["Value"]
    return found


def refusal(action: str, params: dict[str, Any], key_id: str) -> Any:
    """The answer to a request that passes session tags and may not; None otherwise."""
    from ministack.services import iam, sts

    tags = {v[0]: params.get(k.replace(".Key", ".Value"), [""])[0] for k, v in params.items() if re.fullmatch(r"Tags\.member\.\d+\.Key", k)}
    if action not in _TAGGED or not tags:
        return None
    inherited = {t["Key"].lower() for t in _transitive(sts._sessions.get(key_id))}
    if inherited & {key.lower() for key in tags}:
        return iam._error(
            400, "InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts.", ns="sts"
        )
    resource = iam._p(params, "RoleArn") or f"arn:aws:sts::{get_account_id()}:federated-user/{iam._p(params, 'Name')}"
    asked = {f"aws:RequestTag/{key}".lower(): value for key, value in tags.items()}
    denied = ev.enforce(key_id, "sts:TagSession", "sts", get_region(), resource, {**asked, "aws:TagKeys": list(tags)})
    if denied is None:
        return None
    return iam._error(
        403, "AccessDenied", f"User: {ev.caller_arn()} is not authorized to perform: sts:TagSession on resource: {resource}", ns="sts"
    )


def _transitive(session: dict[str, Any] | None) -> list[dict[str, str]]:
    names = {name.lower() for name in (session or {}).get("Transitive", ())}
    return [tag for tag in (session or {}).get("SessionTags") or [] if tag["Key"].lower() in names]


def remember(action: str, params: dict[str, Any], key_id: str, answer: Any) -> None:
    """What the new session inherits from the one that assumed it."""
    from ministack.services import sts

    made = re.search(rb"<AccessKeyId>(\w+)</AccessKeyId>", answer[2] if isinstance(answer[2], bytes) else b"")
    session = sts._sessions.get(made[1].decode()) if made and action in _TAGGED and answer[0] == 200 else None
    if session is None:
        return
    inherited = _transitive(sts._sessions.get(key_id))
    session["SessionTags"] = [*inherited, *(session.get("SessionTags") or [])]
    asked = [v[0] for k, v in params.items() if re.fullmatch(r"TransitiveTagKeys\.member\.\d+", k)]
    session["Transitive"] = [*asked, *(tag["Key"] for tag in inherited)]


def parameters(body: bytes, query: dict[str, Any]) -> dict[str, Any]:
    """Of a query request."""
    return {**query, **parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)}

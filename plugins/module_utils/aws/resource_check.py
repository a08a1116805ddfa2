# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether somebody can still change a resource's policy once it says what is to be written. Pure, and in doubt it says so.

Three values: a statement applies, does not, or holds something that is not understood here. What is not understood is never taken for "does not apply".
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping

from ..common.edits import statements_of

Statement = Mapping[str, t.Any]

# What is known of a request that the responder makes itself, over TLS. Keys that only requests of services carry are absent from it.
_ABSENT = (
    "aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceowner", "kms:viaservice", "kms:granteeprincipal", "kms:grantisforawsresource",
    "aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "s3:x-amz-acl", "s3:x-amz-server-side-encryption", "aws:federatedprovider",
)  # fmt: skip
_OPERATOR = re.compile(r"(?:string|arn)(?P<no>not)?(?P<how>equals|like|equalsignorecase)", re.ASCII)


def still_changes(document: t.Any, arns: Iterable[str], action: str, resource: str = "", *, needs_allow: bool = False) -> str:
    """ "" when each of ``arns`` (users and roles) may still do ``action`` on ``resource`` under ``document``, else who may not, or what is not understood.

    ``needs_allow``: nothing but the document allows it (a key policy); elsewhere an identity policy of the same account may, and that is not judged here.
    """
    for arn in arns:
        allowed, doubt = not needs_allow, ""
        for statement in statements_of(document or {}):
            found, why = applies(statement, arn, action, resource)
            where = f"statement {statement.get('Sid') or '(without Sid)'}"
            if statement.get("Effect") == "Deny":
                if found is None:
                    return f"{where} may deny {action} to {arn}: it holds {why}, which is not understood here"
                if found:
                    return f"{where} denies {action} to {arn}"
            elif statement.get("Effect") == "Allow":
                allowed = allowed or bool(found)
                doubt = doubt or (f"; {where} may, but holds {why}, which is not understood here" if found is None else "")
            else:
                return f"{where} has no Effect"
        if not allowed:
            return f"no statement allows {action} to {arn}{doubt}"
    return ""


def applies(statement: Statement, arn: str, action: str, resource: str) -> tuple[bool | None, str]:
    """(whether the statement is about this request of ``arn``, None: not understood; what is not understood). ``resource`` "": whatever it names."""
    parts = (
        _principal(statement, arn), _matched(statement, "Action", action, ignore_case=True),
        _matched(statement, "Resource", resource) if resource else (True, ""), _conditions(statement.get("Condition") or {}, arn),
    )  # fmt: skip
    if any(found is False for found, _why in parts):
        return False, ""
    return next(((None, why) for found, why in parts if found is None), (True, ""))


def _texts(value: t.Any) -> list[str]:
    """A policy's one or many, as texts."""
    found = value if isinstance(value, list) else [value]
    return [str(v).lower() if isinstance(v, bool) else str(v) for v in found]


def _principal(statement: Statement, arn: str) -> tuple[bool | None, str]:
    if "NotPrincipal" in statement:
        return None, "NotPrincipal"
    named = statement.get("Principal")
    if named == "*":
        return True, ""
    if not isinstance(named, Mapping):
        return None, "a principal of another form"
    account, name, doubt = arn.split(":")[4], arn.rsplit("/", 1)[-1], ""
    for one in _texts(named.get("AWS", [])):
        if one in ("*", account, arn) or re.fullmatch(rf"arn:[\w-]+:iam::{account}:root", one):
            return True, ""
        if f"::{account}:assumed-role/{name}/" in one:
            doubt = f"the session {one}"
    return (None, doubt) if doubt else (False, "")


def _matched(statement: Statement, key: str, value: str, *, ignore_case: bool = False) -> tuple[bool | None, str]:
    """Whether ``value`` is among the Action or Resource of a statement; one that has neither means the resource itself (ECR)."""
    no = f"Not{key}" in statement
    patterns = _texts(statement.get(f"Not{key}" if no else key, "*"))
    if any("${" in p for p in patterns):
        return None, f"a variable in {key}"
    return any(_like(p, value, ignore_case) for p in patterns) != no, ""


def _like(pattern: str, value: str, ignore_case: bool = False) -> bool:
    expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(expression, value, re.IGNORECASE | re.DOTALL if ignore_case else re.DOTALL) is not None


def _conditions(blocks: t.Any, arn: str) -> tuple[bool | None, str]:
    found: tuple[bool | None, str] = (True, "")
    if not isinstance(blocks, Mapping):
        return None, "a Condition of another form"
    for operator, block in blocks.items():
        for key, values in block.items() if isinstance(block, Mapping) else ():
            one = _condition(str(operator).lower(), str(key).lower(), _texts(values), arn)
            if one is False:
                return False, ""
            if one is None:
                found = None, f"the condition {operator} on {key}"
    return found


def _known(key: str, arn: str) -> str | None:
    """The value of a condition key in a request of ``arn``'s own; "" for absent, None for not known."""
    if key in _ABSENT:
        return ""
    return {
        "aws:principalarn": arn, "aws:principalaccount": arn.split(":")[4], "kms:calleraccount": arn.split(":")[4], "aws:securetransport": "true",
        "aws:principalisawsservice": "false", "aws:viaawsservice": "false", "kms:bypasspolicylockoutsafetycheck": "false",
    }.get(key)  # fmt: skip


def _condition(operator: str, key: str, values: list[str], arn: str) -> bool | None:
    known = _known(key, arn)
    if known is None or any("${" in v for v in values):
        return None
    if operator == "null":
        return (known == "") == (values == ["true"])
    lenient, operator = operator.endswith("ifexists"), operator.removesuffix("ifexists")
    if operator == "bool":
        return lenient if known == "" else known in [v.lower() for v in values]
    found = _OPERATOR.fullmatch(operator)
    if not found:
        return None
    if known == "":
        return lenient or bool(found["no"])
    if "*" in known and not any(v == known for v in values):  # the responder's role, whose path nobody could read
        return None if any(v.rsplit("/", 1)[-1] == known.rsplit("/", 1)[-1] or "*" in v for v in values) else bool(found["no"])
    wild = found["how"] == "like" or operator.startswith("arn")
    case = found["how"] == "equalsignorecase"
    same = any(_like(v, known) if wild else v.lower() == known.lower() if case else v == known for v in values)
    return same != bool(found["no"])

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles: whom they admit from outside, and which roles of other accounts the account's identities may take."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "role"
NOUN = "roles, and rights to take roles elsewhere"
GLOBAL = True
READS: tuple[str, ...] = ("iam:GetAccountAuthorizationDetails",)
USED: tuple[str, ...] = ("sts:AssumeRole",)
ACTION = "warn the other account, look at its log for sessions from here, and tighten the trust"

_ACCOUNT = re.compile(r"arn:[\w-]+:[\w-]*:[\w-]*:([0-9]{12}):.*|([0-9]{12})", re.DOTALL)
_UNIQUE = ("AROA", "AIDA")  # what is left of a principal that was deleted


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    details = reader.get(Call(target, "iam", "GetAccountAuthorizationDetails", {}))
    for role in details.get("RoleDetailList", []):
        for admitted in sorted(_admits(role.get("AssumeRolePolicyDocument"), target.account)):
            yield Path(str(role["Arn"]), f"from {admitted}", "its trust policy admits it", _account(admitted))
    documents = [(str(i.get("Arn")), p.get("PolicyDocument")) for kind in ("UserDetailList", "RoleDetailList", "GroupDetailList") for i in details.get(kind, [])
                 for p in i.get("UserPolicyList") or i.get("RolePolicyList") or i.get("GroupPolicyList") or []]  # fmt: skip
    documents += [(str(p.get("Arn")), v.get("Document")) for p in details.get("Policies", []) for v in p.get("PolicyVersionList", [])
                  if v.get("IsDefaultVersion") and p.get("AttachmentCount")]  # fmt: skip
    for holder, document in documents:
        for taken in sorted(_takes(document, target.account)):
            yield Path(holder, f"to {taken}", "its policy allows sts:AssumeRole", _account(taken))


def _statements(document: t.Any) -> list[dict[str, t.Any]]:
    found = document.get("Statement") if isinstance(document, dict) else None
    found = found if isinstance(found, list) else [found]
    return [one for one in found if isinstance(one, dict) and one.get("Effect") == "Allow"]


def _many(value: t.Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _admits(document: t.Any, own: str) -> set[str]:
    """Accounts, providers and everybody, of outside."""
    found: set[str] = set()
    for statement in _statements(document):
        principal = statement.get("Principal")
        given = {"AWS": principal} if principal == "*" else principal if isinstance(principal, dict) else {}
        found |= {one for one in _many(given.get("AWS")) if _account(one) != own and not one.startswith(_UNIQUE)} | set(
            _many(given.get("Federated"))
        )
    return found


def _takes(document: t.Any, own: str) -> set[str]:
    """Roles elsewhere that a policy lets its holders assume; everything, where it says so."""
    found: set[str] = set()
    for statement in _statements(document):
        if any(action.lower() in ("sts:assumerole", "sts:assumerole*", "sts:*") for action in _many(statement.get("Action"))):
            found |= {one for one in _many(statement.get("Resource")) if _account(one) != own}
    return found


def _account(text: str) -> str:
    """Of an ARN, or of a principal that is an account; "" for what names none, as ``*``."""
    found = _ACCOUNT.fullmatch(text)
    return (found[1] or found[2]) if found else ""

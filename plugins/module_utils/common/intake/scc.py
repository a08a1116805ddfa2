# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Google Security Command Center: findings of notifications, of the API and of its lists."""

from __future__ import annotations

import re
import typing as t

from ..schema import Problem
from .finding import Finding, dig, mappings, nothing, text

NAME = "Security Command Center"
_SEVERITIES = {"CRITICAL": "critical", "HIGH": "high", "MEDIUM": "medium", "LOW": "low"}
_KEY = re.compile(r"//iam\.googleapis\.com/projects/([^/]{1,100})/serviceAccounts/([^/]{1,200})/keys/([0-9a-f]{40})")
_MEMBER = re.compile(r"(user|serviceAccount):([^\s]{1,200})")


def findings(document: dict[str, t.Any]) -> list[tuple[str, dict[str, t.Any]]]:
    many = document.get("listFindingsResults")
    if isinstance(many, list):
        return [
            (f"listFindingsResults[{number}].finding", item["finding"]) for number, item in mappings(many) if _is_one(item.get("finding"))
        ]
    one = document.get("finding")
    if isinstance(one, dict) and _is_one(one):
        return [("finding", one)]
    return [("", document)] if _is_one(document) else []


def _is_one(value: t.Any) -> bool:
    return isinstance(value, dict) and "/findings/" in text(value, "name") and "category" in value


def read(finding: dict[str, t.Any], path: str, problems: list[Problem]) -> Finding | None:
    access, found = dig(finding, "access"), []
    where = f"{path}.access".lstrip(".")
    if key := _KEY.fullmatch(text(access, "serviceAccountKeyName")):
        found.append((f"{where}.serviceAccountKeyName", _account(key[2], key[1], key[3])))
    elif mail := text(access, "principalEmail"):
        found.append((f"{where}.principalEmail", _identity(mail)))
    for number, member in mappings(finding, "iamBindings"):
        match = _MEMBER.fullmatch(text(member, "member"))
        if match and text(member, "action") == "ADD" and not found:
            found.append((f"{path}.iamBindings[{number}].member".lstrip("."), _identity(match[2])))
    if not found:
        nothing(where, problems, "neither a principal nor a service account key")
        return None
    ip = text(access, "callerIp")
    return Finding(
        NAME,
        text(finding, "name"),
        text(finding, "description")[:120] or text(finding, "category"),
        _SEVERITIES.get(text(finding, "severity"), "high"),
        tuple(found),
        text(finding, "eventTime"),
        (ip,) if ip else (),
        tuple(filter(None, [text(finding, "resourceName")])),
    )


def _identity(mail: str) -> dict[str, str]:
    return _account(mail, "", "") if mail.endswith(".gserviceaccount.com") else {"cloud": "gcp", "user": mail}


def _account(mail: str, project: str, key: str) -> dict[str, str]:
    domain = mail.partition("@")[2]
    own = domain.removesuffix(".iam.gserviceaccount.com") if domain.endswith(".iam.gserviceaccount.com") else project
    return {"cloud": "gcp", **({"project": own} if own else {}), "service_account": mail, **({"key_id": key} if key else {})}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCSF Detection Finding (class 2004): the new AWS Security Hub, Security Lake and others that write it."""

from __future__ import annotations

import datetime as dt
import typing as t

from ..schema import Problem, rfc3339
from .finding import Finding, aws_suspect, dig, listed, mappings, nothing, text

NAME = "OCSF Detection Finding"
_SEVERITIES = {1: "low", 2: "low", 3: "medium", 4: "high", 5: "critical", 6: "critical"}


def findings(document: dict[str, t.Any]) -> list[tuple[str, dict[str, t.Any]]]:
    many = listed("detail.findings", dig(document, "detail", "findings"), _is_one) or listed("Findings", document.get("Findings"), _is_one)
    inner = document.get("detail")
    return many or ([("", document)] if _is_one(document) else [("detail", inner)] if isinstance(inner, dict) and _is_one(inner) else [])


def _is_one(value: t.Any) -> bool:
    return isinstance(value, dict) and value.get("class_uid") == 2004 and isinstance(value.get("finding_info"), dict)


def read(finding: dict[str, t.Any], path: str, problems: list[Problem]) -> Finding | None:
    account, provider = text(finding, "cloud", "account", "uid"), text(finding, "cloud", "provider").upper()
    if provider not in ("AWS", ""):
        problems.append((f"{path}.cloud.provider".lstrip("."), f"is {provider[:40]}: only OCSF findings of AWS are read"))
        return None
    found, touched, ips = [], [], []
    for number, evidence in [(-1, finding), *mappings(finding, "evidences")]:
        user, where = dig(evidence, "actor", "user"), f"{path}.evidences[{number}].actor.user" if number >= 0 else f"{path}.actor.user"
        own = text(user, "account", "uid") or account
        suspect = aws_suspect(text(user, "credential_uid"), text(user, "uid"), "", own) if isinstance(user, dict) else None
        if suspect:
            found.append((where.lstrip("."), suspect))
        if ip := text(evidence, "src_endpoint", "ip"):
            ips.append(ip)
    for number, resource in mappings(finding, "resources"):
        kind, uid = text(resource, "type"), text(resource, "uid")
        where = f"{path}.resources[{number}]".lstrip(".")
        own = text(resource, "owner", "account", "uid") or account
        key = text(resource, "data", "AwsIamAccessKey", "AccessKeyId") or (uid.rpartition(":")[2] if kind.endswith("AccessKey") else "")
        if kind.rpartition("::")[2] in ("AccessKey", "User", "Role") or kind in ("AwsIamAccessKey", "AwsIamUser", "AwsIamRole"):
            suspect = aws_suspect(key, uid, "", own)
            if suspect:
                found.append((where, suspect))
        elif uid:
            touched.append(uid)
    if not found:
        nothing(path or "finding", problems, "neither actor.user, evidences nor resources name a key, a user or a role")
        return None
    info = finding["finding_info"]
    return Finding(
        NAME,
        text(info, "uid"),
        text(info, "title"),
        _SEVERITIES.get(t.cast(int, finding.get("severity_id")), "high") if isinstance(finding.get("severity_id"), int) else "high",
        tuple(found),
        _time(info),
        tuple(dict.fromkeys(ips)),
        tuple(touched),
    )


def _time(info: dict[str, t.Any]) -> str:
    """The first time that it says: text, or milliseconds since 1970."""
    for name in ("first_seen_time", "created_time"):
        if stamp := text(info, f"{name}_dt"):
            return stamp
        value = info.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**14:
            return rfc3339(dt.datetime.fromtimestamp(value / 1000, dt.UTC))
    return ""

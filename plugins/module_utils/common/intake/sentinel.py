# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Sentinel and Defender for Cloud: incidents of an automation rule, rows of SecurityAlert, alerts of Azure Resource Manager."""

from __future__ import annotations

import json
import typing as t

from ..schema import Problem
from .defender import SEVERITIES
from .finding import Finding, camel, dig, mappings, nothing, text

NAME = "Microsoft Sentinel or Defender for Cloud"


def findings(document: dict[str, t.Any]) -> list[tuple[str, dict[str, t.Any]]]:
    """Of each the entities, in one spelling."""
    related = dig(document, "object", "properties", "relatedEntities")
    if isinstance(related, list):
        whole = document["object"]["properties"]
        flat = [{**inner, "type": e.get("kind")} for _n, e in mappings(related) if isinstance(inner := camel(e.get("properties")), dict)]
        return [("object.properties.relatedEntities", {**camel(whole), "entities": flat, "id": text(document, "object", "name")})]
    plain = camel(document)
    inner = plain.get("properties") if isinstance(plain.get("properties"), dict) and "alertDisplayName" in plain["properties"] else None
    if inner is not None:
        return [("properties.entities", {**inner, "id": text(plain, "name")})]
    if "entities" in plain and ("systemAlertId" in plain or "alertName" in plain):
        entities = plain["entities"]
        if isinstance(entities, str):
            try:
                entities = json.loads(entities)
            except (ValueError, RecursionError):
                entities = None
        return [("Entities", {**plain, "entities": camel(entities)})]
    return []


def read(finding: dict[str, t.Any], path: str, problems: list[Problem]) -> Finding | None:
    found, ips = [], []
    for number, entity in mappings(finding, "entities"):
        kind, where = text(entity, "type").lower(), f"{path}[{number}]"
        tenant = text(entity, "aadTenantId")
        mail = f"{text(entity, 'name') or text(entity, 'accountName')}@{text(entity, 'upnSuffix')}"
        user = text(entity, "aadUserId") or (mail if text(entity, "upnSuffix") and not mail.startswith("@") else "")
        if kind == "account" and user:
            tenant = tenant or (text(entity, "upnSuffix") if "@" in user else "")
            if not tenant:
                problems.append((where, "has no tenant (aadTenantId); the workspace's id is not one"))
            found.append((where, {"cloud": "azure", "tenant": tenant, "user": user}))
        elif kind in ("aadserviceprincipal", "serviceprincipal") and text(entity, "objectId"):
            found.append((where, {"cloud": "azure", "tenant": tenant, "service_principal": text(entity, "objectId")}))
        elif kind == "ip":
            ips.append(text(entity, "address"))
    if not found:
        nothing(path, problems, "no account with an object id or a user principal name among its entities")
        return None
    title = next(filter(None, (text(finding, n) for n in ("title", "alertDisplayName", "displayName", "alertName"))), "")
    level = text(finding, "severity") or text(finding, "alertSeverity")
    seen = next(filter(None, (text(finding, n) for n in ("firstActivityTimeUtc", "startTimeUtc", "startTime", "createdTimeUtc"))), "")
    return Finding(NAME, text(finding, "id") or text(finding, "systemAlertId"), title, SEVERITIES.get(level.lower(), "high"), tuple(found), seen,
                   tuple(filter(None, ips)))  # fmt: skip

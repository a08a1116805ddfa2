# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Defender and Entra ID Protection: alerts of the Graph security API (v2)."""

from __future__ import annotations

import typing as t

from ..schema import Problem
from .finding import Finding, listed, mappings, nothing, text

NAME = "Microsoft Defender (Graph alert)"
SEVERITIES = {"high": "high", "medium": "medium", "low": "low", "informational": "low"}


def findings(document: dict[str, t.Any]) -> list[tuple[str, dict[str, t.Any]]]:
    return listed("value", document.get("value"), _is_one) or ([("", document)] if _is_one(document) else [])


def _is_one(value: t.Any) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("evidence"), list) and ("providerAlertId" in value or "detectionSource" in value)
    )


def read(finding: dict[str, t.Any], path: str, problems: list[Problem]) -> Finding | None:
    tenant, found, ips = text(finding, "tenantId"), [], []
    for number, evidence in mappings(finding, "evidence"):
        kind, where = text(evidence, "@odata.type").rpartition(".")[2], f"{path}.evidence[{number}]".lstrip(".")
        user = text(evidence, "userAccount", "azureAdUserId") or text(evidence, "userAccount", "userPrincipalName")
        if kind == "userEvidence" and user:
            found.append((f"{where}.userAccount", {"cloud": "azure", "tenant": tenant, "user": user}))
        elif kind == "oauthApplicationEvidence" and text(evidence, "appId"):
            found.append((f"{where}.appId", {"cloud": "azure", "tenant": tenant, "application": text(evidence, "appId")}))
        elif kind == "servicePrincipalEvidence" and text(evidence, "servicePrincipalObjectId"):
            found.append((where, {"cloud": "azure", "tenant": tenant, "service_principal": text(evidence, "servicePrincipalObjectId")}))
        elif kind == "ipEvidence":
            ips.append(text(evidence, "ipAddress"))
    if not found:
        nothing(path or "finding", problems, "no user, application or service principal among its evidence")
        return None
    return Finding(NAME, text(finding, "id") or text(finding, "providerAlertId"), text(finding, "title"), SEVERITIES.get(text(finding, "severity"), "high"),
                   tuple(found), text(finding, "firstActivityDateTime") or text(finding, "createdDateTime"), tuple(filter(None, ips)))  # fmt: skip

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Health: keys that AWS itself found in public (AWS_RISK_CREDENTIALS_EXPOSED and its like)."""

from __future__ import annotations

import email.utils
import typing as t

from ..schema import Problem, rfc3339
from .finding import Finding, aws_suspect, dig, mappings, nothing, text

NAME = "AWS Health"


def findings(document: dict[str, t.Any]) -> list[tuple[str, dict[str, t.Any]]]:
    found = document.get("source") == "aws.health" and text(document, "detail", "eventTypeCode").startswith("AWS_RISK_CREDENTIALS_")
    return [("detail", {**document["detail"], "account": document.get("account")})] if found else []


def read(finding: dict[str, t.Any], path: str, problems: list[Problem]) -> Finding | None:
    account, found = text(finding, "affectedAccount") or text(finding, "account"), []
    for number, entity in mappings(finding, "affectedEntities"):
        if suspect := aws_suspect(text(entity, "entityValue"), text(entity, "entityValue"), "", account):
            found.append((f"{path}.affectedEntities[{number}].entityValue", suspect))
    if not found:
        nothing(f"{path}.affectedEntities", problems, "no access key among them")
        return None
    code = text(finding, "eventTypeCode")
    return Finding(NAME, text(finding, "eventArn"), text(dig(finding, "eventDescription"), 0, "latestDescription")[:120] or code, "critical", tuple(found),
                   _time(text(finding, "startTime")))  # fmt: skip


def _time(stamp: str) -> str:
    """AWS Health writes `Sat, 05 Jun 2021 15:10:09 GMT`."""
    try:
        moment = email.utils.parsedate_to_datetime(stamp)
    except (TypeError, ValueError):
        return stamp
    return rfc3339(moment) if moment.tzinfo else stamp

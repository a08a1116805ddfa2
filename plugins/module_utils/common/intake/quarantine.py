# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS's own quarantine: the CloudTrail record of AWSCompromisedKeyQuarantine being attached to a user. It contains nobody: the key works on."""

from __future__ import annotations

import re
import typing as t

from ..schema import Problem
from .finding import Finding, aws_suspect, dig, nothing, text

NAME = "AWS key quarantine"
_POLICY = re.compile(r"arn:aws[\w-]*:iam::aws:policy/AWSCompromisedKeyQuarantine(?:V[0-9]{1,3})?")


def findings(document: dict[str, t.Any]) -> list[tuple[str, dict[str, t.Any]]]:
    for path, record in (("detail", document.get("detail")), ("", document)):
        if isinstance(record, dict) and _POLICY.fullmatch(text(record, "requestParameters", "policyArn")):
            return [(path, record)] if text(record, "eventName") == "AttachUserPolicy" and not record.get("errorCode") else []
    return []


def read(finding: dict[str, t.Any], path: str, problems: list[Problem]) -> Finding | None:
    account, user = (
        text(finding, "recipientAccountId") or text(finding, "userIdentity", "accountId"),
        text(finding, "requestParameters", "userName"),
    )
    suspect = aws_suspect("", "", user, account)
    if suspect is None or not account:
        nothing(f"{path}.requestParameters.userName".lstrip("."), problems, "the record has no user name, or no account")
        return None
    policy = text(finding, "requestParameters", "policyArn").rpartition("/")[2]
    return Finding(NAME, text(finding, "eventID"), f"AWS attached {policy} to {user}: one of its keys was found in public", "critical",
                   ((f"{path}.requestParameters.userName".lstrip("."), suspect),), text(finding, "eventTime"),
                   resources=tuple(filter(None, [text(dig(finding, "userIdentity"), "arn")])))  # fmt: skip

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Amazon GuardDuty: findings of the API, of the export to S3, and of EventBridge."""

from __future__ import annotations

import typing as t

from ..schema import Problem
from .finding import Finding, aws_suspect, camel, dig, listed, nothing, text

NAME = "GuardDuty"


def findings(document: dict[str, t.Any]) -> list[tuple[str, dict[str, t.Any]]]:
    if document.get("source") == "aws.guardduty" and isinstance(document.get("detail"), dict):
        return [("detail", camel(document["detail"]))]
    plain = camel(document)
    return listed("Findings", plain.get("findings"), _is_one) or ([("", plain)] if _is_one(plain) else [])


def _is_one(value: t.Any) -> bool:
    return (
        isinstance(value, dict)
        and text(value, "schemaVersion").startswith("2.")
        and isinstance(dig(value, "resource", "resourceType"), str)
    )


def read(finding: dict[str, t.Any], path: str, problems: list[Problem]) -> Finding | None:
    if dig(finding, "service", "additionalInfo", "sample") is True or "GeneratedFinding" in text(
        finding, "resource", "accessKeyDetails", "accessKeyId"
    ):
        problems.append((path, "is a sample that GuardDuty made: its identities do not exist"))
        return None
    account, details = text(finding, "accountId"), dig(finding, "resource", "accessKeyDetails")
    user, kind = text(details, "userName"), text(details, "userType")
    arn = (
        f"arn:aws:iam::{account}:root"
        if kind == "Root"
        else f"arn:aws:iam::{account}:role/{user}"
        if kind in ("AssumedRole", "Role") and user
        else ""
    )
    suspect = aws_suspect("" if kind == "Root" else text(details, "accessKeyId"), arn, user if kind in ("IAMUser", "") else "", account)
    instance = text(finding, "resource", "instanceDetails", "instanceId")
    where = f"{path}.resource.accessKeyDetails".lstrip(".")
    if suspect is None and instance:
        suspect, where = (
            {"cloud": "aws", "account": account, "instance": instance},
            f"{path}.resource.instanceDetails.instanceId".lstrip("."),
        )
    if suspect is None:
        nothing(path or "finding", problems, f"{text(finding, 'type') or 'no type'} is about {text(finding, 'resource', 'resourceType')}")
        return None
    action = dig(finding, "service", "action")
    calls = [
        dig(action, name, "remoteIpDetails", "ipAddressV4")
        for name in ("awsApiCallAction", "networkConnectionAction", "kubernetesApiCallAction")
    ]
    buckets = dig(finding, "resource", "s3BucketDetails")
    return Finding(
        NAME, text(finding, "id"), text(finding, "title") or text(finding, "type"), severity(dig(finding, "severity")), ((where, suspect),),
        text(finding, "service", "eventFirstSeen"), tuple(ip for ip in calls if isinstance(ip, str)),
        tuple(text(b, "arn") for b in buckets if text(b, "arn")) if isinstance(buckets, list) else (),
    )  # fmt: skip


def severity(value: t.Any) -> str:
    """GuardDuty's numbers: low to 3.9, medium to 6.9, high to 8.9, critical above."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "high"
    return "critical" if value >= 9 else "high" if value >= 7 else "medium" if value >= 4 else "low"

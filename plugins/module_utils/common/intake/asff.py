# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Security Hub, ASFF: BatchImportFindings, GetFindings and EventBridge."""

from __future__ import annotations

import typing as t

from ..schema import Problem
from .finding import Finding, aws_suspect, dig, listed, mappings, nothing, text

NAME = "Security Hub (ASFF)"
_LABELS = {"CRITICAL": "critical", "HIGH": "high", "MEDIUM": "medium", "LOW": "low", "INFORMATIONAL": "low"}
_CHECKS = "Software and Configuration Checks"
_IDENTITIES = ("AwsIamAccessKey", "AwsIamUser", "AwsIamRole", "AwsEc2Instance")


def findings(document: dict[str, t.Any]) -> list[tuple[str, dict[str, t.Any]]]:
    many = listed("detail.findings", dig(document, "detail", "findings"), _is_one) or listed("Findings", document.get("Findings"), _is_one)
    return many or ([("", document)] if _is_one(document) else [])


def _is_one(value: t.Any) -> bool:
    return isinstance(value, dict) and "ProductArn" in value and isinstance(value.get("Resources"), list)


def read(finding: dict[str, t.Any], path: str, problems: list[Problem]) -> Finding | None:
    kinds = dig(finding, "Types")
    if isinstance(kinds, list) and kinds and all(isinstance(one, str) and one.startswith(_CHECKS) for one in kinds):
        problems.append(
            (f"{path}.Types".lstrip("."), "is a check of configuration: it says what could be better, not that anybody is in wrong hands")
        )
        return None
    account, found, touched = text(finding, "AwsAccountId"), [], []
    for number, resource in mappings(finding, "Resources"):
        kind, name, where = text(resource, "Type"), text(resource, "Id"), f"{path}.Resources[{number}]".lstrip(".")
        if kind not in _IDENTITIES:
            touched.append(name)
            continue
        key = dig(resource, "Details", "AwsIamAccessKey")
        own = text(key, "AccountId") or account
        principal, sort = text(key, "PrincipalName") or text(key, "UserName"), text(key, "PrincipalType")
        role = f"arn:aws:iam::{own}:role/{principal}" if sort in ("AssumedRole", "Role") and principal else ""
        role = f"arn:aws:iam::{own}:root" if sort == "Root" else role
        instance = name.rpartition("/")[2] if kind == "AwsEc2Instance" else ""
        suspect = (
            {"cloud": "aws", "account": account, "instance": instance}
            if instance.startswith("i-")
            else aws_suspect("" if sort == "Root" else text(key, "AccessKeyId") or name.rpartition(":")[2], role or name, principal, own)
        )
        if suspect:
            found.append((where, suspect))
    narrow = [entry for entry in found if "instance" not in entry[1]] or found  # a key says more than the machine that lost it
    if not narrow:
        nothing(path or "finding", problems, f"none of its resources is one of {', '.join(_IDENTITIES)}")
        return None
    label = text(finding, "FindingProviderFields", "Severity", "Label") or text(finding, "Severity", "Label")
    ip = text(finding, "Action", "AwsApiCallAction", "RemoteIpDetails", "IpAddressV4")
    return Finding(NAME, text(finding, "Id"), text(finding, "Title"), _LABELS.get(label, "high"), tuple(narrow),
                   text(finding, "FirstObservedAt") or text(finding, "CreatedAt"), (ip,) if ip else (), tuple(t for t in touched if t))  # fmt: skip

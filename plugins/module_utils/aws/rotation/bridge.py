# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge: while dependents are moved, the old key works from their networks only, and for nothing that would give its holder more."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable

PURPOSE = "bridge"
_MORE = ["iam:*", "organizations:*", "sts:GetFederationToken", "sts:GetSessionToken"]
# Hosted runners share their addresses with everybody else's jobs, so a network of theirs holds nobody out.
SHARED = ("github", "gitlab.com", "circleci", "bitbucket", "travis", "azure-pipelines")


def document(sid: str, networks: Iterable[str], vpcs: Iterable[str], assumed: Iterable[str]) -> dict[str, t.Any]:
    """The deny. ``assumed``: ARNs of the roles that the key assumed before the incident's window; every other role is out of its reach."""
    outside: dict[str, t.Any] = {"NotIpAddressIfExists": {"aws:SourceIp": sorted(networks)}, "BoolIfExists": {"aws:ViaAWSService": "false"}}
    if named := sorted(vpcs):
        outside["StringNotEqualsIfExists"] = {"aws:SourceVpc": named}
    else:
        outside["StringNotEqualsIfExists"] = {"aws:SourceVpc": ["none"]}
    known = sorted(assumed)
    roles: dict[str, t.Any] = {"NotResource": known} if known else {"Resource": "*"}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": sid, "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": outside},
            {"Sid": sid + "More", "Effect": "Deny", "Action": _MORE, "Resource": "*"},
            {"Sid": sid + "Roles", "Effect": "Deny", "Action": ["sts:AssumeRole"], **roles},
        ],
    }

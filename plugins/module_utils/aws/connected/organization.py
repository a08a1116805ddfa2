# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The organization: its management account rules all others."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "organization"
NOUN = "the organization"
GLOBAL = True
READS: tuple[str, ...] = ("organizations:DescribeOrganization",)
USED: tuple[str, ...] = (
    "sts:AssumeRoot",
    "organizations:CreateAccount",
    "organizations:AttachPolicy",
    "organizations:DetachPolicy",
)
ACTION = "whoever rules the management account rules every member: look at its log, its delegated administrators and its policies"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    found = reader.get(Call(target, "organizations", "DescribeOrganization", {})).get("Organization") or {}
    if found.get("MasterAccountId"):
        own = "it is this account" if found["MasterAccountId"] == target.account else ""
        yield Path(
            str(found.get("Arn") or found["Id"]),
            f"management account {found['MasterAccountId']}",
            own,
            str(found.get("MasterAccountEmail") or ""),
        )

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directory Service: connectors and trusts into an Active Directory, and from there into Entra ID."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "directory"
NOUN = "directories"
GLOBAL = False
READS: tuple[str, ...] = ("ds:DescribeDirectories",)
USED: tuple[str, ...] = (
    "ds:CreateTrust",
    "ds:ResetUserPassword",
    "ds:EnableSso",
    "ds-data:ResetUserPassword",
)
ACTION = "tell the team of the directory: a connector's service account, trusts, and Entra Connect where the directory is synchronised"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "ds", "DescribeDirectories", {})).get("DirectoryDescriptions", []):
        what = str((one.get("ConnectSettings") or {}).get("CustomerUserName") or "")
        yield Path(
            f"directory {one['DirectoryId']} in {target.region}",
            str(one.get("Name") or ""),
            f"{one.get('Type')}{', connects as ' + what if what else ''}",
            str((one.get("OwnerDirectoryDescription") or {}).get("AccountId") or ""),
        )

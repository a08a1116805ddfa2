# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DataSync: copies to and from other sites and clouds."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "datasync"
NOUN = "DataSync locations"
GLOBAL = False
READS: tuple[str, ...] = ("datasync:ListLocations",)
USED: tuple[str, ...] = (
    "datasync:CreateTask",
    "datasync:StartTaskExecution",
    "datasync:CreateLocationS3",
    "datasync:CreateLocationAzureBlob",
)
ACTION = "look at where tasks of the window copied to, and at locations outside of the organization"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "datasync", "ListLocations", {})).get("Locations", []):
        yield Path(str(one["LocationArn"]), str(one.get("LocationUri") or ""), "")

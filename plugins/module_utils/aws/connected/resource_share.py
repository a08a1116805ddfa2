# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RAM: what is shared with other accounts."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "resource_share"
NOUN = "resource shares"
GLOBAL = False
READS: tuple[str, ...] = ("ram:GetResourceShares",)
USED: tuple[str, ...] = (
    "ram:CreateResourceShare",
    "ram:AssociateResourceShare",
)
ACTION = "look at shares of the window and at whom they admit"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    mine = {"resourceOwner": "SELF"}
    for one in reader.get(Call(target, "ram", "GetResourceShares", mine)).get("resourceShares", []):
        if one.get("status") == "ACTIVE":
            outside = (
                "accounts outside of the organization may be admitted" if one.get("allowExternalPrincipals") else "within the organization"
            )
            yield Path(str(one["resourceShareArn"]), str(one.get("name") or ""), outside, str(one.get("owningAccountId") or ""))

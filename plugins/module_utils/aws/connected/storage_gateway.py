# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage Gateway: file shares and volumes at other sites."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "storage_gateway"
NOUN = "storage gateways"
GLOBAL = False
READS: tuple[str, ...] = ("storagegateway:ListGateways",)
USED: tuple[str, ...] = (
    "storagegateway:CreateNFSFileShare",
    "storagegateway:CreateSMBFileShare",
    "storagegateway:JoinDomain",
)
ACTION = "tell the site that runs it, and look at the shares that were made in the window"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "storagegateway", "ListGateways", {})).get("Gateways", []):
        yield Path(
            str(one["GatewayARN"]),
            f"{one.get('GatewayName') or ''} {one.get('HostEnvironment') or ''}".strip(),
            str(one.get("GatewayOperationalState") or ""),
        )

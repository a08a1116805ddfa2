# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VPN connections to other networks."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path, named, tag_owner

KIND = "vpn"
NOUN = "VPN connections"
GLOBAL = False
READS: tuple[str, ...] = ("ec2:DescribeVpnConnections",)
USED: tuple[str, ...] = (
    "ec2:CreateVpnConnection",
    "ec2:CreateVpnConnectionRoute",
    "ec2:GetVpnConnectionDeviceSampleConfiguration",
)
ACTION = "look at the firewall logs of the other end for the machines that were named; a new connection of the window goes"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "ec2", "DescribeVpnConnections", {})).get("VpnConnections", []):
        if one.get("State") not in ("deleted", "deleting"):
            yield Path(
                named(target, "ec2", f"vpn-connection/{one['VpnConnectionId']}"),
                f"customer gateway {one.get('CustomerGatewayId')}",
                str(one.get("State")),
                tag_owner(one.get("Tags")),
            )

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VPC peering: networks of other accounts."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path, named

KIND = "peering"
NOUN = "peering connections"
GLOBAL = False
READS: tuple[str, ...] = ("ec2:DescribeVpcPeeringConnections",)
USED: tuple[str, ...] = (
    "ec2:CreateVpcPeeringConnection",
    "ec2:AcceptVpcPeeringConnection",
)
ACTION = "warn the owner of the other network; a connection of the window goes"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "ec2", "DescribeVpcPeeringConnections", {})).get("VpcPeeringConnections", []):
        ends = [one.get(name) or {} for name in ("RequesterVpcInfo", "AccepterVpcInfo")]
        other = next((e for e in ends if e.get("OwnerId") != target.account), ends[1])
        if (one.get("Status") or {}).get("Code") in ("active", "pending-acceptance", "provisioning"):
            yield Path(named(target, "ec2", f"vpc-peering-connection/{one['VpcPeeringConnectionId']}"), f"{other.get('VpcId')} in {other.get('Region')}",
                       str(one["Status"]["Code"]), str(other.get("OwnerId") or ""))  # fmt: skip

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transit gateways: networks of other accounts and sites."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path, named

KIND = "transit_gateway"
NOUN = "attachments of transit gateways"
GLOBAL = False
READS: tuple[str, ...] = ("ec2:DescribeTransitGatewayAttachments",)
USED: tuple[str, ...] = (
    "ec2:CreateTransitGatewayVpcAttachment",
    "ec2:CreateTransitGatewayRoute",
    "ec2:AcceptTransitGatewayVpcAttachment",
    "ec2:CreateTransitGatewayPeeringAttachment",
)
ACTION = "look at the flow logs of the gateway for the machines that were named, and warn the owners of the attached networks"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "ec2", "DescribeTransitGatewayAttachments", {})).get("TransitGatewayAttachments", []):
        if one.get("State") not in ("deleted", "deleting"):
            yield Path(
                named(target, "ec2", f"transit-gateway-attachment/{one['TransitGatewayAttachmentId']}"),
                f"{one.get('ResourceType')} {one.get('ResourceId')}",
                str(one.get("State")),
                str(one.get("ResourceOwnerId") or ""),
            )

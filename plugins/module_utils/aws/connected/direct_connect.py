# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Direct Connect: lines into a data centre."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "direct_connect"
NOUN = "virtual interfaces of Direct Connect"
GLOBAL = False
READS: tuple[str, ...] = ("directconnect:DescribeVirtualInterfaces",)
USED: tuple[str, ...] = (
    "directconnect:CreatePrivateVirtualInterface",
    "directconnect:AcceptDirectConnectGatewayAssociationProposal",
)
ACTION = "look at the firewall logs of the data centre for the machines that were named"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "directconnect", "DescribeVirtualInterfaces", {})).get("virtualInterfaces", []):
        if one.get("virtualInterfaceState") not in ("deleted", "deleting"):
            yield Path(
                f"virtual interface {one.get('virtualInterfaceId')} in {target.region}",
                f"{one.get('location') or 'no place said'}, ASN {one.get('asn')}",
                str(one.get("virtualInterfaceState")),
                str(one.get("ownerAccount") or ""),
            )

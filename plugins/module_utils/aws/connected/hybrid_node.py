# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSM hybrid nodes: machines elsewhere on which commands can be run from here."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path, named

KIND = "hybrid_node"
NOUN = "hybrid nodes of SSM"
GLOBAL = False
READS: tuple[str, ...] = ("ssm:DescribeInstanceInformation",)
USED: tuple[str, ...] = (
    "ssm:SendCommand",
    "ssm:StartSession",
    "ssm:CreateActivation",
    "ssm:RegisterManagedInstance",
)
ACTION = "look at what ran on these machines, and at activations that were made in the window"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    only = {"Filters": [{"Key": "ResourceType", "Values": ["ManagedInstance"]}]}
    for one in reader.get(Call(target, "ssm", "DescribeInstanceInformation", only)).get("InstanceInformationList", []):
        yield Path(
            named(target, "ssm", f"managed-instance/{one['InstanceId']}"),
            f"{one.get('ComputerName') or one.get('Name') or 'no name'} {one.get('IPAddress') or ''}".strip(),
            str(one.get("PingStatus") or ""),
            str(one.get("IamRole") or ""),
        )

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IMDSv2: on an instance that goes on serving, the way by which a request forged on it (SSRF) reads credentials is closed, where nothing honest takes it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from ...common.plan import Call, Probe, Step
from ...common.reader import Reader
from ..session import iso
from .kind import Machine, step

READS: tuple[str, ...] = ("ec2:DescribeInstances", "cloudwatch:GetMetricStatistics")
DAYS = 14
PART = "imds"  # of the Step's id
_REQUIRED = "required"


def required(machine: Machine) -> bool:
    """Whether version 1 answers nobody."""
    options = machine.data.get("MetadataOptions") or {}
    return bool(options.get("HttpTokens") == _REQUIRED or options.get("HttpEndpoint") == "disabled")


def why_not(machine: Machine, now: datetime.datetime, reader: Reader) -> str:
    """Why version 1 cannot be switched off; "" when CloudWatch shows of every one of 14 days that nothing used it."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    asked = {
        "Namespace": "AWS/EC2", "MetricName": "MetadataNoToken", "Dimensions": [{"Name": "InstanceId", "Value": machine.id}], "Period": 86400,
        "StartTime": iso(today - datetime.timedelta(days=DAYS)), "EndTime": iso(now), "Statistics": ["Sum"],
    }  # fmt: skip
    points = reader.get(Call(machine.target, "cloudwatch", "GetMetricStatistics", asked)).get("Datapoints", [])
    used = sum(float(p.get("Sum") or 0) for p in points)
    if used:
        return f"something on it asked version 1 {used:.0f} times in {DAYS} days"
    days = {str(p.get("Timestamp"))[:10] for p in points}
    return "" if len(days) >= DAYS else f"CloudWatch shows {len(days)} of {DAYS} days, so it is not known whether something uses version 1"


def require(machine: Machine, reader: Reader) -> Iterator[Step]:
    """IMDSv2 only."""
    read = Call(machine.target, "ec2", "DescribeInstances", {"InstanceIds": [machine.id]})
    probe = Probe(read, ("Reservations", 0, "Instances", 0, "MetadataOptions", "HttpTokens"))
    before = reader.read(probe)
    options = {"InstanceId": machine.id, "HttpTokens": _REQUIRED}
    yield step(
        machine, PART, "metadata service", "require version 2", before, _REQUIRED,
        (Call(machine.target, "ec2", "ModifyInstanceMetadataOptions", options),), probe,
        (Call(machine.target, "ec2", "ModifyInstanceMetadataOptions", {**options, "HttpTokens": before or "optional"}),),
    )  # fmt: skip

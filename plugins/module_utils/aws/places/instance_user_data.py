# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""User data of EC2 instances: plain, compressed, or in MIME parts. Whatever it wrote onto the disk stays there when it is changed."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles
from .kind import LIKELY, Part, Seen, Told, found

KIND = "instance_user_data"
NOUN = "EC2 instances (user data)"
LISTING = ("ec2:DescribeInstances",)
READS: tuple[str, ...] = (*LISTING, "ec2:DescribeInstanceAttribute")
_GONE = "InvalidInstanceID.NotFound"


def instances(target: Target, reader: Reader) -> Iterator[dict[str, t.Any]]:
    """All that are not terminated; listed once, whoever asks."""
    for reservation in reader.get(Call(target, "ec2", "DescribeInstances", {})).get("Reservations", []):
        for instance in reservation.get("Instances", []):
            if (instance.get("State") or {}).get("Name") != "terminated":
                yield instance


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    for instance in instances(target, reader):
        yield Part(str(instance["InstanceId"]), lambda instance=instance: _look(target, instance, needles, reader))  # type: ignore[misc]


def _look(target: Target, instance: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    yield Seen()
    name = str(instance["InstanceId"])
    try:
        answer = reader.get(Call(target, "ec2", "DescribeInstanceAttribute", {"InstanceId": name, "Attribute": "userData"}))
    except CloudError as error:
        if error.code == _GONE:
            return
        raise
    spots = needles.find_encoded((answer.get("UserData") or {}).get("Value"), "UserData")
    state = str((instance.get("State") or {}).get("Name", ""))
    addresses = [str(instance[k]) for k in ("PublicIpAddress", "PrivateIpAddress") if instance.get(k)]
    yield from found(
        target,
        name,
        f"user data of EC2 instance {name} in {target.region}",
        spots,
        state=state,
        confidence=LIKELY,
        data={"addresses": addresses},
    )

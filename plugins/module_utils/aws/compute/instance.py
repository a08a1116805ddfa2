# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2 instances: kept as evidence, out of production, out of the network, and without a role. Nothing here stops or terminates one but ``stop``.

The role's sessions are revoked again when the profile is off (``minting.last``): what the metadata service handed out until then goes with it.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ...common import compute
from ...common.errors import CloudError
from ...common.plan import Call, Phase, Probe, Ref, Step, Target
from ...common.reader import Reader
from .kind import MARK, TAG, About, Machine, Stage, arn_of, step
from .target_groups import left

KIND = "ec2_instance"
NOUN = "EC2 instances"
ARN = compute.INSTANCE
EVENTS: frozenset[tuple[str, str]] = frozenset({("ec2.amazonaws.com", "RunInstances")})
READS: tuple[str, ...] = (
    "ec2:DescribeInstances", "ec2:DescribeInstanceAttribute", "ec2:DescribeSnapshots", "ec2:DescribeIamInstanceProfileAssociations",
    "iam:GetInstanceProfile", "autoscaling:DescribeAutoScalingInstances", "ec2:DescribeNetworkInterfaces",
)  # fmt: skip
OFF = "profile"
NETWORK = "network/"  # part of the ids of the Steps on an interface
_NONE = ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed")
_OVER = ("terminated", "shutting-down")
_HELD = ("Pending", "Pending:Wait", "Pending:Proceed", "InService", "EnteringStandby", "Standby", "Quarantined")  # states in a group
_ASSOCIATIONS = "IamInstanceProfileAssociations"


def started(event: Mapping[str, t.Any]) -> list[str]:
    """The instances of a RunInstances."""
    items = ((event.get("responseElements") or {}).get("instancesSet") or {}).get("items") or []
    return [arn_of(event, "ec2", f"instance/{i['instanceId']}") for i in items if i.get("instanceId")]


def look(target: Target, arn: str, reader: Reader) -> Machine:
    """What it is now. AWS shows a terminated one for an hour, then it knows nothing of it."""
    name = arn.rsplit("/", 1)[-1]
    text = f"EC2 instance {name} in {target.region}"
    try:
        answer = reader.get(Call(target, "ec2", "DescribeInstances", {"InstanceIds": [name]}))
    except CloudError as error:
        if error.code not in _NONE:
            raise
        answer = {}
    data = next((i for r in answer.get("Reservations", []) for i in r["Instances"]), None)
    if data is None:
        return Machine(target, arn, name, text, gone="it is not there any more (AWS forgets a terminated instance within an hour)")
    state = str((data.get("State") or {}).get("Name"))
    if state in _OVER:
        return Machine(target, arn, name, text, data=data, gone=f"it is {state}; disks and snapshots that it left may still be there")
    profile = str((data.get("IamInstanceProfile") or {}).get("Arn", ""))
    notes = (
        ["a spot instance cannot be protected against termination: AWS may take it away"] if data.get("InstanceLifecycle") == "spot" else []
    )
    notes += [] if _volumes(data) else ["it has no EBS volume of which a snapshot could be taken"]
    return Machine(target, arn, name, text, _roles(target, profile, reader), name, data, notes=tuple(notes))


def _roles(target: Target, profile: str, reader: Reader) -> tuple[str, ...]:
    if not profile:
        return ()
    named = {"InstanceProfileName": profile.rsplit("/", 1)[-1]}
    try:
        found = reader.get(Call(Target("aws", target.account), "iam", "GetInstanceProfile", named))
    except CloudError as error:
        if error.code not in ("NoSuchEntity", "NoSuchEntityException"):
            raise
        return ()
    return tuple(str(r["Arn"]) for r in found.get("InstanceProfile", {}).get("Roles", []))


def _volumes(data: Mapping[str, t.Any]) -> list[tuple[str, str]]:
    """(device, volume) of each EBS volume."""
    mappings = data.get("BlockDeviceMappings", [])
    return [(str(m["DeviceName"]), str(m["Ebs"]["VolumeId"])) for m in mappings if (m.get("Ebs") or {}).get("VolumeId")]


# -- first: what is evidence, and what production needs ------------------------------------------------------------------------------


def snapshots(machine: Machine, about: About, reader: Reader) -> Iterator[Step]:
    """Started, not waited for: a snapshot shows its volume as it is at that moment."""
    for device, volume in _volumes(machine.data):
        filters = [{"Name": f"tag:{TAG}", "Values": [about.incident]}, {"Name": "volume-id", "Values": [volume]}]
        probe = Probe(
            Call(machine.target, "ec2", "DescribeSnapshots", {"OwnerIds": ["self"], "Filters": filters}), ("Snapshots", "SnapshotId")
        )
        tags = [
            {"Key": TAG, "Value": about.incident},
            {"Key": "evict-instance", "Value": machine.id},
            {"Key": "evict-device", "Value": device},
        ]
        create = {"VolumeId": volume, "Description": f"evict {about.incident}: {machine.id} {device}"[:255],
                  "TagSpecifications": [{"ResourceType": "snapshot", "Tags": tags}]}  # fmt: skip
        made = f"{machine.arn}{MARK}snapshot/{volume}"
        yield Step(
            id=made, principal=machine.arn, resource=f"{machine.text}, snapshot of {volume}", action="start a snapshot", phase=Phase.RESOURCE,
            before=reader.read(probe) or [], after=None, do=(Call(machine.target, "ec2", "CreateSnapshot", create, idempotent=False),),
            owns=Ref(made, ("SnapshotId",)), probe=probe, irreversible="it is evidence and stays, also after a release",
        )  # fmt: skip


def protect(machine: Machine, _about: About, reader: Reader) -> Iterator[Step]:
    """Nobody terminates it, and if somebody does its disks stay."""
    instance = {"InstanceId": machine.id}
    if machine.data.get("InstanceLifecycle") != "spot":
        read = Call(machine.target, "ec2", "DescribeInstanceAttribute", {**instance, "Attribute": "disableApiTermination"})
        probe = Probe(read, ("DisableApiTermination", "Value"))
        before = bool(reader.read(probe))
        yield step(
            machine, "termination", "termination protection", "switch on", before, True,
            (Call(machine.target, "ec2", "ModifyInstanceAttribute", {**instance, "DisableApiTermination": {"Value": True}}),), probe,
            (Call(machine.target, "ec2", "ModifyInstanceAttribute", {**instance, "DisableApiTermination": {"Value": before}}),),
        )  # fmt: skip
    for device, _volume in _volumes(machine.data):
        read = Call(machine.target, "ec2", "DescribeInstances", {"InstanceIds": [machine.id]})
        probe = Probe(
            read, ("Reservations", 0, "Instances", 0, "BlockDeviceMappings", {"DeviceName": device}, "Ebs", "DeleteOnTermination")
        )
        before = bool(reader.read(probe))
        yield step(
            machine, f"disk/{device}", f"DeleteOnTermination of {device}", "switch off", before, False,
            (Call(machine.target, "ec2", "ModifyInstanceAttribute", {**instance, "BlockDeviceMappings": _deletes(device, False)}),), probe,
            (Call(machine.target, "ec2", "ModifyInstanceAttribute", {**instance, "BlockDeviceMappings": _deletes(device, before)}),),
        )  # fmt: skip


def _deletes(device: str, value: bool) -> list[dict[str, t.Any]]:
    return [{"DeviceName": device, "Ebs": {"DeleteOnTermination": value}}]


def withdraw(machine: Machine, _about: About, reader: Reader) -> Iterator[Step]:
    """Out of its auto-scaling group, which starts another in its place, and out of its target groups."""
    asked = {"InstanceIds": [machine.id]}
    held = [{"InstanceId": machine.id, "LifecycleState": s} for s in _HELD]
    probe = Probe(
        Call(machine.target, "autoscaling", "DescribeAutoScalingInstances", asked), ("AutoScalingInstances", held, "AutoScalingGroupName")
    )
    for group in reader.read(probe) or []:
        member = {**asked, "AutoScalingGroupName": group}
        yield step(
            machine, f"asg/{group}", f"member of auto-scaling group {group}", "detach, and let the group replace it", [group], [],
            (Call(machine.target, "autoscaling", "DetachInstances", {**member, "ShouldDecrementDesiredCapacity": False}),), probe,
            (Call(machine.target, "autoscaling", "AttachInstances", member),),
        )  # fmt: skip
    addresses = [str(i["PrivateIpAddress"]) for i in machine.data.get("NetworkInterfaces", []) if i.get("PrivateIpAddress")]
    yield from left(machine, str(machine.data.get("VpcId", "")), (machine.id, *addresses), reader)


# -- the network ---------------------------------------------------------------------------------------------------------------------


def open_network(machine: Machine, about: About, reader: Reader) -> Iterator[Step]:
    """Through the group that allows everything, so that the next one ends what flows now."""
    for interface, now, probe, (opened, closed) in _interfaces(machine, about, reader):
        if now != [closed] and now != [opened] and opened:
            yield _regroup(machine, interface, now, opened, probe)


def close_network(machine: Machine, about: About, reader: Reader) -> Iterator[Step]:
    """Nothing in, nothing out, on every interface."""
    for interface, now, probe, (_opened, closed) in _interfaces(machine, about, reader):
        yield _regroup(machine, interface, now, closed or f"evict-closed-{about.incident}, which is made first", probe)


def give_back(machine: Machine, interface: str, first: list[str], opened: str, reader: Reader) -> Iterator[Step]:
    """An interface that stands in the group that allows everything, and could not be closed, gets the groups that it had."""
    probe = _probe(machine, interface)
    if first and (now := list(reader.read(probe) or [])) == [opened]:
        yield _regroup(machine, interface, now, first, probe, "put back, since it could not be isolated")


def _interfaces(machine: Machine, about: About, reader: Reader) -> Iterator[tuple[str, list[str], Probe, tuple[str, str]]]:
    for interface in machine.data.get("NetworkInterfaces", []):
        name = str(interface["NetworkInterfaceId"])
        probe = _probe(machine, name)
        pair = about.groups.get(str(interface.get("VpcId")))
        if pair:
            yield name, list(reader.read(probe) or []), probe, pair


def _probe(machine: Machine, interface: str) -> Probe:
    read = Call(machine.target, "ec2", "DescribeNetworkInterfaces", {"NetworkInterfaceIds": [interface]})
    return Probe(read, ("NetworkInterfaces", 0, "Groups", "GroupId"), ("InvalidNetworkInterfaceID.NotFound",))


def _regroup(machine: Machine, interface: str, now: list[str], to: str | list[str], probe: Probe, action: str = "isolate") -> Step:
    wanted = [to] if isinstance(to, str) else to

    def modify(groups: list[str]) -> Call:
        return Call(machine.target, "ec2", "ModifyNetworkInterfaceAttribute", {"NetworkInterfaceId": interface, "Groups": groups})

    what = f"security groups of {interface}"
    return step(machine, f"{NETWORK}{interface}", what, action, now, wanted, (modify(wanted),), probe, (modify(now),))


# -- last: the role ------------------------------------------------------------------------------------------------------------------


def take_role(machine: Machine, _about: About, reader: Reader) -> Iterator[Step]:
    """The metadata service hands out no more credentials."""
    filters = [{"Name": "instance-id", "Values": [machine.id]}, {"Name": "state", "Values": ["associating", "associated"]}]
    read = Call(machine.target, "ec2", "DescribeIamInstanceProfileAssociations", {"Filters": filters})
    for entry in reader.get(read).get(_ASSOCIATIONS, []):
        profile = {"Arn": str(entry["IamInstanceProfile"]["Arn"])}
        seen = Probe(read, (_ASSOCIATIONS, [{"IamInstanceProfile": profile}], "InstanceId"))
        yield step(
            machine, OFF, f"instance profile {profile['Arn']}", "take away", reader.read(seen), [],
            (Call(machine.target, "ec2", "DisassociateIamInstanceProfile", {"AssociationId": str(entry["AssociationId"])}),), seen,
            (Call(machine.target, "ec2", "AssociateIamInstanceProfile", {"InstanceId": machine.id, "IamInstanceProfile": profile}),),
        )  # fmt: skip


def stop(machine: Machine, _about: About, reader: Reader) -> Iterator[Step]:
    """Only for what a suspect started, and only when it is asked for. What it had in memory is lost."""
    running = [{"State": {"Name": state}} for state in ("pending", "running")]
    read = Call(machine.target, "ec2", "DescribeInstances", {"InstanceIds": [machine.id]})
    probe = Probe(read, ("Reservations", 0, "Instances", running, "InstanceId"))
    yield step(
        machine, "stop", "running", "stop", reader.read(probe) or [], [], (Call(machine.target, "ec2", "StopInstances", {"InstanceIds": [machine.id]}),),
        probe, (Call(machine.target, "ec2", "StartInstances", {"InstanceIds": [machine.id]}),),
    )  # fmt: skip


FIRST: tuple[Stage, ...] = (snapshots, protect, withdraw, open_network)
SECOND: tuple[Stage, ...] = (close_network, take_role)

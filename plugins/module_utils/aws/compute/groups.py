# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two security groups of an incident in a VPC, through which the interfaces of its machines go into isolation.

A group without rules alone would leave connections alive that a security group tracks: AWS goes on letting their packets through. While everything is
allowed from and to everywhere nothing is tracked, and an untracked flow ends at once when its rule goes ("Amazon EC2 security group connection
tracking"; AWSSupport-ContainEC2Instance goes the same way). What AWS always tracks (through load balancers, NAT gateways and their like) runs out by its
own idle timeout.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Phase, Probe, Ref, Step, Target
from ...common.reader import Reader
from .kind import MARK, TAG

READS: tuple[str, ...] = ("ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules", "ec2:DescribeNetworkInterfaces")
OPEN, CLOSED = "open", "closed"
_GONE = ("InvalidGroup.NotFound",)


def place(target: Target, vpc: str, partition: str = "aws") -> str:
    """ARN of the VPC, which stands as principal of the Steps."""
    return f"arn:{partition}:ec2:{target.region}:{target.account}:vpc/{vpc}"


def step_id(vpc_arn: str, which: str) -> str:
    return f"{vpc_arn}{MARK}group/{which}"


def name(which: str, incident: str) -> str:
    return f"evict-{which}-{incident}"


def make(target: Target, vpc_arn: str, incident: str, reader: Reader) -> Iterator[Step]:
    """Both groups; which id is ours the ledger knows, since anybody may give a group that name."""
    vpc = vpc_arn.rsplit("/", 1)[-1]
    for which, why in ((OPEN, "for a moment, so that connections are not tracked"), (CLOSED, "isolation: nothing in, nothing out")):
        called = name(which, incident)
        filters = [{"Name": "group-name", "Values": [called]}, {"Name": "vpc-id", "Values": [vpc]}]
        probe = Probe(Call(target, "ec2", "DescribeSecurityGroups", {"Filters": filters}), ("SecurityGroups", "GroupId"))
        tags = [{"ResourceType": "security-group", "Tags": [{"Key": TAG, "Value": incident}]}]
        create = {"GroupName": called, "Description": f"evict {incident}: {why}"[:255], "VpcId": vpc, "TagSpecifications": tags}
        made = step_id(vpc_arn, which)
        yield Step(
            id=made, principal=vpc_arn, resource=f"security group {called} in {vpc}", action="create", phase=Phase.RESOURCE, before=reader.read(probe) or [],
            after=None, do=(Call(target, "ec2", "CreateSecurityGroup", create, idempotent=False),),
            undo=(Call(target, "ec2", "DeleteSecurityGroup", {"GroupId": Ref(made, ("GroupId",))}),), owns=Ref(made, ("GroupId",)), probe=probe,
        )  # fmt: skip


def rules(target: Target, vpc_arn: str, ids: tuple[str, str], reader: Reader) -> Iterator[Step]:
    """Everything in and out through the open group, nothing through the closed one. ``ids``: of the two, "" while they are only planned."""
    opened, closed = ids
    for egress in (False, True):
        for family, cidr, ranges in (("CidrIpv4", "0.0.0.0/0", "IpRanges"), ("CidrIpv6", "::/0", "Ipv6Ranges")):
            wanted = {"IsEgress": egress, "IpProtocol": "-1", family: cidr}
            probe = Probe(_listing(target, opened), ("SecurityGroupRules", [wanted], "IpProtocol"), _GONE)
            there = (reader.read(probe) or []) if opened else ["-1"] if egress and family == "CidrIpv4" else []
            rule = [{"IpProtocol": "-1", ranges: [{"CidrIp" if family == "CidrIpv4" else "CidrIpv6": cidr}]}]
            allow = Call(
                target, "ec2", "AuthorizeSecurityGroupEgress" if egress else "AuthorizeSecurityGroupIngress",
                {"GroupId": opened, "IpPermissions": rule},
            )  # fmt: skip
            yield _rule(vpc_arn, OPEN, f"{'out to' if egress else 'in from'} {cidr}", "allow", there, ["-1"], allow, probe)
        probe = Probe(_listing(target, closed), ("SecurityGroupRules", [{"IsEgress": egress}], "SecurityGroupRuleId"), _GONE)
        names = (reader.read(probe) or []) if closed else ["0.0.0.0/0"] if egress else []
        revoke = Call(
            target, "ec2", "RevokeSecurityGroupEgress" if egress else "RevokeSecurityGroupIngress",
            {"GroupId": closed, "SecurityGroupRuleIds": names},
        )  # fmt: skip
        yield _rule(vpc_arn, CLOSED, "out" if egress else "in", "allow nothing", names, [], revoke, probe)


def _listing(target: Target, group: str) -> Call:
    return Call(target, "ec2", "DescribeSecurityGroupRules", {"Filters": [{"Name": "group-id", "Values": [group]}]})


def _rule(vpc_arn: str, which: str, what: str, action: str, before: t.Any, after: t.Any, do: Call, probe: Probe) -> Step:
    return Step(
        id=f"{step_id(vpc_arn, which)}/{what}", principal=vpc_arn, resource=f"the {which} group of {vpc_arn.rsplit('/', 1)[-1]}, {what}", action=action,
        phase=Phase.RESOURCE, before=before, after=after, do=(do,), probe=probe, irreversible="it goes with its group",
    )  # fmt: skip


def users(target: Target, group: str, reader: Reader) -> list[str]:
    """Ids of the interfaces that a group is on."""
    asked = {"Filters": [{"Name": "group-id", "Values": [group]}]}
    return [
        str(i["NetworkInterfaceId"])
        for i in reader.get(Call(target, "ec2", "DescribeNetworkInterfaces", asked)).get("NetworkInterfaces", [])
    ]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2 instances: the metadata service hands out a role's credentials for up to six hours.

The instance profile is replaced by itself, without a gap. Whether the metadata service then fetches new credentials at once AWS does not say, so the
instance stays listed as failing until its old ones have run out; stopping and starting it ends that for certain.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from ...common.plan import Call, Phase, Probe, Ref, Step, Target
from ...common.reader import Reader
from ..principal import Principal
from .kind import MARK, Workload

KIND = "ec2_instance"
NOUN = "EC2 instances"
SERVICE = "ec2.amazonaws.com"
LONGEST = datetime.timedelta(hours=6)
QUICK = False
READS: tuple[str, ...] = ("iam:ListInstanceProfilesForRole", "ec2:DescribeIamInstanceProfileAssociations")
_LIST = "IamInstanceProfileAssociations"


def held(role: Principal, target: Target, reader: Reader) -> list[Workload]:
    """Instances with a profile of the role."""
    profiles = reader.get(Call(role.target, "iam", "ListInstanceProfilesForRole", {"RoleName": role.name})).get("InstanceProfiles", [])
    mine = {p["Arn"] for p in profiles}
    if not mine:
        return []
    associated = {"Filters": [{"Name": "state", "Values": ["associated"]}]}
    found = []
    for entry in reader.get(Call(target, "ec2", "DescribeIamInstanceProfileAssociations", associated)).get(_LIST, []):
        profile = (entry.get("IamInstanceProfile") or {}).get("Arn", "")
        if profile in mine:
            name, data = str(entry["InstanceId"]), {"profile": profile, "association": entry["AssociationId"]}
            found.append(Workload(target, name, role.arn, f"EC2 instance {name} in {target.region}", frozenset({name}), data))
    return found


def steps(workload: Workload, mark: str, reader: Reader) -> Iterator[Step]:
    """The same profile once more, under a new association, which is what a second run knows it by."""
    mine = {"Filters": [{"Name": "instance-id", "Values": [workload.id]}]}
    listing = Probe(Call(workload.target, "ec2", "DescribeIamInstanceProfileAssociations", mine), (_LIST, "AssociationId"))
    step_id = f"{workload.role}{MARK}{workload.target.region}/{workload.id}/{mark}"
    replace = {"AssociationId": workload.data["association"], "IamInstanceProfile": {"Arn": workload.data["profile"]}}
    yield Step(
        id=step_id, principal=workload.role, resource=f"{workload.text}, instance profile", action="refresh its credentials",
        phase=Phase.RESOURCE, before=reader.read(listing) or [], after=None,
        do=(Call(workload.target, "ec2", "ReplaceIamInstanceProfileAssociation", replace, idempotent=False),),
        owns=Ref(step_id, ("IamInstanceProfileAssociation", "AssociationId")), probe=listing,
        irreversible="the same profile is associated as before, under another association id",
        optional=True,
    )  # fmt: skip


def renewed(_workload: Workload, _cutoff: datetime.datetime, _reader: Reader) -> bool:
    """AWS does not show what the metadata service hands out."""
    return False

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The next best control where no service control policy, or no inline deny, can be had: AWS's own policy AWSDenyAll, attached or as the boundary.

Beside the inline deny it is a second thing that an attacker has to find and remove. Only for identities to which everything is denied.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..common.plan import Call, Phase, Probe, Step
from ..common.reader import Reader
from .principal import Principal

READS = ("iam:ListAttachedUserPolicies", "iam:ListAttachedRolePolicies", "iam:GetUser", "iam:GetRole")
NAME = "AWSDenyAll"
ATTACHED = 10  # managed policies of one identity; "IAM and STS quotas"


def arn(principal: Principal) -> str:
    return f"arn:{principal.arn.split(':')[1]}:iam::aws:policy/{NAME}"


def attached_id(principal: Principal) -> str:
    return f"{principal.arn}#attached/{NAME}"


def boundary_id(principal: Principal) -> str:
    return f"{principal.arn}#boundary"


def _attached(principal: Principal) -> Probe:
    noun = principal.kind.capitalize()
    return Probe(
        Call(principal.target, "iam", f"ListAttached{noun}Policies", {f"{noun}Name": principal.name}), ("AttachedPolicies", "PolicyArn")
    )


def full(principal: Principal, reader: Reader) -> bool:
    """Whether no further managed policy can be attached."""
    found = reader.read(_attached(principal)) or []
    return len(found) >= ATTACHED and arn(principal) not in found


def attach(principal: Principal, reader: Reader) -> Iterator[Step]:
    """AWSDenyAll attached. A failure (the set is full) calls for ``boundary``."""
    noun, policy, listed = principal.kind.capitalize(), arn(principal), _attached(principal)
    key = {f"{noun}Name": principal.name, "PolicyArn": policy}
    probe = Probe(listed.call, ("AttachedPolicies", {"PolicyArn": policy}, "PolicyArn"))
    yield Step(
        id=attached_id(principal), principal=principal.arn, resource=f"{principal.arn} attached policy {NAME}", action="deny everything once more",
        phase=Phase.FENCE, before=reader.read(probe), after=policy, do=(Call(principal.target, "iam", f"Attach{noun}Policy", key),),
        undo=(Call(principal.target, "iam", f"Detach{noun}Policy", key),), probe=probe, optional=True,
    )  # fmt: skip


def boundary(principal: Principal, reader: Reader) -> Iterator[Step]:
    """AWSDenyAll as the permissions boundary; the one that was there is what an undo puts back.

    A boundary without an explicit deny would not stop what a resource's own policy grants; this one denies.
    """
    noun, policy = principal.kind.capitalize(), arn(principal)
    name = {f"{noun}Name": principal.name}
    probe = Probe(Call(principal.target, "iam", f"Get{noun}", name), (noun, "PermissionsBoundary", "PermissionsBoundaryArn"))
    before = reader.read(probe)

    def put(boundary: str) -> Call:
        return Call(principal.target, "iam", f"Put{noun}PermissionsBoundary", {**name, "PermissionsBoundary": boundary})

    yield Step(
        id=boundary_id(principal), principal=principal.arn, resource=f"{principal.arn} permissions boundary", action="deny everything once more",
        phase=Phase.FENCE, before=before, after=policy, do=(put(policy),), probe=probe,
        undo=(put(before) if before else Call(principal.target, "iam", f"Delete{noun}PermissionsBoundary", name),),
    )  # fmt: skip

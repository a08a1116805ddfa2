# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The next best control where no service control policy, or no inline deny, can be had: AWS's own policy AWSDenyAll, attached or as the boundary.

Beside the inline deny it is a second thing that an attacker has to find and remove. Only for identities to which everything is denied.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterator, Mapping

from ..common.plan import Call, Phase, Probe, Step, Target
from ..common.reader import Reader
from . import shared_tag
from .principal import Principal

READS = ("iam:ListAttachedUserPolicies", "iam:ListAttachedRolePolicies", "iam:GetUser", "iam:GetRole")
NAME = "AWSDenyAll"
ATTACHED_TAG, BOUNDARY, WAS = "evict-deny-all", "evict-boundary", "evict-boundary-was"  # which incidents hold it, and what was there before
NONE = "none"
SPEAKABLE = re.compile(r"[\w .:/=+@-]{1,256}", re.ASCII)  # what the value of a tag may be
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


def _claim(principal: Principal, key: str, incident: str, there: bool, reader: Reader, was: str = "") -> Iterator[Step]:
    """The tag that says which incidents hold a control that can be there only once. None on what others had put there before any incident."""
    if there and not shared_tag.holders(reader.read(shared_tag.probe(principal, key))):
        return
    if was and there:  # as the first holder noted it; from now on it is in this case's ledger too, where nobody else can change it
        was = str(reader.read(shared_tag.probe(principal, WAS)) or "")
    more = {WAS: was} if was and SPEAKABLE.fullmatch(was) else {}
    step = shared_tag.add(principal, key, incident, reader, "note which incident holds it", more, there=there)
    if key == BOUNDARY:  # the last one takes both away
        noun = principal.kind.capitalize()
        undo = Call(principal.target, "iam", f"Untag{noun}", {f"{noun}Name": principal.name, "TagKeys": [WAS, key]})
        step = dataclasses.replace(step, undo=(undo, *step.undo[1:]))
    yield step


def attach(principal: Principal, incident: str, reader: Reader) -> Iterator[Step]:
    """AWSDenyAll attached. A failure (the set is full) calls for ``boundary``. Another incident that holds it already becomes a fellow holder."""
    noun, policy, listed = principal.kind.capitalize(), arn(principal), _attached(principal)
    key = {f"{noun}Name": principal.name, "PolicyArn": policy}
    probe = Probe(listed.call, ("AttachedPolicies", {"PolicyArn": policy}, "PolicyArn"))
    before = reader.read(probe)
    yield from _claim(principal, ATTACHED_TAG, incident, before is not None, reader)
    yield Step(
        id=attached_id(principal), principal=principal.arn, resource=f"{principal.arn} attached policy {NAME}", action="deny everything once more",
        phase=Phase.FENCE, before=before, after=policy, do=(Call(principal.target, "iam", f"Attach{noun}Policy", key),),
        undo=(Call(principal.target, "iam", f"Detach{noun}Policy", key),), probe=probe, optional=True,
    )  # fmt: skip


def boundary(principal: Principal, incident: str, reader: Reader) -> Iterator[Step]:
    """AWSDenyAll as the permissions boundary; the one that was there is what an undo puts back.

    A boundary without an explicit deny would not stop what a resource's own policy grants; this one denies.
    """
    noun, policy = principal.kind.capitalize(), arn(principal)
    name = {f"{noun}Name": principal.name}
    probe = Probe(Call(principal.target, "iam", f"Get{noun}", name), (noun, "PermissionsBoundary", "PermissionsBoundaryArn"))
    before = reader.read(probe)
    yield from _claim(principal, BOUNDARY, incident, before == policy, reader, before or NONE)
    yield Step(
        id=boundary_id(principal), principal=principal.arn, resource=f"{principal.arn} permissions boundary", action="deny everything once more",
        phase=Phase.FENCE, before=before, after=policy, probe=probe,
        do=(Call(principal.target, "iam", f"Put{noun}PermissionsBoundary", {**name, "PermissionsBoundary": policy}),),
        undo=(back(principal.kind, principal.name, principal.target, before),),
    )  # fmt: skip


def back(kind: str, name: str, target: Target, before: str | None) -> Call:
    """The call that puts the boundary ``before`` there again, or takes it away."""
    noun = kind.capitalize()
    key = {f"{noun}Name": name}
    if before:
        return Call(target, "iam", f"Put{noun}PermissionsBoundary", {**key, "PermissionsBoundary": before})
    return Call(target, "iam", f"Delete{noun}PermissionsBoundary", key)


# -- release -------------------------------------------------------------------------------------------------------------------------


def keys() -> dict[str, str]:
    """{end of a Step's id: the tag that names its holders}."""
    return {f"#attached/{NAME}": ATTACHED_TAG, "#boundary": BOUNDARY}


def holds(principal: Principal, standing: Mapping[str, Step], reader: Reader) -> bool:
    """Whether it is there, and the case holds it. ``standing``: what the case has done and not undone, by id."""
    for end, key in keys().items():
        own, claim = standing.get(f"{principal.arn}{end}"), standing.get(shared_tag.step_id(principal.arn, key))
        if own and own.probe and reader.read(own.probe) == own.after or (claim and any(joined(claim, reader))):
            return True
    return False


def joined(claim: Step, reader: Reader) -> tuple[tuple[Call, ...], str]:
    """(calls that lift the control which the last holder did not put there itself; why it cannot). ``claim``: its tag's Step."""
    tag = t.cast(Call, claim.do[0])
    noun = tag.operation.removeprefix("Tag")
    name = {f"{noun}Name": tag.parameters[f"{noun}Name"]}
    policy = f"arn:{claim.principal.split(':')[1]}:iam::aws:policy/{NAME}"
    get = Call(tag.target, "iam", f"Get{noun}", name)
    if claim.id.endswith(f"#tag/{ATTACHED_TAG}"):
        listed = Probe(
            Call(tag.target, "iam", f"ListAttached{noun}Policies", name), ("AttachedPolicies", {"PolicyArn": policy}, "PolicyArn")
        )
        there = reader.read(listed) is not None
        return ((Call(tag.target, "iam", f"Detach{noun}Policy", {**name, "PolicyArn": policy}),) if there else ()), ""
    if reader.read(Probe(get, (noun, "PermissionsBoundary", "PermissionsBoundaryArn"))) != policy:
        return (), ""
    was = {entry["Key"]: entry["Value"] for entry in tag.parameters["Tags"]}.get(WAS)
    if was is None:
        return (
            (),
            f"{NAME} stays its boundary: the one before is only in the ledger of the incident that put it there; release that one again",
        )
    return (back(noun, tag.parameters[f"{noun}Name"], tag.target, None if was == NONE else was),), ""

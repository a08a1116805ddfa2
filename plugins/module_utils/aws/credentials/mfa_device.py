# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MFA devices of a user (T1556.006). Those enrolled during the incident are removed, the owner's stay. The seed is gone, so it goes last.

The device is deactivated, which ends its use; a virtual device is not deleted as well. That would end nothing more, it is a second request that
may fail between the two, and the unassigned device with its date of enrolment is evidence: deleting it is eradication.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.errors import EvictError
from ...common.plan import Call, Phase, Probe, Step
from ...common.reader import Reader
from .kind import ALL, Asked

if t.TYPE_CHECKING:
    from ..principal import Principal

KIND = "mfa_device"
NOUN = "MFA devices enrolled during the incident"
FRAGMENT = "mfa"
PHASE = Phase.RESOURCE
KEEP = ""
READS: tuple[str, ...] = ("iam:ListMFADevices",)


def _listing(user: Principal) -> Call:
    return Call(user.target, "iam", "ListMFADevices", {"UserName": user.name})


def held(user: Principal, reader: Reader) -> list[dict[str, t.Any]]:
    """[{"id" (serial number or ARN), "status": "Active", "created" (when it was enrolled)}] of every device in use, at most eight."""
    devices = reader.get(_listing(user)).get("MFADevices", [])
    return [{"id": d["SerialNumber"], "status": "Active", "created": d.get("EnableDate", "")} for d in devices]


def steps(user: Principal, state: str, reader: Reader, asked: Asked = ALL) -> Iterator[Step]:
    """The devices that were enrolled in the incident's window, or those that are asked for by id; for ``disabled`` and ``absent`` alike."""
    if state == "enabled":
        if asked.only is None or not any(":mfa/" in name or ":u2f/" in name for name in asked.only):
            return  # whoever asks for all kinds gets those that can be switched on again
        raise EvictError(
            f"{user.arn}: an MFA device cannot be given back", object=user.arn, operation="iam:EnableMFADevice",
            remedy="its owner enrols a device in person",
        )  # fmt: skip
    for device in held(user, reader):
        if not (asked.during(device["created"]) if asked.only is None else asked.wants(device["id"])):
            continue
        yield Step(
            id=f"{user.arn}#{FRAGMENT}/{device['id']}", principal=user.arn, resource=f"{user.arn} MFA device {device['id']}", action="deactivate",
            phase=PHASE, before=device["created"], after=None,
            do=(Call(user.target, "iam", "DeactivateMFADevice", {"UserName": user.name, "SerialNumber": device["id"]}),),
            probe=Probe(_listing(user), ("MFADevices", {"SerialNumber": device["id"]}, "EnableDate"), ("NoSuchEntity",)),
            irreversible="whoever enrolled it has its seed: the owner enrols a device in person",
        )  # fmt: skip

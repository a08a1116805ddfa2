# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long-term access keys of a user (T1098.001): Inactive and back, or deleted."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Phase, Probe, Step
from ...common.reader import Reader

if t.TYPE_CHECKING:
    from ..principal import Principal

KIND = "access_key"
READS = ("iam:ListAccessKeys",)


def _listing(user: Principal) -> Call:
    return Call(user.target, "iam", "ListAccessKeys", {"UserName": user.name})


def held(user: Principal, reader: Reader) -> list[dict[str, t.Any]]:
    """[{"id", "status", "created"}] of every access key."""
    keys = reader.get(_listing(user)).get("AccessKeyMetadata", [])
    return [{"id": k["AccessKeyId"], "status": k["Status"], "created": k.get("CreateDate", "")} for k in keys]


def steps(user: Principal, state: str, reader: Reader, only: t.Container[str] | None = None) -> Iterator[Step]:
    """Every key (or those in ``only``) to ``state``. Deleting cannot be undone: the secret half is gone."""
    for key in held(user, reader):
        if only is not None and key["id"] not in only:
            continue
        name = {"UserName": user.name, "AccessKeyId": key["id"]}
        before = key["status"]
        after = {"disabled": "Inactive", "enabled": "Active", "absent": None}[state]
        do = (
            Call(user.target, "iam", "DeleteAccessKey", name)
            if after is None
            else Call(user.target, "iam", "UpdateAccessKey", {**name, "Status": after})
        )
        yield Step(
            id=f"{user.arn}#key/{key['id']}", principal=user.arn, resource=f"{user.arn} access key {key['id']}",
            action={"disabled": "deactivate", "enabled": "activate", "absent": "delete"}[state], phase=Phase.CREDENTIAL, before=before, after=after,
            do=(do,), undo=() if after is None else (Call(user.target, "iam", "UpdateAccessKey", {**name, "Status": before}),),
            irreversible="AWS never shows the secret of a deleted key again" if after is None else "",
            probe=Probe(_listing(user), ("AccessKeyMetadata", {"AccessKeyId": key["id"]}, "Status"), ("NoSuchEntity",)),
        )  # fmt: skip

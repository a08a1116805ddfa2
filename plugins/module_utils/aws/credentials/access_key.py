# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long-term access keys of a user (T1098.001): Inactive and back, or deleted."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Phase, Probe, Step
from ...common.reader import Reader
from .kind import ALL, Asked, switched

if t.TYPE_CHECKING:
    from ..principal import Principal

KIND = "access_key"
NOUN = "access keys"
FRAGMENT = "key"
PHASE = Phase.CREDENTIAL
KEEP = ""
READS: tuple[str, ...] = ("iam:ListAccessKeys",)


def _listing(user: Principal) -> Call:
    return Call(user.target, "iam", "ListAccessKeys", {"UserName": user.name})


def held(user: Principal, reader: Reader) -> list[dict[str, t.Any]]:
    """[{"id", "status", "created"}] of every access key."""
    keys = reader.get(_listing(user)).get("AccessKeyMetadata", [])
    return [{"id": k["AccessKeyId"], "status": k["Status"], "created": k.get("CreateDate", "")} for k in keys]


def steps(user: Principal, state: str, reader: Reader, asked: Asked = ALL) -> Iterator[Step]:
    """Every key asked for to ``state``. Deleting cannot be undone: the secret half is gone."""
    for key in held(user, reader):
        name = {"UserName": user.name, "AccessKeyId": key["id"]}
        yield from switched(
            user, key, state, asked, fragment=FRAGMENT, name=f"access key {key['id']}",
            update=lambda status, name=name: Call(user.target, "iam", "UpdateAccessKey", {**name, "Status": status}),  # type: ignore[misc]
            delete=Call(user.target, "iam", "DeleteAccessKey", name), gone="AWS never shows the secret of a deleted key again",
            probe=Probe(_listing(user), ("AccessKeyMetadata", {"AccessKeyId": key["id"]}, "Status"), ("NoSuchEntity",)),
        )  # fmt: skip

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH public keys of a user (T1098.004), which open CodeCommit: Inactive and back, or deleted."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Phase, Probe, Step
from ...common.reader import Reader
from .kind import ALL, Asked, switched

if t.TYPE_CHECKING:
    from ..principal import Principal

KIND = "ssh_public_key"
NOUN = "SSH public keys"
FRAGMENT = "ssh"
PHASE = Phase.CREDENTIAL
KEEP = ""
READS: tuple[str, ...] = ("iam:ListSSHPublicKeys",)


def _listing(user: Principal) -> Call:
    return Call(user.target, "iam", "ListSSHPublicKeys", {"UserName": user.name})


def held(user: Principal, reader: Reader) -> list[dict[str, t.Any]]:
    """[{"id", "status", "created"}] of every SSH public key."""
    keys = reader.get(_listing(user)).get("SSHPublicKeys", [])
    return [{"id": k["SSHPublicKeyId"], "status": k["Status"], "created": k.get("UploadDate", "")} for k in keys]


def steps(user: Principal, state: str, reader: Reader, asked: Asked = ALL) -> Iterator[Step]:
    """Every key asked for to ``state``. Deleting cannot be undone: an upload of the same key has another id, and clients sign in with the id."""
    for key in held(user, reader):
        name = {"UserName": user.name, "SSHPublicKeyId": key["id"]}
        yield from switched(
            user, key, state, asked, fragment=FRAGMENT, name=f"SSH public key {key['id']}",
            update=lambda status, name=name: Call(user.target, "iam", "UpdateSSHPublicKey", {**name, "Status": status}),  # type: ignore[misc]
            delete=Call(user.target, "iam", "DeleteSSHPublicKey", name),
            gone="the same key uploaded again gets another id, with which its owner has to sign in",
            probe=Probe(_listing(user), ("SSHPublicKeys", {"SSHPublicKeyId": key["id"]}, "Status"), ("NoSuchEntity",)),
        )  # fmt: skip

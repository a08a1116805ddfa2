# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH public key of a user: the owner's new public half is uploaded. Clients sign in with its id, so its owner is told that."""

from __future__ import annotations

from collections.abc import Iterator

from ....common.plan import Call, Path, Step
from ....common.reader import Reader
from .kind import Order

KIND = "ssh_public_key"
NOUN = "SSH public key"
LIMIT = 5
NEW: Path = ("SSHPublicKey", "SSHPublicKeyId")


def steps(order: Order, reader: Reader) -> Iterator[Step]:
    target, name = order.user.target, {"UserName": order.user.name}
    body = {**name, "SSHPublicKeyBody": order.entry["public_key"]}
    yield order.made(
        Call(target, "iam", "ListSSHPublicKeys", name),
        ("SSHPublicKeys", "SSHPublicKeyId"),
        NEW,
        do=Call(target, "iam", "UploadSSHPublicKey", body, idempotent=False),
        undo=lambda made: Call(target, "iam", "DeleteSSHPublicKey", {**name, "SSHPublicKeyId": made}),
        reader=reader,
    )


def tell(_order: Order, new: str) -> str:
    return f"sign in to CodeCommit with the new key: User {new} in ~/.ssh/config"

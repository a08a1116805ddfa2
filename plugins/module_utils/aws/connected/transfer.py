# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transfer Family: servers that take and give files."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "transfer"
NOUN = "Transfer servers"
GLOBAL = False
READS: tuple[str, ...] = ("transfer:ListServers",)
USED: tuple[str, ...] = (
    "transfer:CreateServer",
    "transfer:CreateUser",
    "transfer:ImportSshPublicKey",
)
ACTION = "look at users and keys that were made in the window, and at the partners who log in there"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "transfer", "ListServers", {})).get("Servers", []):
        yield Path(str(one["Arn"]), f"{one.get('EndpointType')}, users of {one.get('IdentityProviderType')}", str(one.get("State") or ""))

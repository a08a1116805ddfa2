# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EventBridge connections: user name, key name and parameters. The secret half is in a secret that EventBridge manages, which ``secrets_manager`` reads."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles
from .kind import Part, Seen, Told, found

KIND = "eventbridge_connection"
NOUN = "EventBridge connections"
READS: tuple[str, ...] = ("events:ListConnections", "events:DescribeConnection")


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    for connection in reader.get(Call(target, "events", "ListConnections", {})).get("Connections", []):
        yield Part(str(connection.get("ConnectionArn")), lambda c=connection: _look(target, c, needles, reader))  # type: ignore[misc]


def _look(target: Target, listed: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    yield Seen()
    name = str(listed["Name"])
    connection = reader.get(Call(target, "events", "DescribeConnection", {"Name": name}))
    kept = {k: connection[k] for k in ("AuthParameters", "SecretArn") if connection.get(k)}
    data = {"name": name, "type": connection.get("AuthorizationType", ""), "secret_arn": connection.get("SecretArn", "")}
    yield from found(target, str(connection.get("ConnectionArn") or name), f"EventBridge connection {name} in {target.region}",
                     needles.find(kept, "connection"), version=str(connection.get("LastModifiedTime", "")), data=data)  # fmt: skip

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RDS databases: their own users and passwords outlive an identity of AWS."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path, tag_owner

KIND = "database"
NOUN = "databases"
GLOBAL = False
READS: tuple[str, ...] = ("rds:DescribeDBInstances",)
USED: tuple[str, ...] = (
    "rds:ModifyDBInstance",
    "rds-db:connect",
    "rds-data:ExecuteStatement",
    "rds:RestoreDBInstanceFromDBSnapshot",
)
ACTION = "rotate the passwords that were read, and look at the database's own log for new users"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "rds", "DescribeDBInstances", {})).get("DBInstances", []):
        reach = "public" if one.get("PubliclyAccessible") else "private"
        yield Path(
            str(one["DBInstanceArn"]),
            f"{one.get('Engine')} {(one.get('Endpoint') or {}).get('Address') or ''}".strip(),
            reach,
            tag_owner(one.get("TagList")),
        )

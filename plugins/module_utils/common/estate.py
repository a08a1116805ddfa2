# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts that an incident file names beside its suspects: what ``readiness`` looks at before there is an incident."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping

from .schema import Fields, show

NAMELESS = "name the human behind each change in CloudTrail"  # what is lost where an account can be entered, without a source identity
_ACCOUNT = re.compile(r"[0-9]{12}")


def accounts(fields: Fields) -> list[str]:
    """``accounts``: AWS account ids, 12 digits as text; a number of 12 digits is unambiguous too."""
    found: list[str] = []
    for path, item in fields.sequence("accounts"):
        value = str(item) if isinstance(item, int) and not isinstance(item, bool) else item
        if not isinstance(value, str) or not _ACCOUNT.fullmatch(value):
            fields.problems.append((path, f'must be 12 digits in quotes, as "012345678901", not {show(item)}'))
        elif value in found:
            fields.problems.append((path, f"is named twice: {show(value)}"))
        else:
            found.append(value)
    return found


def telling(rows: Iterable[Mapping[str, t.Any]]) -> tuple[list[Mapping[str, t.Any]], dict[str, int]]:
    """Of the readiness checks' rows those that are not ok, without what only follows from an account that nobody can enter; and how many do, by account."""
    bad = [row for row in rows if row["state"] != "ok"]
    lost = {row["account"] for row in bad if row["check"] == "responder" and row["account"] and row.get("loss") != NAMELESS}
    follows = [row for row in bad if row["account"] in lost and row["check"] != "responder" and row["state"] == "unknown"]
    counts = {account: sum(1 for row in follows if row["account"] == account) for account in sorted({row["account"] for row in follows})}
    return [row for row in bad if row not in follows], counts

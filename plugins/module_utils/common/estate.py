# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts that an incident file names beside its suspects: what ``readiness`` looks at before there is an incident."""

from __future__ import annotations

import re

from .schema import Fields, show

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

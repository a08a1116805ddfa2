# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long, as people write it."""

from __future__ import annotations

import re
import typing as t

from .errors import InvalidInput
from .schema import show

LONGEST = {"hold": 1800}  # seconds, of what has a longest
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TEXT = re.compile(r"([0-9]{1,6})\s*([smhd]?)")


def wrong(value: t.Any, option: str) -> str:
    """What is wrong with it; "" when nothing is. ``option``: its name, without the prefix of a role."""
    found = None if isinstance(value, bool) else _TEXT.fullmatch(str(value).strip())
    if not found:
        return f"is not a duration such as 90s, 15m, 24h or 7d: {show(value)}"
    longest = LONGEST.get(option)
    if longest and _in(found) > longest:
        return f"is at most {longest // 60}m, since nobody sees its result before: {show(value)}"
    return ""


def seconds(value: t.Any, option: str) -> float:
    """``90s``, ``15m``, ``24h``, ``7d`` or a plain number of seconds. Raises InvalidInput."""
    if why := wrong(value, option):
        raise InvalidInput("a duration was refused", [(option, why)])
    return _in(t.cast("re.Match[str]", _TEXT.fullmatch(str(value).strip())))


def _in(found: re.Match[str]) -> float:
    return float(found[1]) * _UNITS[found[2]]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what is at work is what a logged call set to work: by the moment at which each began."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from .session import parse

EARLIEST, LATEST = -1.0, 5.0  # seconds from the call to the beginning that a service shows for it; CloudTrail knows whole seconds


def after(event: Mapping[str, t.Any], moment: t.Any) -> float | None:
    """Seconds from the call to ``moment`` (RFC 3339); None when one of them is not known."""
    try:
        return (parse(str(moment)) - parse(str(event.get("eventTime")))).total_seconds()
    except (ValueError, TypeError):  # none, or one without its zone
        return None


def with_call(event: Mapping[str, t.Any], moment: t.Any) -> bool:
    """Whether what began at ``moment`` began with this call; not when that is not known."""
    late = after(event, moment)
    return late is not None and EARLIEST <= late <= LATEST

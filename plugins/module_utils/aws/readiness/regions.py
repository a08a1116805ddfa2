# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which regions are enabled? Each has an event history of its own, which is asked."""

from __future__ import annotations

from collections.abc import Iterator

from .. import events
from .kind import Look, Row, ok

NAME = "regions"
QUESTION = "Are the enabled regions known?"
READS: tuple[str, ...] = ()
EACH = True
LOSS = "look into every region for what the suspects did"


def check(look: Look) -> Iterator[Row]:
    yield ok(object=", ".join(events.regions(look.aws, look.account)))

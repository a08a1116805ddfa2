# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The face that every engine of a warehouse has, and what it is asked."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass

Value = t.Union[str, int, dt.datetime]  # noqa: UP007 - ansible-test takes the other form for an operation


@dataclass(frozen=True)
class Estimate:
    """``scanned``: bytes that a query reads at most; ``how`` that is known, in words."""

    scanned: int
    how: str


@dataclass(frozen=True)
class Query:
    """``sql`` is in the engine's dialect, with its placeholders. ``parameters``: (name, value); where placeholders have no names, in their order.

    ``since``, ``until`` (naive, UTC), ``accounts`` and ``regions`` (none: all) are what the partitions are pruned by; the SQL says the same.
    """

    sql: str
    parameters: tuple[tuple[str, Value], ...]
    since: dt.datetime
    until: dt.datetime
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


class Engine(t.Protocol):
    """``name``: "athena", "bigquery"; ``dialect``: what sqlglot calls its SQL."""

    name: str
    dialect: str

    def estimate(self, query: Query) -> Estimate:
        """What ``query`` would read. Starts nothing that costs. Raises ``CloudError``."""

    def rows(self, query: Query) -> Iterator[dict[str, t.Any]]:
        """The rows of the answer, by the names of their columns. However it ends, nothing runs on in the warehouse. Raises ``CloudError``."""

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file of this folder makes: how the terms of ``events`` and the record itself are read out of one warehouse's table.

Expressions are in DuckDB's dialect, over columns of the table, which is called ``t``; they hold nothing but the collection's own words.
"""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..engine import Value

# All that the question may speak of. A layout has each of them.
TERMS = (
    "event_uid", "time", "region", "service", "operation", "actor_type", "actor_arn", "actor_id", "actor_name", "credential_uid", "issuer_arn", "issuer_id",
    "delegation", "invoked_by", "src_ip", "user_agent", "request", "response",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """``record`` is what is fetched: (name of the column -> expression); ``line`` makes of such a row the event as it came, as one line of JSON.

    ``lacks``: {kind of handle: which column is missing}: of these the table knows nothing.
    """

    source: str  # a name of columns.SOURCES
    table: str  # quoted, as DuckDB does
    terms: Mapping[str, str]
    record: Mapping[str, str]
    prune: Callable[[dt.datetime, dt.datetime, Sequence[str], Sequence[str]], list[str]]
    moment: Callable[[dt.datetime], Value]  # how the term ``time`` is compared
    line: Callable[[Mapping[str, t.Any]], str]
    lacks: Mapping[str, str]
    standing: str = ""  # over the terms: what has no handle, is little, and is wanted in any case


def quoted(*names: str) -> str:
    """Names that were checked, as one identifier."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file of this folder declares: how a record of one log becomes a row of ``events``.

The SQL here is the collection's own text; of a log it sees values in columns only.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ..columns import EVENTS, SOURCES

Shape = dict[str, t.Any]  # as json_transform takes it: {"name": "VARCHAR" | Shape | [Shape]}
_EARLIEST, _LATEST = "TIMESTAMP '2000-01-01'", "TIMESTAMP '2100-01-01'"
EPOCH = "TIMESTAMP '1970-01-01'"  # stands for a time that cannot be read, where records are compared


@dataclass(frozen=True)
class Format:
    """One log. ``e`` is a record (JSON), ``s`` what ``shape`` reads out of it; what is not of its type is NULL, never an error."""

    source: str  # a name of columns.SOURCES
    shape: Shape
    match: str  # over s and e: whether a record is of this log
    columns: dict[str, str]  # over s and e; of those that are left out cloud, source and raw are known, the others NULL
    skip: dict[str, str] = field(default_factory=dict)  # over s and e: {what these records are: which they are}; left out and counted
    body: str = "e"  # over e: the part of it that shape reads
    unique: str = ""  # over s: what makes a record one, beside event_uid and time

    @property
    def cloud(self) -> str:
        return SOURCES[self.source]

    def select(self, table: str) -> str:
        """The query that makes rows of ``events`` from ``table(e)``."""
        known = {"cloud": f"'{self.cloud}'", "source": f"'{self.source}'", "raw": "CAST(e AS VARCHAR)", **self.columns}
        parts = [f'CAST({known.get(name, "NULL")} AS {kind}) AS "{name}"' for name, kind in EVENTS]
        shape = json.dumps(self.shape)
        return f"SELECT {', '.join(parts)} FROM (SELECT e, json_transform({self.body}, '{shape}') AS s FROM {table})"

    def narrow(self, table: str) -> str:
        """The query that tells records of ``table(number, file, e)`` apart without reading all of them: ``(number, file, key UUID, time, kind)``.

        ``kind``: "" for an event, NULL for a record that is not of this log, else a name of ``skip``.
        """
        uid = f"CAST({self.columns['event_uid']} AS VARCHAR)"
        own = f"{uid} || '|' || coalesce({self.unique}, '')" if self.unique else uid
        cases = [f"WHEN {which} THEN '{what}'" for what, which in self.skip.items()] + [f"WHEN {self.match} THEN ''"]
        needed = " ".join((uid, self.columns["time"], *cases, self.unique))
        shape = json.dumps({name: shape for name, shape in self.shape.items() if f"s.{name}" in needed})
        return (
            f"SELECT number, file, {key_of(own)} AS key,"
            f" coalesce({self.columns['time']}, {EPOCH}) AS time, CASE {' '.join(cases)} END AS kind"
            f" FROM (SELECT number, file, e, json_transform({self.body}, '{shape}') AS s FROM {table})"
        )


def key_of(uid: str) -> str:
    """16 bytes that stand for an id: itself where it is a UUID."""
    return f"coalesce(TRY_CAST({uid} AS UUID), CAST(left(sha256({uid}), 32) AS UUID))"


def moment(value: str) -> str:
    """A time as text, or NULL when nobody can have meant it."""
    read = f"TRY_CAST({value} AS TIMESTAMP)"
    return f"CASE WHEN {read} BETWEEN {_EARLIEST} AND {_LATEST} THEN {read} END"


def text(value: str) -> str:
    """A JSON value as text: NULL for null."""
    return f"nullif(CAST({value} AS VARCHAR), 'null')"


def present(*values: str) -> str:
    """A list of those that are there."""
    return f"list_filter([{', '.join(values)}], lambda x: x IS NOT NULL AND x <> '')"

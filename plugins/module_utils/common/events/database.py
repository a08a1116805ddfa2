# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only importer of duckdb. (A stand-in with the agreed shape until the loader's own is merged.)"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

import duckdb


class Database:
    """One connection. SQL takes parameters and is never built from what a log holds."""

    def __init__(self, connection: t.Any) -> None:
        self._connection = connection

    @classmethod
    def open(cls, directory: str | None = None) -> Database:
        """``directory``: the case's; None: in memory."""
        return cls(duckdb.connect(f"{directory}/case.duckdb" if directory else ":memory:"))

    def rows(self, sql: str, parameters: Sequence[t.Any] = ()) -> list[dict[str, t.Any]]:
        result = self._connection.execute(sql, list(parameters))
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def run(self, sql: str, parameters: Sequence[t.Any] = ()) -> None:
        self._connection.execute(sql, list(parameters))

    def table(self, name: str, columns: Mapping[str, str], rows: Iterable[Mapping[str, t.Any]]) -> None:
        """(Re)place table ``name``; ``columns``: {name: type}, both our own words."""
        given = list(rows)
        self.run(f'CREATE OR REPLACE TABLE "{name}" (' + ", ".join(f'"{c}" {kind}' for c, kind in columns.items()) + ")")
        if given:
            chosen = ", ".join(f"unnest(?::{kind}[])" for kind in columns.values())
            self.run(f'INSERT INTO "{name}" SELECT {chosen}', [[row.get(c) for row in given] for c in columns])

    def close(self) -> None:
        self._connection.close()

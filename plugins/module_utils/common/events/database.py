# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DuckDB, behind a small face. The only importer of duckdb.

A database reads no file outside the folders that it was opened for, loads no extension and reaches no network. Values are parameters, always.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import typing as t
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .columns import EVENTS, GAPS, Columns, create

try:
    import duckdb
except ImportError as _error:
    duckdb = None  # type: ignore[assignment]
    DUCKDB_IMPORT_ERROR: ImportError | None = _error
else:
    DUCKDB_IMPORT_ERROR = None

from ..errors import EvictError, MissingLibrary

FILE = "case.duckdb"
MEMORY = "4GB"  # of DuckDB's own; what the JSON reader holds comes on top
SPILL = "16GB"  # on disk, for what does not fit into memory
_ROWS = 5000  # that go into one statement
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class DatabaseError(EvictError):
    """DuckDB refused a statement. ``kind`` is its exception's name; the message may hold text of a log: data, never markup."""

    def __init__(self, message: str, kind: str, *, object: str = "", operation: str = "") -> None:
        super().__init__(
            message, object=object, operation=operation, remedy="" if kind != "OutOfMemoryException" else "give it more memory (memory)"
        )
        self.kind = kind


class Database:
    """An open DuckDB. Use ``open``, ``memory`` or a ``with`` around either. Not for several threads at once, except ``interrupt``."""

    def __init__(self, connection: t.Any, scratch: Path | None = None) -> None:
        self._connection, self._scratch = connection, scratch

    @classmethod
    def memory(cls, *, reads: Iterable[str | Path] = (), scratch: Path | None = None, memory: str = MEMORY, threads: int = 0) -> Database:
        """Without a file. ``reads``: folders that SQL may read and write; ``scratch``: a folder of its own for what does not fit into memory."""
        return cls._connect(":memory:", reads, scratch, memory, threads)

    @classmethod
    def open(
        cls, directory: str | Path, *, reads: Iterable[str | Path] = (), memory: str = MEMORY, threads: int = 0, read_only: bool = False
    ) -> Database:
        """The file ``case.duckdb`` of ``directory``, made if it is not there. SQL may read files below ``directory`` and ``reads``."""
        home = Path(directory).absolute()
        return cls._connect(str(home / FILE), [home, *reads], home / ".duckdb-scratch", memory, threads, read_only=read_only)

    @classmethod
    def _connect(
        cls, where: str, reads: Iterable[str | Path], scratch: Path | None, memory: str, threads: int, *, read_only: bool = False
    ) -> Database:
        if duckdb is None:
            from ansible.module_utils.basic import missing_required_lib

            raise MissingLibrary(
                missing_required_lib("duckdb", reason="to load and analyse audit logs"), object="duckdb", operation="import"
            )
        folders = [os.path.abspath(folder) for folder in reads] + ([str(scratch.absolute())] if scratch else [])
        config: dict[str, t.Any] = {
            "memory_limit": memory,
            "threads": threads or os.cpu_count() or 1,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": str(scratch.absolute()) if scratch else "",
            "max_temp_directory_size": SPILL,
        }
        with _private(), _errors(where, "open"):
            connection = duckdb.connect(where, read_only=read_only, config=config)
        database = cls(connection, scratch)
        database.run("SET TimeZone = 'UTC'")
        database.run("SET allowed_directories = ?", [folders])
        database.run("SET enable_external_access = false")
        database.run("SET lock_configuration = true")
        return database

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with _private():
            self._connection.close()
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def interrupt(self) -> None:
        """End the statement that is running in another thread: it raises DatabaseError."""
        self._connection.interrupt()

    def run(self, sql: str, parameters: Sequence[t.Any] = (), *, seconds: float = 0) -> int:
        """Run a statement; the number of rows it says it changed, else 0. After ``seconds`` (0: never) it is interrupted and raises."""
        answer = self._answer(sql, parameters, seconds)[1]
        return int(answer[0][0]) if len(answer) == 1 and len(answer[0]) == 1 and isinstance(answer[0][0], int) else 0

    def rows(self, sql: str, parameters: Sequence[t.Any] = (), *, seconds: float = 0) -> list[dict[str, t.Any]]:
        """The rows of a query, each by the names of its columns. Times are naive and UTC."""
        names, answer = self._answer(sql, parameters, seconds)
        return [dict(zip(names, row, strict=True)) for row in answer]

    def stream(self, sql: str, parameters: Sequence[t.Any] = ()) -> Iterator[dict[str, t.Any]]:
        """The same, without holding all of them. Nothing else may be asked of this database meanwhile."""
        with _errors("the query", "read"):
            cursor = self._connection.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            while batch := cursor.fetchmany(_ROWS):
                yield from (dict(zip(names, row, strict=True)) for row in batch)

    def table(self, name: str, columns: Columns, rows: Iterable[Sequence[t.Any]], *, append: bool = False) -> int:
        """Make a table (``append``: if it is not there) and fill it with ``rows``, whose values are in the order of ``columns``. Returns how many."""
        for word in (name, *(column for column, _type in columns)):
            if not _NAME.fullmatch(word):
                raise ValueError(f"not a name of this collection: {word!r}")
        made = create(name, columns)
        self.run(made.replace("CREATE OR REPLACE TABLE", "CREATE TABLE IF NOT EXISTS", 1) if append else made)
        # One list per column: DuckDB takes a row at a time some hundred times slower.
        filled = f'INSERT INTO "{name}" SELECT ' + ", ".join(f"unnest(CAST(? AS {kind}[]))" for _column, kind in columns)
        count = 0
        batch: list[Sequence[t.Any]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == _ROWS:
                self.run(filled, [list(values) for values in zip(*batch, strict=True)])
                count, batch = count + len(batch), []
        if batch:
            self.run(filled, [list(values) for values in zip(*batch, strict=True)])
        return count + len(batch)

    def empty(self) -> None:
        """``events`` and ``gaps`` without a row."""
        self.run(create("events", EVENTS))
        self.run(create("gaps", GAPS))

    def _answer(self, sql: str, parameters: Sequence[t.Any], seconds: float) -> tuple[list[str], list[tuple[t.Any, ...]]]:
        watch = threading.Timer(seconds, self.interrupt) if seconds else None
        if watch:
            watch.daemon = True
            watch.start()
        try:
            with _private(), _errors(" ".join(sql.split())[:60], "run"):
                cursor = self._connection.execute(sql, list(parameters))
                return [column[0] for column in cursor.description or ()], cursor.fetchall()
        finally:
            if watch:
                watch.cancel()


@contextlib.contextmanager
def _errors(what: str, operation: str) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        kind = type(error).__name__
        raise DatabaseError(f"DuckDB cannot {operation} {what}: {error}"[:2000], kind, object=what, operation=operation) from error


@contextlib.contextmanager
def _private() -> Iterator[None]:
    """Files made meanwhile are 0600, folders 0700."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The durable half of the case database: ``events/<source>/<n>.parquet`` in the case's store, and a manifest of what they hold and where it came from.

A part counts once the manifest names it. A run that is killed leaves at most a part that nobody names, and the next run writes over it.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import typing as t
from pathlib import Path

from .. import durable
from ..errors import EvictError
from ..store import NotFound, Store
from .columns import EVENTS, GAPS, SOURCES, names
from .database import Database

VERSION = 1
_NEVER = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - the tables hold UTC without saying so
Gap = dict[str, t.Any]  # the columns of GAPS


def iso(moment: datetime.datetime | None) -> str | None:
    """RFC 3339, to the microsecond where there is one."""
    return f"{moment.isoformat()}Z" if moment else None


def moment(text: str | None) -> datetime.datetime | None:
    """Naive and UTC, as in the tables."""
    if not text:
        return None
    read = datetime.datetime.fromisoformat(text)
    return read.astimezone(datetime.UTC).replace(tzinfo=None) if read.tzinfo else read


class Parts:
    """The parts and the manifest of one source. Not safe for two runs at once: whoever loads holds the case's lease."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self.source = store, source
        self._folder = f"events/{source}"
        self.manifest = read_manifest(store, source)
        self._next = max([int(part["file"].split(".")[0]) for part in self.parts], default=0) + 1

    @property
    def parts(self) -> list[dict[str, t.Any]]:
        """[{file, events, bytes, sha256, start, end}]; start and end are the earliest and latest time that can be read, as text."""
        return list(self.manifest["parts"])

    @property
    def files(self) -> dict[str, dict[str, t.Any]]:
        """{name: {size, tag, sha256, state, events, duplicates, …}} of everything that was looked at."""
        return t.cast("dict[str, dict[str, t.Any]]", self.manifest["files"])

    @property
    def reads(self) -> dict[str, list[list[str]]]:
        """{what was asked: [[start, end]]} of an API, in order and without overlap."""
        return t.cast("dict[str, list[list[str]]]", self.manifest["reads"])

    def knows(self, name: str, size: int, tag: str) -> bool:
        """Whether this file was dealt with, as it is now."""
        known = self.files.get(name)
        return known is not None and known["size"] == size and known["tag"] == tag

    def publish(self, made: Path, facts: dict[str, t.Any]) -> None:
        """Take a Parquet file into the store, durable on return. It counts after ``keep``."""
        name = f"{self._next:06d}.parquet"
        self._next += 1
        with open(made, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = made.stat().st_size
        if self._store.root is not None:  # moved, not read: it may be large
            folder = self._store.root / self._folder
            durable.make_folder(folder, self._store.root)
            with open(made, "rb") as file:
                os.fsync(file.fileno())
            os.chmod(made, 0o600)
            os.replace(made, folder / name)
            durable.sync_folder(folder)
        else:
            self._store.replace(f"{self._folder}/{name}", made.read_bytes())
            made.unlink()
        self.manifest["parts"].append({"file": name, "bytes": size, "sha256": digest, **facts})

    def gap(self, gap: Gap) -> None:
        """A gap, once. Its start and end are naive and UTC."""
        known = {name: gap.get(name) for name in names(GAPS)} | {"source": self.source, "cloud": SOURCES[self.source]}
        known |= {name: iso(known[name]) for name in ("start", "end")}
        if known not in self.manifest["gaps"]:
            self.manifest["gaps"].append(known)

    def close_gaps(self, object: str, why: str | None = None) -> None:
        """Forget the gaps of an object that is read anew; with ``why`` only that one."""
        self.manifest["gaps"] = [gap for gap in self.manifest["gaps"] if gap["object"] != object or why not in (None, gap["why"])]

    def keep(self) -> None:
        """Write the manifest: what was published since counts from now on."""
        text = json.dumps(self.manifest, sort_keys=True, separators=(",", ":"))
        self._store.replace(f"{self._folder}/manifest.json", text.encode("utf-8", "replace"))

    @contextlib.contextmanager
    def scratch(self) -> t.Iterator[Path]:
        """A folder for files in the making, on the file system of the store if that is a directory; gone afterwards."""
        where = None
        if self._store.root is not None:
            home = self._store.root / "events"
            durable.make_folder(home, self._store.root)
            for left in home.glob(".tmp-*"):  # of a run that was killed: whoever loads holds the lease
                shutil.rmtree(left, ignore_errors=True)
            where = home / f".tmp-{secrets.token_hex(6)}"
            where.mkdir(0o700)
        folder = where or Path(tempfile.mkdtemp(prefix="evict-events-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def local(self, part: dict[str, t.Any], into: Path) -> Path:
        """A part as a file on this machine, fetched into ``into`` if the store is remote and checked against the manifest."""
        if self._store.root is not None:
            return self._store.root / self._folder / str(part["file"])
        return _fetched(self._store, f"{self._folder}/{part['file']}", part, into / f"{self.source}-{part['file']}")


def read_manifest(store: Store, source: str) -> dict[str, t.Any]:
    try:
        found = json.loads(store.get(f"events/{source}/manifest.json"))
    except NotFound:
        return {"version": VERSION, "source": source, "parts": [], "files": {}, "gaps": [], "reads": {}}
    except ValueError as error:
        raise EvictError(
            f"events/{source}/manifest.json is damaged: {error}",
            object=f"events/{source}",
            operation="read",
            remedy="move the folder away and load again",
        ) from error
    if found.get("version") != VERSION:
        raise EvictError(f"events/{source}/manifest.json is of version {found.get('version')}", object=f"events/{source}", operation="read")
    return t.cast("dict[str, t.Any]", found)


def selected(store: Store) -> dict[str, t.Any]:
    """Of logs that were selected in a warehouse, not loaded: {from: its tables, accounts: whose logs were asked, estate: whose they have}.

    Empty where all are loaded.
    """
    found = [one for source in SOURCES if (one := read_manifest(store, source).get("selected"))]
    return {name: sorted({value for one in found for value in one[name]}) for name in ("from", "accounts", "estate")} if found else {}


def _fetched(store: Store, path: str, part: dict[str, t.Any], target: Path) -> Path:
    if not (target.is_file() and target.stat().st_size == part["bytes"]):
        data = store.get(path)
        if hashlib.sha256(data).hexdigest() != part["sha256"]:
            raise EvictError(
                f"{store.url}/{path} is not what was written", object=path, operation="read", remedy="load the logs again into a new case"
            )
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
        durable.write_file(target, data)
    return target


def open_case(store: Store, *, memory: str = "4GB", threads: int = 0, keep: bool = True) -> Database:
    """The case's database for analysis: ``case.duckdb``, with ``events`` (a view on the parts) and ``gaps`` as the manifests say now.

    In a directory store it lies in the case; for a remote store, with the parts, in the user's cache. ``keep`` false: in memory, for check mode.
    """
    home = store.root or _cache(store)
    if keep or store.root is None:
        durable.make_folder(home, home)
    parts: list[Path] = []
    gaps: list[list[t.Any]] = []
    for source in SOURCES:
        found = Parts(store, source)
        parts += [found.local(part, home) for part in found.parts]
        gaps += [[moment(gap[name]) if name in ("start", "end") else gap[name] for name in names(GAPS)] for gap in found.manifest["gaps"]]
    database = (
        Database.open(home, memory=memory, threads=threads) if keep else Database.memory(reads=[home], memory=memory, threads=threads)
    )
    try:
        kinds = [row["table_type"] for row in database.rows("SELECT table_type FROM information_schema.tables WHERE table_name = 'events'")]
        if "VIEW" in kinds:  # of an earlier run; without parts it was a table
            database.run("DROP VIEW events")
        database.empty()
        if parts:
            listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in parts)
            wanted = ", ".join(f'"{name}"' for name in names(EVENTS))
            database.run("DROP TABLE events")
            database.run(f"CREATE VIEW events AS SELECT {wanted} FROM read_parquet([{listed}])")
        database.table("gaps", GAPS, gaps)
    except BaseException:
        database.close()
        raise
    return database


def _cache(store: Store) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "evict.cloud" / hashlib.sha256(store.url.encode()).hexdigest()[:32]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From files of logs to parts of the case database.

DuckDB reads, takes apart, compares and writes; Python sees files, never events. Files go in batches of a bounded size. What DuckDB rejects goes alone to
the bounded reader (tolerant.py). Every file ends in the manifest: read, skipped, or unreadable with a gap.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import layout, tolerant
from .database import Database, DatabaseError
from .formats import Format
from .formats.kind import EPOCH, key_of
from .parts import Parts, iso, moment

BATCH = 256 << 20  # bytes of JSON that are in memory at once
_FILES = 4000
_SLOWEST = 1 << 20  # bytes a second: what takes longer than this, and _PATIENCE, is not a log
_PATIENCE = 60.0  # seconds
# Of a part, counted: what is odd in it and what was meant for somebody who shows it. Over the columns of events.
_ODD = {
    "no_time": "time IS NULL",
    "no_id": "event_uid IS NULL",
    "future": "time > CAST(? AS TIMESTAMP)",
    "odd_region": "cloud = 'aws' AND region IS NOT NULL AND NOT regexp_full_match(region, '[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}')",
    "odd_address": "src_ip IS NULL OR NOT (regexp_full_match(src_ip, '[0-9a-fA-F:.]+') OR ends_with(src_ip, '.amazonaws.com') OR src_ip = 'AWS Internal')",
    "markup": "contains(user_agent, '{{') OR contains(user_agent, '{%') OR contains(user_agent, '<') OR regexp_matches(user_agent, '^[=+@\t\r-]')"
              " OR contains(request, '{{') OR contains(request, '{%') OR contains(request, '<script')",
    "deep": "contains(raw, '}}}}}}}}}}}}}}}}') OR contains(raw, ']]]]]]]]]]]]]]]]')",
    "large": "strlen(raw) > 1000000",
}  # fmt: skip


@dataclass(frozen=True)
class File:
    """``name``: where it comes from, its key in the manifest. ``tag``: changes when it does. ``origin``: columns of a gap, if the source knows them."""

    name: str
    path: Path
    size: int
    tag: str
    sha256: str = ""
    origin: dict[str, t.Any] = field(default_factory=dict)
    passing: bool = False  # an API's answer: not a file to remember


@dataclass
class Summary:
    """What one run did, in numbers: ``odd`` by kind, ``skipped`` by reason."""

    files: int = 0
    known: int = 0
    read: int = 0
    tolerant: int = 0
    unreadable: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    left_out: dict[str, int] = field(default_factory=dict)  # records that are no events of any of these logs, by what they are
    lost: int = 0
    cut: int = 0
    odd: dict[str, int] = field(default_factory=dict)
    gaps: int = 0
    waiting: int = 0  # files that a real run would look at
    parts: int = 0
    plain: int = 0

    def add(self, other: Summary) -> None:
        for name, value in vars(other).items():
            if isinstance(value, dict):
                mine = getattr(self, name)
                for what, count in value.items():
                    mine[what] = mine.get(what, 0) + count
            else:
                setattr(self, name, getattr(self, name) + value)


class Loader:
    """Loads files into the parts of ``formats``. ``database`` may read the folders of the files and ``scratch``, and nothing else is in it."""

    def __init__(
        self, database: Database, formats: Sequence[tuple[Format, Parts]], scratch: Path, *, now: str, say: Callable[[str], None] = lambda _: None,
        limits: tolerant.Limits = tolerant.LIMITS, batch: int = BATCH, held: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._db, self._formats, self._scratch, self._now, self._say = database, formats, scratch, now, say
        self._limits, self._batch, self._held = limits, batch, held
        self._links = 0
        self._current: list[Path] = []
        self.summary = Summary()
        self._recalled: set[tuple[str, str]] = set()
        for fmt, _parts in formats:
            self._db.run(f"CREATE OR REPLACE TABLE seen_{fmt.source} (key UUID, time TIMESTAMP)")

    def load(self, files: Iterable[File]) -> Summary:
        """Load what is new of ``files``; those whose names say when are best given in that order."""
        groups: dict[tuple[str, bool], list[tuple[File, layout.Look]]] = {}
        sizes: dict[tuple[str, bool], int] = {}
        mine = {fmt.source for fmt, _parts in self._formats}
        for file in files:
            self.summary.files += 1
            if not file.passing and all(parts.knows(file.name, file.size, file.tag) for _format, parts in self._formats):
                self.summary.known += 1
                continue
            try:
                seen = layout.look(file.path, "" if file.passing else file.name)
            except OSError as error:
                self._unreadable(file, error.strerror or type(error).__name__)
                continue
            if skip := seen.skip or ("" if seen.of in mine else seen.of):
                self._count(self.summary.skipped, skip, 1)
                self._remember(file, state="skipped", why=skip)
            elif seen.odd:
                self._alone(file, seen, seen.odd)
            else:
                kind = (seen.layout, seen.packed)
                plain = max(seen.plain, seen.size)
                if groups.get(kind) and (sizes[kind] + plain > self._batch or len(groups[kind]) >= _FILES):
                    self._batch_of(groups.pop(kind))
                    sizes[kind] = 0
                groups.setdefault(kind, []).append((file, seen))
                sizes[kind] = sizes.get(kind, 0) + plain
        for batch in groups.values():
            self._batch_of(batch)
        for _format, parts in self._formats:
            parts.keep()
        return self.summary

    # -- batches -----------------------------------------------------------------------------------------------------------------

    def _batch_of(self, batch: list[tuple[File, layout.Look]]) -> None:
        """Files of one layout: together if DuckDB takes them, without those that it rejects."""
        if not batch:
            return
        try:
            links = self._read(batch[0][1].layout, [(f.path, look) for f, look in batch])
        except DatabaseError as error:
            rejected = [n for n, link in enumerate(self._current) if str(link) in error.message]
            if len(batch) == 1:
                self._alone(*batch[0], _reason(error))
            elif error.kind in ("InterruptException", "OutOfMemoryException") and (liars := [pair for pair in batch if _lies(*pair)]):
                for file, look in liars:
                    self._alone(file, look, "it unpacks to more than it says")
                self._batch_of([pair for pair in batch if pair not in liars])
            elif len(rejected) == 1:
                file, look = batch.pop(rejected[0])
                self._alone(file, look, _reason(error))
                self._batch_of(batch)
            else:
                self._batch_of(batch[: len(batch) // 2])
                self._batch_of(batch[len(batch) // 2 :])
            return
        self.summary.plain += sum(max(look.plain, look.size) for _file, look in batch)
        self._take({str(link): file for link, (file, _look) in zip(links, batch, strict=True)})

    def _read(self, kind: str, files: Sequence[tuple[Path, layout.Look]], *, lenient: bool = False) -> list[Path]:
        """Make ``records(file, e)``. Files are read under names of our own: one with * in it would be a pattern, and errors name files."""
        suffix = ".json.gz" if files[0][1].packed else ".json"
        self._current = []
        for path, _look in files:
            self._links += 1
            link = self._scratch / f"{self._links:09d}{suffix}"
            link.symlink_to(path.absolute())
            self._current.append(link)
        largest = max(max(look.plain, look.size) for _path, look in files) + (1 << 20)
        values = {"lines": "json", "values": "json"}.get(kind)
        if not values:
            inside = "$[*]" if kind == "array" else f"$.{kind}[*]"
            values = f"unnest(json_extract(json, '{inside}'))"
            if kind == "Events":
                values = "CAST(unnest(json_extract_string(json, '$.Events[*].CloudTrailEvent')) AS JSON)"
        form = "newline_delimited" if kind == "lines" else "unstructured"
        size = 16 << 20 if kind == "lines" and largest > 64 << 20 else max(largest, 16 << 20)
        plain = sum(max(look.plain, look.size) for _path, look in files)
        try:
            self._db.run(
                f"CREATE OR REPLACE TABLE records AS SELECT filename AS file, {values} AS e FROM read_json_objects(?, filename = true,"
                f" format = '{form}', maximum_object_size = {size}, ignore_errors = {lenient}, compression = '{'gzip' if files[0][1].packed else 'none'}')",
                [[str(link) for link in self._current]],
                seconds=_PATIENCE + plain / _SLOWEST,
            )
        finally:
            for link in self._current:
                link.unlink()
        return self._current

    def _alone(self, file: File, look: layout.Look, why: str) -> None:
        """A file that DuckDB does not take."""
        self._say(f"{file.name}: read by itself ({why})")
        made = self._scratch / "tolerant.json"
        try:
            with open(made, "wb") as out:
                report = tolerant.read(file.path, look.packed, look.layout, out, self._limits)
            lines = layout.Look(layout="lines", size=made.stat().st_size, plain=made.stat().st_size)
            links: list[Path] = []
            if report.records:
                try:
                    links = self._read("lines", [(made, lines)])
                except DatabaseError:
                    links = self._read("lines", [(made, lines)], lenient=True)
                    left = self._db.run("DELETE FROM records WHERE e IS NULL")
                    report.lost += left
                    report.records -= left
        except (OSError, MemoryError, DatabaseError) as error:
            self._unreadable(file, f"{why}; {getattr(error, 'strerror', '') or type(error).__name__}")
            return
        finally:
            made.unlink(missing_ok=True)
        self.summary.tolerant += 1
        self.summary.lost += report.lost
        self.summary.cut += report.cut
        complaints = "; ".join([why, *report.why])[:500]
        if not report.records:
            self._unreadable(file, complaints)
            return
        self._gap(file, f"read in part: {complaints}; {report.records} records kept, {report.lost} lost, {report.cut} shortened")
        self._take({str(links[0]): file}, tolerant=True, lost=report.lost, cut=report.cut)

    # -- rows --------------------------------------------------------------------------------------------------------------------

    def _take(self, files: dict[str, File], **facts: t.Any) -> None:
        """Turn ``records`` into a part for each log, and remember the files. ``held`` raises when another run has taken the case over."""
        self._held()
        counts: dict[str, dict[str, t.Any]] = {link: {"records": 0, "events": 0, "duplicates": 0} for link in files}
        for row in self._db.rows("SELECT file, count(*) AS n FROM records GROUP BY file"):
            counts[row["file"]]["records"] = row["n"]
        others = sum(count["records"] for count in counts.values())
        for fmt, parts in self._formats:
            others -= self._part(fmt, parts, counts)
        if others > 0:
            self._count(self.summary.left_out, "other", others)
        for link, file in files.items():
            state = "read" if counts[link]["events"] or counts[link]["duplicates"] or not counts[link]["records"] else "other"
            self._remember(file, state=state, **counts[link], **facts)
            self.summary.read += 1
        self._db.run("DROP TABLE records")
        for _format, parts in self._formats:
            parts.keep()
        self._say(f"{self.summary.read} files read, {sum(self.summary.events.values())} events, {self.summary.duplicates} duplicates")

    def _part(self, fmt: Format, parts: Parts, counts: dict[str, dict[str, t.Any]]) -> int:
        """Write the events of one log that are new. Returns how many records were of this log."""
        self._db.run(f"CREATE OR REPLACE TABLE narrow AS {fmt.narrow('(SELECT rowid AS number, file, e FROM records)')}")
        kinds = self._db.rows(
            'SELECT kind, count(*) AS n, min(time) AS start, max(time) AS "end" FROM narrow WHERE kind IS NOT NULL GROUP BY kind'
        )
        for row in kinds:
            if row["kind"]:
                self._count(self.summary.left_out, row["kind"], row["n"])
        mine = next((row for row in kinds if row["kind"] == ""), None)
        if mine:
            self._recall(fmt, parts, mine["start"], mine["end"])
            self._db.run(
                "CREATE OR REPLACE TABLE kept AS SELECT number FROM narrow WHERE kind = '' AND key IS NULL UNION ALL"
                " SELECT number FROM (SELECT min(number) AS number, key, time FROM narrow WHERE kind = '' AND key IS NOT NULL GROUP BY key, time) AS n"
                f" WHERE NOT EXISTS (SELECT 1 FROM seen_{fmt.source} AS s WHERE s.key = n.key AND s.time = n.time AND s.time BETWEEN ? AND ?)",
                [mine["start"], mine["end"]],
            )
            new = self._db.rows("SELECT count(*) AS n FROM kept")[0]["n"]
            inner = "SELECT time, lag(time) OVER (PARTITION BY file ORDER BY number) AS before FROM narrow"
            backwards = self._db.rows(f"SELECT count_if(time < before) AS n FROM ({inner} WHERE kind = '' AND time > {EPOCH})")[0]["n"]
            if backwards:
                self._count(self.summary.odd, "out_of_order", backwards)
            for row in self._db.rows(
                "SELECT file, count(*) AS n, count(k.number) AS new FROM narrow LEFT JOIN kept AS k ON narrow.number = k.number WHERE kind = '' GROUP BY file"
            ):
                counts[row["file"]]["events"] += row["new"]
                counts[row["file"]]["duplicates"] += row["n"] - row["new"]
            self.summary.duplicates += mine["n"] - new
            if new:
                self._write(
                    fmt, parts, new, "" if new == sum(counts[f]["records"] for f in counts) else " WHERE rowid IN (SELECT number FROM kept)"
                )
        self._db.run("DROP TABLE narrow")
        return sum(row["n"] for row in kinds)

    def _write(self, fmt: Format, parts: Parts, count: int, which: str) -> None:
        made = self._scratch / "part.parquet"
        target = str(made).replace("'", "''")
        self._db.run(
            f"COPY ({fmt.select(f'(SELECT e FROM records{which})')}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )
        tests = ", ".join(f"count_if({test}) AS {name}" for name, test in _ODD.items())
        facts = self._db.rows(f'SELECT min(time) AS start, max(time) AS "end", {tests} FROM read_parquet(?)', [self._now, str(made)])[0]
        for name in _ODD:
            if facts[name]:
                self._count(self.summary.odd, name, facts[name])
        parts.publish(
            made, {"events": count, "start": iso(facts["start"]), "end": iso(facts["end"]), "odd": {n: facts[n] for n in _ODD if facts[n]}}
        )
        self._recalled.add((fmt.source, parts.parts[-1]["file"]))
        self._db.run(
            f"INSERT INTO seen_{fmt.source} SELECT key, time FROM narrow WHERE key IS NOT NULL AND number IN (SELECT number FROM kept)"
        )
        self._count(self.summary.events, fmt.source, count)
        self.summary.parts += 1

    def _recall(self, fmt: Format, parts: Parts, start: t.Any, end: t.Any) -> None:
        """Of earlier runs' parts, those that may hold the same events are brought to mind, once."""
        for part in parts.parts:
            about = (fmt.source, part["file"])
            earliest, latest = moment(part["start"]), moment(part["end"])
            apart = earliest and latest and not part["odd"].get("no_time") and (latest < start or earliest > end)
            if about in self._recalled or apart:
                continue
            self._recalled.add(about)
            rows = "SELECT rowid AS number, NULL AS file, CAST(raw AS JSON) AS e FROM parted" if fmt.unique else ""
            path = str(parts.local(part, self._scratch))
            if rows:
                self._db.run("CREATE OR REPLACE TABLE parted AS SELECT raw FROM read_parquet(?)", [path])
                known = f"SELECT key, time FROM ({fmt.narrow(f'({rows})')})"
            else:  # the id alone tells them apart: the rest of the part stays unread
                self._db.run("CREATE OR REPLACE TABLE parted AS SELECT event_uid, time FROM read_parquet(?)", [path])
                known = f"SELECT {key_of('event_uid')} AS key, coalesce(time, {EPOCH}) AS time FROM parted"
            self._db.run(f"INSERT INTO seen_{fmt.source} SELECT key, time FROM ({known}) WHERE key IS NOT NULL")
            self._db.run("DROP TABLE parted")

    # -- records of what was done ------------------------------------------------------------------------------------------------

    def _remember(self, file: File, **facts: t.Any) -> None:
        if file.passing:
            return
        for _format, parts in self._formats:
            if file.name in parts.files and facts["state"] == "read" and not facts.get("tolerant"):
                parts.close_gaps(file.name)  # it was damaged when it was read before
            parts.files[file.name] = {"size": file.size, "tag": file.tag, **({"sha256": file.sha256} if file.sha256 else {}), **facts}

    def _unreadable(self, file: File, why: str) -> None:
        self.summary.unreadable += 1
        self._gap(file, f"not read: {why}")
        self._remember(file, state="unreadable", why=why[:500])

    def _gap(self, file: File, why: str) -> None:
        self.summary.gaps += 1
        for _format, parts in self._formats[:1]:
            parts.close_gaps(file.name)
            parts.gap({**layout.place(file.name), **file.origin, "object": file.name, "why": why[:1000]})

    @staticmethod
    def _count(where: dict[str, int], what: str, more: int) -> None:
        where[what] = where.get(what, 0) + more


def _lies(file: File, look: layout.Look) -> bool:
    try:
        return look.packed and layout.larger(file.path, look.plain)
    except OSError:
        return False


def _reason(error: DatabaseError) -> str:
    """DuckDB's complaint without the name that the file had there."""
    text = error.message.split(": ", 2)[-1]
    found = text.find("at byte")
    return " ".join((text[found:] if found >= 0 else text).split())[:200]

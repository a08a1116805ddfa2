# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of an ``*_audit_event_info`` module: the case is opened, logs are read into it, and a small result says what came and what is missing."""

from __future__ import annotations

import contextlib
import datetime
import time
import typing as t
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .. import errors
from ..case import ARGUMENTS as CASE
from ..case import Case
from ..errors import EvictError, InvalidInput
from ..ledger_record import now
from ..store import Store
from . import folder as folders
from .database import Database
from .formats import Format
from .load import Loader, Summary
from .parts import Parts

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# For argument_spec; documented in the doc fragment `events`.
ARGUMENTS: dict[str, dict[str, t.Any]] = {
    **CASE,
    "folder": {"type": "path"},
    "memory": {"type": "str", "default": "4GB"},
    "loading_threads": {"type": "int", "default": 0},
}
_SHOWN = 50  # gaps in a result; the case has all of them
_PAUSE = 15.0  # seconds between two lines of progress


class Progress:
    """Lines for whoever watches, as notes in the case's ledger, since a module is silent until it ends; at most one in a while."""

    def __init__(self, case: Case) -> None:
        self._case, self._next = case, time.monotonic() + _PAUSE

    def __call__(self, text: str) -> None:
        if time.monotonic() >= self._next and not self._case.check:
            self._next = time.monotonic() + _PAUSE
            self._case.note("progress", {"text": text[:500]})


class Collection:
    """What a module's own reading works with. ``params``: the module's; ``say``: progress; ``window``: start and end that the incident names, as text."""

    def __init__(self, case: Case, params: t.Mapping[str, t.Any], wanted: Sequence[Format]) -> None:
        self.case, self.params, self.wanted = case, params, wanted
        self.store: Store = case.store
        self.check = case.check
        self.say = Progress(case)
        self.summary = Summary()
        self.calls = 0
        self.warehouse: dict[str, t.Any] = {}

    def held(self) -> None:
        """Raises when another run has taken the case over: it may be writing the same manifest."""
        if why := self.case.stopped():
            raise EvictError(f"{why}; what was loaded until then counts", object=self.case.incident.id, operation="load",
                             remedy="run the same command again")  # fmt: skip

    def folder(self) -> None:
        """Load the option ``folder``."""
        more = {"check": self.check, "memory": self.params["memory"], "threads": self.params["loading_threads"], "held": self.held}
        self.summary.add(folders.load(self.store, self.wanted, Path(str(self.params["folder"])), now=now(), say=self.say, **more))

    def missing(self, object: str, why: str) -> None:
        """A gap of the first log."""
        if not self.check:
            parts = Parts(self.store, self.wanted[0].source)
            parts.gap({"object": object, "why": why})
            parts.keep()

    @contextlib.contextmanager
    def loader(self, parts: Parts) -> Iterator[tuple[Loader, Path]]:
        """A loader for files that are fetched into the folder that comes with it."""
        with parts.scratch() as scratch:
            fetched = scratch / "fetched"
            fetched.mkdir(0o700)
            reads = [scratch, *([self.store.root] if self.store.root else [])]
            with Database.memory(
                reads=reads, scratch=scratch / "spill", memory=self.params["memory"], threads=self.params["loading_threads"]
            ) as database:
                yield Loader(database, [(self.wanted[0], parts)], scratch, now=now(), say=self.say, held=self.held), fetched

    def result(self) -> dict[str, t.Any]:
        """Counts, the first gaps, and what the parts hold."""
        summary, kept, gaps = self.summary, {}, []
        for fmt in self.wanted:
            parts = Parts(self.store, fmt.source)
            times = [p[k] for p in parts.parts for k in ("start", "end") if p[k]]
            kept[fmt.source] = {"parts": len(parts.parts), "events": sum(p["events"] for p in parts.parts), "bytes": sum(p["bytes"] for p in parts.parts),
                                "start": min(times, default=""), "end": max(times, default="")}  # fmt: skip
            gaps += parts.manifest["gaps"]
        return {
            "incident": self.case.incident.id,
            "loaded": summary.events,
            "duplicates": summary.duplicates,
            "files": {name: getattr(summary, name) for name in ("files", "known", "waiting", "read", "tolerant", "unreadable")},
            "skipped_files": summary.skipped,
            "left_out": summary.left_out,
            "lost": summary.lost,
            "shortened": summary.cut,
            "odd": summary.odd,
            "kept": kept,
            "gaps": gaps[:_SHOWN],
            "gap_count": len(gaps),
            "complete": not gaps,
            "calls": self.calls,
            **({"warehouse": self.warehouse} if self.warehouse else {}),
        }


def run(module: AnsibleModule, wanted: Sequence[Format], read: Callable[[Collection], None]) -> t.NoReturn:
    """Open the case, ``read``, and end with the result. Loading takes the case's lease: two writers of one manifest would lose parts."""
    with errors.handler(module):
        name = str(module._name).rsplit(".", 1)[-1]
        case = Case.open(module.params, module=name, check=module.check_mode)
        try:
            collection = Collection(case, module.params, wanted)
            try:
                read(collection)
                result = collection.result()
            except Exception:
                case.abort()
                raise
            if not case.check:
                case.note(
                    "events",
                    {k: result[k] for k in ("loaded", "duplicates", "files", "skipped_files", "gap_count", "warehouse") if k in result},
                )
            result["head"] = case.end("ok", None)
        finally:
            case.close()
            for warning in case.warnings:
                module.warn(warning)
    module.exit_json(changed=False, **result)


def from_folder(collection: Collection) -> None:
    """What the modules of clouds without an API here do."""
    if not collection.params["folder"]:
        raise InvalidInput("nothing to read", [("folder", "is needed")])
    collection.folder()


def window(collection: Collection) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """(start, end) of the options, else of the incident; naive UTC."""
    of, found = collection.case.incident.window, []
    for name, of_incident in (("start", of.start), ("end", of.end)):
        given = collection.params[name]
        found.append(utc(given, name) if given else of_incident.astimezone(datetime.UTC).replace(tzinfo=None) if of_incident else None)
    return found[0], found[1]


def utc(text: str, path: str) -> datetime.datetime:
    """RFC 3339, with a zone, as naive UTC. ``InvalidInput``."""
    try:
        read = datetime.datetime.fromisoformat(text)
    except ValueError:
        read = datetime.datetime.min  # noqa: DTZ901 - says that it could not be read
    if read.tzinfo is None:
        raise InvalidInput("a time cannot be read", [(path, f"{text[:40]!r}: write it as 2026-11-22T09:00:00Z")])
    return read.astimezone(datetime.UTC).replace(tzinfo=None)

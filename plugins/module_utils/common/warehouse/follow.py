# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop: ask the warehouse for what is new, load the answer, follow the lineage in the case's database, until nothing is new.

What was asked of which span is remembered in the manifest, so that a second run asks only for what came since. What a query would read is known before
it is started, and over the ceiling it is not started.
"""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CloudError, Refused
from ..events import spans
from ..events.columns import SOURCES
from ..events.load import File
from ..events.parts import Parts, iso
from . import question
from .engine import Engine, Estimate, Query
from .layouts.kind import Layout
from .question import Handle, Span
from .wanted import Wanted, only_past

ROUNDS = 25  # each goes one step further along some chain
ROWS = 5_000_000  # that one run fetches
LATE = dt.timedelta(hours=1)  # after which an event is in the warehouse
AT_WORK = "a run that asks it has not ended, or was ended before it said so: run the same command again"
_FILE = 64 << 20  # characters of records that are loaded at once
_LONGEST = 1000  # characters of a value, its quotes counted twice


@dataclass
class Outcome:
    """For the module's result: queries that ran, bytes that they read at most, rows that came, rounds; ``how`` the bytes are known."""

    engine: str
    ceiling: int
    queries: int = 0
    scanned: int = 0
    rows: int = 0
    rounds: int = 0
    how: str = ""
    handles: int = 0

    def as_dict(self) -> dict[str, t.Any]:
        return dict(vars(self))


@dataclass
class Follow:
    """``trace``: what the lineage wants, given what was asked. ``load``: takes a file of records, one a line. ``tell``: for whoever watches."""

    engine: Engine
    layouts: Sequence[Layout]
    parts: Parts
    span: Span
    trace: Callable[[frozenset[Handle]], list[Wanted]]
    load: Callable[[File], None]
    folder: Path
    ceiling: int
    now: dt.datetime  # naive, UTC
    accounts: Sequence[str] = ()
    regions: Sequence[str] = ()
    narrowed: bool = False  # whether these are fewer than the table has
    estate: Sequence[str] = ()  # every account whose log the table has
    tell: Callable[[str], None] = lambda _text: None
    held: Callable[[], None] = lambda: None
    rows: int = ROWS
    outcome: Outcome = field(init=False)

    def __post_init__(self) -> None:
        self.outcome = Outcome(self.engine.name, self.ceiling)
        self._files = 0
        self._had = dict(self.parts.reads)  # with what this run asked, until this moment; remembered is only what cannot come late any more

    def preview(self) -> Outcome:
        """What the first round would read. Nothing is started."""
        for layout, handles, span in self._questions(self.trace(self._seen())):
            estimate = self.engine.estimate(self._query(layout, handles, span))
            self._count(estimate, handles)
        return self.outcome

    def run(self) -> Outcome:
        """Raises ``Refused`` when the ceiling lies below the first query; what stops it later is a gap."""
        for layout in self.layouts:
            self.parts.close_gaps(self._name(layout))
            self._gap(layout, AT_WORK)
            if self.narrowed:
                of = ", ".join(
                    f"{what} {' '.join(given)}" for what, given in (("accounts", self.accounts), ("regions", self.regions)) if given
                )
                self._gap(layout, f"only {of} were asked: what happened elsewhere is not known")
        self._keep()  # before anything is loaded: when this run is killed, what it had loaded must not look like everything
        self._rounds()
        self._end()
        return self.outcome

    def _rounds(self) -> None:
        for _round in range(ROUNDS):
            questions = list(self._questions(self.trace(self._seen())))
            if not questions:
                return
            self.outcome.rounds += 1
            for layout, handles, span in questions:
                if not self._ask(layout, handles, span):
                    for other in self.layouts:
                        if other is not layout:
                            self._gap(other, f"not asked to the end, since {self._name(layout)} was not")
                    return
        for layout in self.layouts:
            self._gap(layout, f"it was not at its end after {ROUNDS} rounds: run the same command again")

    def _end(self) -> None:
        """What is missing is said by its own gaps."""
        for layout in self.layouts:
            self.parts.close_gaps(self._name(layout), AT_WORK)
        self._keep()

    # -- what is asked -------------------------------------------------------------------------------------------------------------

    def _questions(self, wanted: Sequence[Wanted]) -> Iterator[tuple[Layout, list[Handle], Span]]:
        """Of each table what it was not asked yet: handles with the same span together."""
        for layout in self.layouts:
            groups: dict[tuple[dt.datetime, dt.datetime], dict[Handle, dt.datetime]] = {}
            for one in wanted:
                if self._answerable(layout, one.handle):
                    for span in self._missing(layout, one):
                        groups.setdefault((span.full, span.until), {})[one.handle] = span.since
            for (full, until), handles in sorted(groups.items()):  # one scan for all of a group, from where the longest past begins
                for portion in question.portions(list(handles)):
                    yield layout, portion, Span(min(handles.values()), full, until)

    def _answerable(self, layout: Layout, handle: Handle) -> bool:
        if column := layout.lacks.get(handle.kind):
            self._gap(layout, f"the table has no column {column}: what was done by such a {handle.kind.replace('_', ' ')} cannot be asked")
        odd = not handle.value or "\0" in handle.value or len(handle.value) + handle.value.count("'") > _LONGEST
        if odd:
            self._gap(layout, f"a name of {len(handle.value)} characters cannot be asked: {handle.value[:100]!r}")
        return not odd and handle.kind not in layout.lacks

    def _missing(self, layout: Layout, one: Wanted) -> list[Span]:
        """``full`` and later altogether; before it, of the past, the first of each kind."""
        span, had = self.span, self._had.get(self._key(layout, one.handle, True), [])
        if only_past(one.kind):
            return [Span(a, min(max(span.full, a), b), b) for a, b in spans.missing((span.since, span.until), had)]
        before = spans.missing((span.since, span.full), had) if one.past else []
        whole = spans.missing((span.full, span.until), self._had.get(self._key(layout, one.handle), []))
        if whole and before and before[-1][1] == whole[0][0]:  # one question for both
            joint = [Span(before.pop()[0], *whole.pop(0))]
            return joint + [Span(a, b, b) for a, b in before] + [Span(a, a, b) for a, b in whole]
        return [Span(a, b, b) for a, b in before] + [Span(a, a, b) for a, b in whole]

    def _key(self, layout: Layout, handle: Handle, past: bool = False) -> str:
        return f"{self._name(layout)} {self._scope()}{'before ' if past else ''}{handle}"

    def _scope(self) -> str:
        """What was asked of a part of the table says nothing of the rest."""
        return f"[{' '.join(self.accounts)};{' '.join(self.regions)}] " if self.narrowed else ""

    def _seen(self) -> frozenset[Handle]:
        """The addresses whose first event is known, of every table."""
        marks = [f"{self._name(layout)} {self._scope()}before address_first " for layout in self.layouts]
        found = [{key[len(mark) :] for key in self._had if key.startswith(mark)} for mark in marks]
        return frozenset(Handle("address_first", value) for value in set.intersection(*found)) if found else frozenset()

    # -- one query -----------------------------------------------------------------------------------------------------------------

    def _query(self, layout: Layout, handles: Sequence[Handle], span: Span) -> Query:
        return question.ask(layout, self.engine.dialect, handles, span, self.accounts, self.regions)

    def _ask(self, layout: Layout, handles: list[Handle], span: Span) -> bool:
        """Whether to go on."""
        self.held()
        query = self._query(layout, handles, span)
        if not self.outcome.queries:  # of many partitions that takes a while, one time
            self.tell(f"{self._name(layout)}: how much a query would read is found out")
        try:
            estimate = self.engine.estimate(query)
        except CloudError as error:
            self._gap(layout, f"not asked: {error.message}", span)
            return False
        if self.outcome.scanned + estimate.scanned > self.ceiling:
            return self._refuse(layout, estimate, span)
        self.tell(f"{self._name(layout)}: round {self.outcome.rounds}, {len(handles)} handles from {iso(span.since)} to {iso(span.until)}, reads at most"
                  f" {estimate.scanned} bytes ({estimate.how}); {self.outcome.scanned} of {self.ceiling} so far")  # fmt: skip
        self._count(estimate, handles)
        try:
            whole = self._take(layout, query, span)
        except CloudError as error:
            self._gap(layout, f"cut off: {error.message}", span)
            return False
        if whole:
            self._remember(layout, handles, span)
            self.parts.keep()
        return whole

    def _count(self, estimate: Estimate, handles: Sequence[Handle]) -> None:
        self.outcome.queries += 1
        self.outcome.scanned += estimate.scanned
        self.outcome.how = estimate.how
        self.outcome.handles += len(handles)

    def _refuse(self, layout: Layout, estimate: Estimate, span: Span) -> bool:
        why = (f"not started: it would read up to {estimate.scanned} bytes ({estimate.how}), with {self.outcome.scanned} that this run has read already,"
               f" and the ceiling is {self.ceiling}")  # fmt: skip
        remedy = (
            "narrow accounts, regions, start and end, or the time before (baseline), or raise the ceiling; then run the same command again"
        )
        self._gap(layout, f"{why}: {remedy}", span)
        if not self.outcome.queries:
            self._end()
            raise Refused(f"{self._name(layout)}: {why}", object=self._name(layout), operation="query", remedy=remedy)
        return False

    def _take(self, layout: Layout, query: Query, span: Span) -> bool:
        """Load the answer as it comes. Whether it is whole."""
        rows = self.engine.rows(query)
        lines: list[str] = []
        size = 0
        try:
            for row in rows:
                self.outcome.rows += 1
                if self.outcome.rows > self.rows:
                    self._gap(layout, f"cut off: more than {self.rows} events came; narrow accounts, regions, start and end", span)
                    return False
                lines.append(layout.line(row))
                size += len(lines[-1])
                if size > _FILE:
                    self._load(layout, lines)
                    lines, size = [], 0
        finally:
            close = getattr(rows, "close", None)  # a generator: whatever happened here, its query ends
            if close:
                close()
            if lines:
                self._load(layout, lines)
        return True

    def _load(self, layout: Layout, lines: list[str]) -> None:
        self._files += 1
        path = self.folder / f"{self._files:06d}.json"
        data = "\n".join([*lines, ""]).encode("utf-8", "replace")
        path.write_bytes(data)
        before = len(self.parts.parts)
        self.load(File(f"{self._name(layout)}/{self._files:06d}", path, len(data), "", passing=True))
        for part in self.parts.manifest["parts"][before:]:
            part["from"] = self._name(layout)
        path.unlink()

    # -- what is remembered --------------------------------------------------------------------------------------------------------

    def _remember(self, layout: Layout, handles: Sequence[Handle], span: Span) -> None:
        late = self.now - LATE
        for handle in handles:
            past, whole = self._key(layout, handle, True), self._key(layout, handle)
            told = (
                [(past, span.since, span.until)]
                if only_past(handle.kind)
                else [(past, span.since, span.full), (whole, span.full, span.until)]
            )
            for key, start, end in told:
                if end > start:
                    self._had[key] = spans.joined(self._had.get(key, []), (start, end))
                if min(end, late) > start:
                    self.parts.reads[key] = spans.joined(self.parts.reads.get(key, []), (start, min(end, late)))

    def _keep(self) -> None:
        known = self.parts.manifest.get("selected", {})
        self.parts.manifest["selected"] = {
            "from": sorted({*known.get("from", ()), *(self._name(layout) for layout in self.layouts)}),
            "accounts": sorted({*known.get("accounts", ()), *((self.narrowed and self.accounts) or self.estate)}),
            "estate": sorted({*known.get("estate", ()), *self.estate}),
        }
        self.parts.keep()

    def _gap(self, layout: Layout, why: str, span: Span | None = None) -> None:
        self.parts.gap({"object": self._name(layout), "why": why[:1000], "cloud": SOURCES[layout.source],
                        **({"start": span.since, "end": span.until} if span else {})})  # fmt: skip

    def _name(self, layout: Layout) -> str:
        return f"{self.engine.name} {layout.table.replace(chr(34), '')}"

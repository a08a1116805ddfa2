# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module does with a warehouse: the case's own suspects, window and database around ``follow``."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import planning
from ..analysis.lineage import Lineage
from ..errors import InvalidInput
from ..events import parts
from ..events.collect import Collection
from ..events.load import File
from ..events.parts import Parts
from .engine import Engine
from .follow import Follow
from .layouts.kind import Layout
from .question import Handle, Span
from .wanted import Wanted, wanted

# For argument_spec; documented in the doc fragment `warehouse`.
ARGUMENTS: dict[str, dict[str, t.Any]] = {"ceiling": {"type": "bytes", "default": "1TB"}, "baseline": {"type": "int", "default": 30}}
_DAY = dt.timedelta(days=1)


def span(start: dt.datetime | None, end: dt.datetime | None, now: dt.datetime, baseline: int) -> Span:
    """``start``: when the incident began; ``baseline``: days before it. A day before ``start`` is wanted whole: clocks differ, and so may people."""
    if start is None:
        raise InvalidInput("a warehouse is not asked for all time", [("start", "is needed, or window.start in the incident file")])
    if baseline < 1:
        raise InvalidInput("the options were refused", [("baseline", "at least one day")])
    until = min(end or now, now)
    if until <= start:
        raise InvalidInput("the options were refused", [("end", "must be after start")])
    return Span(start - dt.timedelta(days=baseline), start - _DAY, until)


def select(
    collection: Collection, engine: Engine, layouts: Sequence[Layout], asked: Span, *, start: dt.datetime | None, now: dt.datetime,
    accounts: Sequence[str] = (), regions: Sequence[str] = (), estate: Sequence[str] = (), narrowed: bool = False,
) -> None:  # fmt: skip
    """Ask, load and follow; ``collection.warehouse`` says what it took. In check mode only what the first round would read."""
    fmt, case, params = collection.wanted[0], collection.case, collection.params
    kept = Parts(collection.store, fmt.source)
    suspects = planning.reported(case.incident, case.ledger)

    def trace(seen: frozenset[Handle]) -> list[Wanted]:
        with parts.open_case(collection.store, memory=params["memory"], threads=params["loading_threads"], keep=False) as database:
            trusted = case.incident.trusted
            lineage = Lineage(database, suspects, start=start, end=asked.until, trusted_networks=trusted.networks,
                              trusted_principals=trusted.principals, accounts=[*case.incident.accounts, *estate],
                              logged=accounts or estate)  # fmt: skip
            return wanted(lineage.follow(), suspects, fmt.cloud, seen)

    def tell(text: str) -> None:
        case.note("progress", {"text": text[:500]})

    def work(load: Callable[[File], None], folder: Path) -> Follow:
        return Follow(
            engine,
            layouts,
            kept,
            asked,
            trace,
            load,
            folder,
            params["ceiling"],
            now,
            accounts,
            regions,
            narrowed,
            estate,
            tell,
            collection.held,
        )

    if collection.check:  # writes nothing
        collection.warehouse = work(lambda _file: None, Path()).preview().as_dict()
        return
    with collection.loader(kept) as (loader, fetched):

        def load(file: File) -> None:
            loader.load([file])

        try:
            collection.warehouse = work(load, fetched).run().as_dict()
        finally:
            collection.summary.add(loader.summary)

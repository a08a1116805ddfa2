# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail's event history into a case: LookupEvents in every enabled region, newest first, what was read before left out.

Source: 90 days of management events, two requests a second for each account and region (session.py keeps to it), 50 events in each.
"""

from __future__ import annotations

import datetime
import queue
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import EvictError
from ..common.events.collect import Collection
from ..common.events.load import File
from ..common.events.parts import Parts, iso, moment
from ..common.events.spans import Span, joined, missing
from ..common.plan import Call, Target
from . import events
from .session import Aws

READS = ("cloudtrail:LookupEvents",)
_DAYS = 90
_LATE = datetime.timedelta(minutes=15)  # after which an event is there
_SECOND = datetime.timedelta(seconds=1)
_PAGES = 200  # in one file: a killed run loses at most these
_TOGETHER = 30.0  # seconds of files that become one part
_UNTOLD = "the account of "  # what follows is a suspect


@dataclass(frozen=True)
class _Piece:
    """A file of records, and the span that is read with it. ``why``: the rest of the span could not be read."""

    account: str
    region: str
    span: Span
    path: Path | None = None
    why: str = ""


def about(account: str, region: str) -> str:
    return f"LookupEvents {account} {region}".strip()


class History:
    """Reads accounts' histories into ``collection``. ``seconds``: after which no further page is asked for."""

    def __init__(
        self,
        aws: Aws,
        collection: Collection,
        *,
        start: datetime.datetime | None,
        end: datetime.datetime | None,
        seconds: float,
        threads: int,
    ) -> None:
        self._aws, self._collection, self._threads = aws, collection, threads
        self._deadline = time.monotonic() + seconds
        self._now = aws.now().replace(tzinfo=None, microsecond=0)
        self._oldest = self._now - datetime.timedelta(days=_DAYS)
        self._start, self._end = start, min(end or self._now, self._now)
        self._done: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._numbers = iter(range(1 << 30))

    def read(self, accounts: list[str], regions: list[str], untold: list[tuple[str, str]] | None = None) -> None:
        """``untold``: suspects whose account nobody knows, with the reason; None when nobody looked."""
        parts = Parts(self._collection.store, "cloudtrail")
        if self._collection.check:
            return
        if untold is not None:
            for gap in parts.manifest["gaps"]:
                if str(gap["object"]).startswith(_UNTOLD):
                    parts.close_gaps(gap["object"])
            for suspect, why in untold:
                self._collection.summary.gaps += 1
                parts.gap({"object": f"{_UNTOLD}{suspect}", "why": why[:1000]})
        with self._collection.loader(parts) as (loader, fetched):
            jobs = self._jobs(parts, accounts, regions)
            worker = threading.Thread(target=self._work, args=(jobs, fetched), daemon=True)
            worker.start()
            over = False
            while not over:
                pieces: list[_Piece] = []
                until = time.monotonic() + _TOGETHER
                while not over and (time.monotonic() < until or not pieces):
                    piece = self._done.get()
                    over = piece is None
                    pieces += [piece] if piece else []
                self._collection.held()
                loader.load(self._file(piece, piece.path) for piece in pieces if piece.path)
                self._settle(parts, pieces)
                for piece in pieces:
                    if piece.path:
                        piece.path.unlink()
            self._collection.summary.add(loader.summary)

    def _jobs(self, parts: Parts, accounts: list[str], regions: list[str]) -> list[tuple[str, str, list[Span]]]:
        jobs = []
        for account in accounts:
            first = max(self._start or self._oldest, self._oldest)
            if self._start and self._start < self._oldest:
                parts.gap({"account": account, "start": self._start, "end": self._oldest, "object": f"event history {account}",
                           "why": f"the event history is of {_DAYS} days: what is older is in trails only"})  # fmt: skip
            parts.gap(
                {
                    "account": account,
                    "object": f"event history {account}",
                    "why": "the event history has management events only: no data events",
                }
            )
            try:
                names = regions or events.regions(self._aws, account)
            except EvictError as error:
                self._gap(parts, account, "", (first, self._end), error.message)
                continue
            parts.close_gaps(about(account, ""))
            jobs += [(account, name, missing((first, self._end), parts.reads.get(about(account, name), []))) for name in names]
        return [job for job in jobs if job[2]]

    def _work(self, jobs: list[tuple[str, str, list[Span]]], fetched: Path) -> None:
        try:
            with ThreadPoolExecutor(max(1, min(self._threads, len(jobs)))) as pool:
                for job in jobs:
                    pool.submit(self._region, *job, fetched)
        finally:
            self._done.put(None)

    def _region(self, account: str, region: str, spans: list[Span], fetched: Path) -> None:
        for span in reversed(spans):
            try:
                self._span(account, region, span, fetched)
            except Exception as error:  # a region that cannot be read is a gap, whatever the reason
                self._done.put(
                    _Piece(account, region, span, why=getattr(error, "message", "") or f"{type(error).__name__} while its events were read")
                )

    def _span(self, account: str, region: str, span: Span, fetched: Path) -> None:
        """Newest first; each file of ``_PAGES`` pages is handed on with the part of the span that it completes."""
        start, end = span
        asked: dict[str, t.Any] = {"StartTime": f"{iso(start)}", "EndTime": f"{iso(end)}", "MaxResults": 50}
        more = True
        while more:
            path = fetched / f"{next(self._numbers):06d}.json"
            oldest, why = end, ""
            with open(path, "w", encoding="utf-8", errors="backslashreplace") as out:
                for _page in range(_PAGES):
                    if time.monotonic() >= self._deadline:
                        why = "time was up before the rest was read"
                        break
                    try:
                        answer = self._aws.call(Call(Target("aws", account, region), "cloudtrail", "LookupEvents", asked))
                    except EvictError as error:
                        why = error.message
                        break
                    for event in answer.get("Events", []):
                        out.write(" ".join(str(event.get("CloudTrailEvent", "")).splitlines()) + "\n")
                        at = moment(str(event.get("EventTime") or "")[:20] or None)
                        oldest = min(oldest, at) if at else oldest
                    more = bool(answer.get("NextToken"))
                    if not more:
                        break
                    asked = {**asked, "NextToken": answer["NextToken"]}
            begin = start if not more else min(oldest + _SECOND, end)  # of the oldest second there may be more on the next page
            if begin < end or not more:
                self._done.put(_Piece(account, region, (begin, end), path=path))
            else:
                path.unlink()
            if why:
                self._done.put(_Piece(account, region, (start, begin), why=why))
                return
            end = begin

    def _file(self, piece: _Piece, path: Path) -> File:
        origin = {"account": piece.account, "region": piece.region, "start": piece.span[0], "end": piece.span[1]}
        return File(
            f"{about(piece.account, piece.region)} until {iso(piece.span[1])}",
            path,
            path.stat().st_size,
            "",
            origin=origin,
            passing=True,
        )

    def _settle(self, parts: Parts, pieces: list[_Piece]) -> None:
        """What was read counts from now on; what was not is a gap, until a later run reads it."""
        for piece in pieces:
            name = about(piece.account, piece.region)
            if piece.why:
                self._gap(parts, piece.account, piece.region, piece.span, piece.why)
            else:
                _known(parts, name, piece.span)
                end = min(piece.span[1], self._now - _LATE)
                if piece.span[0] < end:
                    parts.reads[name] = joined(parts.reads.get(name, []), (piece.span[0], end))
        parts.keep()
        self._collection.say(f"event history: {sum(self._collection.summary.events.values())} events, {len(pieces)} answers more")

    def _gap(self, parts: Parts, account: str, region: str, span: Span, why: str) -> None:
        self._collection.summary.gaps += 1
        _known(parts, about(account, region), span)  # of an earlier run
        parts.gap(
            {
                "account": account,
                "region": region or None,
                "start": span[0],
                "end": span[1],
                "object": about(account, region),
                "why": why[:1000],
            }
        )


def _known(parts: Parts, name: str, span: Span) -> None:
    """Of the gaps of a region, what lies outside of ``span`` is left: another span of it may have failed in this very run."""
    gaps = [gap for gap in parts.manifest["gaps"] if gap["object"] == name]
    parts.close_gaps(name)
    for gap in gaps:
        start, end = moment(gap["start"]), moment(gap["end"])
        for left in missing((start, end), [[str(iso(span[0])), str(iso(span[1]))]]) if start and end else ():
            parts.gap({**gap, "start": left[0], "end": left[1]})

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a case: from the last checkpoint on when a run opens it, from the first record on for verification."""

from __future__ import annotations

import json
import typing as t

from . import lease, ledger_record, process
from .errors import EvictError
from .ledger_record import FOLDER, VERSION, Layout, Record, digest
from .ledger_state import State, fold_all, from_data
from .store import NotFound, Store

Problem = dict[str, t.Any]  # {"chain", "seq", "why"}


class Chains:
    """What has been read of a case.

    heads[run]: {"seq", "sha256", "ended", "order"} of its last record. outside: records that lie outside the last checkpoint. order: the highest seen.
    """

    def __init__(self) -> None:
        self.state = State()
        self.heads: dict[str, dict[str, t.Any]] = {}
        self.problems: list[Problem] = []
        self.outside = 0
        self.order = 0

    @property
    def head(self) -> str:
        """SHA-256 of the latest ``end`` record, or ``""``."""
        ends = [(head["order"], run, head["sha256"]) for run, head in self.heads.items() if head["ended"]]
        return max(ends)[2] if ends else ""

    def tips(self, but: str = "") -> dict[str, dict[str, t.Any]]:
        """Heads that no chain has named yet: {run: {"seq", "sha256", "ended"}}. ``but``: a run that is left out."""
        return {
            run: {name: head[name] for name in ("seq", "sha256", "ended")}
            for run, head in self.heads.items()
            if run != but and head["seq"] > self.state.named.get(run, 0)
        }

    def add(self, records: list[tuple[Record, str]]) -> None:
        """Fold records, with their SHA-256; those of one chain in their order."""
        self.state = fold_all(self.state, (record for record, _sha256 in records))
        for record, sha256 in records:
            ended = record["kind"] == "end"
            self.heads[record["run"]] = {"seq": record["seq"], "sha256": sha256, "ended": ended, "order": record["order"]}
            self.order = max(self.order, record["order"])
        self.outside += len(records)

    def catch_up(self, store: Store, but: str = "") -> None:
        """Read what is new, except of the run ``but``. ``StoreUnavailable``."""
        self._read(store, ledger_record.layout(store.list(FOLDER)), but)

    def _read(self, store: Store, names: Layout, but: str = "") -> None:
        paths = [
            (run, seq)
            for run, numbers in names.chains.items()
            if run != but
            for seq in numbers
            if seq > self.heads.get(run, {"seq": 0})["seq"]
        ]
        found: list[tuple[Record, str]] = []
        last = {run: (head["seq"], head["sha256"]) for run, head in self.heads.items()}
        answers = store.get_many(ledger_record.path(run, seq) for run, seq in paths)
        for (run, seq), (_path, data) in zip(paths, answers, strict=True):
            if isinstance(data, EvictError):
                if not isinstance(data, NotFound):
                    raise data  # unknown is not absent: a pre-image may be in it
                self._problem(run, seq, "vanished while it was read")
                continue
            sha256 = digest(data)
            try:
                record = ledger_record.parse(data, run, seq)
                before, link = last.get(run, (0, ""))
                if seq != before + 1 or record["prev"] != link:
                    self._problem(run, seq, "does not follow the record before it")
                found.append((record, sha256))
            except ValueError as error:
                self._problem(run, seq, str(error))
            last[run] = (seq, sha256)
        self.add(found)

    def _problem(self, run: str, seq: int, why: str) -> None:
        problem = {"chain": run, "seq": seq, "why": why}
        if problem not in self.problems:
            self.problems.append(problem)


def read_chains(store: Store) -> Chains:
    """The case as it is: the newest checkpoint that a chain vouches for, and what came after it. ``StoreUnavailable``."""
    chains = Chains()
    names = ledger_record.layout(store.list(FOLDER))
    for path in names.checkpoints[:-4:-1]:
        try:
            _load(chains, store, path)
            break
        except (EvictError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            chains = Chains()  # damaged, or its run died before its end: an older one, or all records, will do
    for run, head in chains.heads.items():
        if head["seq"] not in names.chains.get(run, ()):
            chains._problem(run, head["seq"], "this record was there and is missing")
    chains._read(store, names)
    return chains


def _load(chains: Chains, store: Store, path: str) -> None:
    data = store.get(path)
    checkpoint = json.loads(data)
    run, heads = checkpoint["run"], checkpoint["heads"]
    seq = heads[run]["seq"] + 1
    end = ledger_record.parse(store.get(ledger_record.path(run, seq)), run, seq)
    if checkpoint["version"] != VERSION or end["kind"] != "end" or end["checkpoint"] != {"path": path, "sha256": digest(data)}:
        raise ValueError("no chain vouches for this checkpoint")
    chains.state = from_data(checkpoint["state"])
    chains.heads = heads
    chains.order = max(head["order"] for head in heads.values())


def alive_runs(store: Store, state: State, *, ask: bool = False) -> set[str]:
    """Runs without an end that may still be at work: their process is seen, or they hold an unexpired lease (``ask``: see there). ``StoreUnavailable``."""
    unended = {run: process.fate(about["process"]) for run, about in state.runs.items() if about["status"] is None}
    leased = lease.live_runs(store, ask=ask) if "unknown" in unended.values() else set()
    return {run for run, fate in unended.items() if fate == "alive" or (fate == "unknown" and run in leased)}

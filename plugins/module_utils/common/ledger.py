# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was about to be done and what became of it, durable before it is done.

Each run writes a hash chain of its own, ``ledger/<run>/<seq>.json``. Its first record names the heads of the other chains that
no chain named before: followed from the newest, the names reach every record. Records are put by one committer thread.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import socket
import threading
import time
import typing as t

from . import ledger_record, process
from .errors import EvictError
from .ledger_read import Chains, alive_runs, read_chains
from .ledger_record import CHECKPOINTS, VERSION, Record, canonical, digest, plain
from .ledger_state import State, to_data
from .ledger_verify import verify
from .store import Store

__all__ = ["Ledger", "State", "verify"]

GROUP = 200  # entries in one record
INTENT_WAIT = 0.020  # seconds that the first waiting intent gives others to join
QUEUE_WAIT = 0.050  # seconds that outcomes and notes may lie in memory
CHECKPOINT_AFTER = 64  # records outside the last checkpoint


class _Entry(t.NamedTuple):
    """Something to be written: a field of the record, its items, and what waits for it."""

    field: str  # intents | outcomes | notes
    items: list[t.Any]
    due: float  # monotonic
    done: threading.Event | None


class Ledger:
    """The ledger of a case, as one run sees and writes it. Safe to use from many threads.

    run: this run's id. state: all records read at ``open`` and what this run added. problems: damage seen at ``open`` (only what was read:
    ``verify`` reads everything). caller: may be set until the first record is written. read, under_way: {run: the last seq} and the intents without
    outcome that it had when it was opened: what came later, and what may have been carried out later, is told apart by these and by no clock.
    """

    def __init__(self, store: Store, *, incident: str, module: str, caller: str, check: bool, contain: bool, chains: Chains) -> None:
        self.store, self.run, self.caller, self.check = store, ledger_record.new_id(), caller, check
        self.state: State = chains.state
        self.problems: list[dict[str, t.Any]] = chains.problems
        self._incident, self._module, self._contain = incident, module, contain
        self._chains = chains
        self.read = {name: head["seq"] for name, head in chains.heads.items()}
        self.under_way = chains.state.unsettled()
        self._seq, self._prev, self._head = 0, "", ""
        self._wake = threading.Condition()
        self._queue: collections.deque[_Entry] = collections.deque()
        self._busy = self._stop = self._ended = False
        self._error: EvictError | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def open(cls, store: Store, *, incident: str, module: str, caller: str = "", check: bool = False, contain: bool = False) -> Ledger:
        """Read the case: one listing, the last checkpoint and what came after it. Nothing is written yet. ``StoreUnavailable``."""
        return cls(store, incident=incident, module=module, caller=caller, check=check, contain=contain, chains=read_chains(store))

    def intent(self, steps: list[dict[str, t.Any]], urgent: bool = False) -> None:
        """Write what is about to be done; durable on return. Waits up to 20 ms for others to share the record, not when ``urgent``.

        ``StoreUnavailable``, from then on at every call: nothing may be done without a durable intent. ``EvictError`` for what is not JSON.
        """
        items = [plain(step, f"intent[{number}]") for number, step in enumerate(steps)]
        for number, step in enumerate(items):
            if not isinstance(step, dict) or not isinstance(ledger_record.fields(step).get("id"), str):
                raise EvictError(f"intent[{number}] has no id", object=f"intent[{number}]", operation="ledger")
        done = threading.Event()
        if items and self._enqueue("intents", items, 0 if urgent else INTENT_WAIT, done):
            done.wait()
            with self._wake:
                self._check()

    def outcome(self, outcomes: list[dict[str, t.Any]]) -> None:
        """Queue what became of intents: {"id", "status", ...}. Written within 50 ms, with the next group. Errors as of ``intent``, of earlier calls too."""
        items = [plain(outcome, f"outcome[{number}]") for number, outcome in enumerate(outcomes)]
        for number, outcome in enumerate(items):
            if not isinstance(outcome, dict) or not isinstance(outcome.get("id"), str):
                raise EvictError(f"outcome[{number}] has no id", object=f"outcome[{number}]", operation="ledger")
        self._enqueue("outcomes", items, QUEUE_WAIT)

    def note(self, kind: str, data: dict[str, t.Any]) -> None:
        """Queue a remark of a kind (opened, recovered, acknowledged, closed, ...). Errors as of ``outcome``."""
        self._enqueue("notes", [plain({"kind": kind, "data": data}, "note")], QUEUE_WAIT)

    def flush(self) -> None:
        """Return when all that was queued is durable. Errors as of ``intent``."""
        if self.check:
            return
        with self._wake:
            self._queue = collections.deque(entry._replace(due=0.0) for entry in self._queue)
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._error or not (self._queue or self._busy))
            self._check()

    def end(self, status: str, **counts: t.Any) -> str:
        """Write all that is queued and the last record; returns its SHA-256, the head of the case. Again: the same head.

        In check mode nothing is written and the case's present head (``""``: none) is returned. Errors as of ``intent``.
        """
        if self.check:
            return self._chains.head
        if self._ended:
            return self._head
        extra = plain(counts, "counts")
        self.flush()
        with self._wake:
            self._stop = True
            self._wake.notify_all()
        if self._thread:
            self._thread.join()
        self._check()
        try:
            if not self._seq:
                self._start()
            self._end(status, extra)
        except EvictError as error:
            self._error = error
            raise
        return self._head

    def open_intents(self) -> list[dict[str, t.Any]]:
        """The intents without outcome of runs that are not at work any more, as they were given to ``intent``, oldest first. ``StoreUnavailable``."""
        left = [entry for entry in self.state.unsettled() if entry["run"] != self.run]
        alive = alive_runs(self.store, self.state, ask=not self.check) if left else set()
        return [copy.deepcopy(entry["step"]) for entry in left if entry["run"] not in alive]

    # -- the queue ---------------------------------------------------------------------------------------------------------------

    def _enqueue(self, field: str, items: list[t.Any], wait: float, done: threading.Event | None = None) -> bool:
        """Queue in pieces that fit into a record; the last one carries ``done``. False: nothing is going to be written."""
        if self.check:
            return False
        with self._wake:
            self._check()
            if self._stop:
                raise EvictError("the ledger of this run has ended", object=self.run, operation="ledger")
            due = time.monotonic() + wait
            for start in range(0, len(items), GROUP):
                last = start + GROUP >= len(items)
                self._queue.append(_Entry(field, items[start : start + GROUP], due, done if last else None))
            if not self._thread:
                self._thread = threading.Thread(target=self._commit_for_ever, name="evict-ledger", daemon=True)
                self._thread.start()
            self._wake.notify_all()
        return True

    def _check(self) -> None:
        if self._error:
            raise copy.copy(self._error) from self._error

    def _commit_for_ever(self) -> None:
        group: list[_Entry] = []
        try:
            while group := self._next_group():
                if not self._seq:
                    self._start()
                merged: Record = {}
                for entry in group:
                    merged.setdefault(entry.field, []).extend(entry.items)
                self._put("steps", merged)
                self._release(group)
        except BaseException as error:
            known = (
                error
                if isinstance(error, EvictError)
                else EvictError(f"the ledger cannot be written: {error!r}", object=self.run, operation="ledger")
            )
            with self._wake:
                self._error = known
            self._release([*group, *self._queue])

    def _next_group(self) -> list[_Entry]:
        """Wait until a group is due, and take it; empty when the run has ended."""
        with self._wake:
            while not self._stop or self._queue:
                if not self._queue:
                    self._wake.wait()
                    continue
                left = min(entry.due for entry in self._queue) - time.monotonic()
                if left > 0 and sum(len(entry.items) for entry in self._queue) < GROUP:
                    self._wake.wait(left)
                    continue
                group = [self._queue.popleft()]
                size = len(group[0].items)
                while self._queue and size + len(self._queue[0].items) <= GROUP:
                    group.append(self._queue.popleft())
                    size += len(group[-1].items)
                self._busy = True
                return group
        return []

    def _release(self, group: t.Iterable[_Entry]) -> None:
        with self._wake:
            self._busy = False
            self._wake.notify_all()
        for entry in group:
            if entry.done:
                entry.done.set()

    # -- records -----------------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._put("start", {"heads": self._chains.tips(), "process": process.identity(), "contain": self._contain})

    def _end(self, status: str, counts: dict[str, t.Any]) -> None:
        with contextlib.suppress(EvictError):  # what cannot be read now is named by a later run
            self._chains.catch_up(self.store, self.run)  # others may have written meanwhile
        self.problems = self._chains.problems
        self.state = self._chains.state
        extra: Record = {"status": status, "counts": counts, "heads": self._chains.tips(but=self.run)}
        checkpoint = None
        if self._chains.outside > CHECKPOINT_AFTER:
            checkpoint = canonical({"version": VERSION, "run": self.run, "heads": self._chains.heads, "state": to_data(self.state)})
            # The end record vouches for it: a checkpoint that no chain names is not read.
            extra["checkpoint"] = {"path": f"{CHECKPOINTS}/{ledger_record.new_id()}.json", "sha256": digest(checkpoint)}
        if checkpoint:
            try:
                self.store.keep(extra["checkpoint"]["path"], checkpoint)
            except EvictError:
                del extra["checkpoint"]  # it only saves time
        self._head = self._put("end", extra)
        self._ended = True
        if "checkpoint" in extra:
            with contextlib.suppress(EvictError):
                for old in ledger_record.layout(self.store.list(CHECKPOINTS)).checkpoints[:-2]:
                    self.store.delete(old)

    def _put(self, kind: str, content: Record) -> str:
        """Write the next record of this run and fold it; returns its SHA-256."""
        order = max(time.time_ns() // 1_000_000, self._chains.order + 1)
        record: Record = {
            "version": VERSION, "run": self.run, "seq": self._seq + 1, "prev": self._prev, "kind": kind, "time": ledger_record.now(), "order": order,
            "incident": self._incident, "host": socket.gethostname(), "caller": self.caller, "module": self._module, **content,
        }  # fmt: skip
        data = canonical(record)
        path = ledger_record.path(self.run, self._seq + 1)
        if not self.store.keep(path, data):
            raise EvictError(
                f"{self.store.url}/{path} was written by somebody else", object=path, operation="ledger", remedy="see case_ledger_info"
            )
        self._seq, self._prev = self._seq + 1, digest(data)
        self._chains.add([(record, self._prev)])
        self.state = self._chains.state
        return self._prev

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the ledger of a case whole? Every record of every chain is read; checkpoints are not believed."""

from __future__ import annotations

import collections
import contextlib
import typing as t

from . import ledger_record
from .errors import EvictError, Refused
from .ledger_read import Problem, alive_runs
from .ledger_record import FOLDER, Record, digest, fields
from .ledger_state import State, fold_all
from .store import Store

NO_END = "no end record: the run crashed or records were cut off, and no later run has seen it"


class _Chain:
    """One chain, as far as it could be read."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.hashes: dict[int, str] = {}
        self.first: Record = {}
        self.last: Record = {}
        self.named_at: set[int] = set()  # seqs that other chains named, rightly


def tampered(store: Store) -> list[Problem]:
    """The problems of the ledger that a crash does not explain. Reads all of it."""
    return [problem for problem in verify(store)["problems"] if problem["why"] != NO_END]


def verify(store: Store, expected_head: str = "") -> dict[str, t.Any]:
    """Walk every chain. Damage is reported, never raised; ``StoreUnavailable`` when the store itself cannot be read.

    Returns {"verified": bool, "records": int, "chains": [{"run", "module", "host", "caller", "started", "ended", "records", "head", "state", "status"}],
    "head": SHA-256 of the latest end record, "problems": [{"chain", "seq", "why"}], "open_intents": [{"id", "resource", "action", "run", "time"}],
    "steps": {status of the latest outcome, or "open": count}}. A chain's state is ended, alive or crashed. A missing end is a problem unless the run is
    alive or a later run has named the same last record: until then a crash cannot be told from a cut.
    """
    problems: list[Problem] = []
    try:
        names = ledger_record.layout(store.list(FOLDER))
    except Refused as error:
        names = ledger_record.Layout({}, [], [])
        problems.append(_problem("", 0, error.message))
    problems += [_problem("", 0, f"{name!a} does not belong into a ledger") for name in names.foreign]
    if not names.chains:
        problems.append(_problem("", 0, f"there is no ledger in {store.url}"))
    chains: dict[str, _Chain] = {}
    claims: list[tuple[str, int, str, dict[str, t.Any]]] = []
    state = State()
    for run, numbers in names.chains.items():
        chains[run] = _Chain(run)
        records = list(_walk(store, chains[run], numbers, problems))
        state = fold_all(state, records)
        for record in records:
            claims += [(run, record["seq"], named, head) for named, head in record.get("heads", {}).items()]
            problems += _checkpoint_problems(store, record)
    problems += _claim_problems(chains, claims) + _incident_problems(chains)
    alive: set[str] = set()
    with contextlib.suppress(EvictError):
        alive = alive_runs(store, state)
    rows = [_row(chain, chain.run in alive) for chain in chains.values()]
    for row in rows:
        if row["state"] == "crashed" and row["records"] not in chains[row["run"]].named_at:
            problems.append(_problem(row["run"], row["records"], NO_END))
    if expected_head and not any(expected_head.strip().lower() in chain.hashes.values() for chain in chains.values()):
        problems.append(
            _problem("", 0, "no record has the expected head: records were cut off or replaced, or it is the head of another case")
        )
    ends = [
        (chain.last["order"], chain.run, chain.hashes[chain.last["seq"]]) for chain in chains.values() if chain.last.get("kind") == "end"
    ]
    left = [entry for entry in state.unsettled() if entry["run"] not in alive]
    return {
        "verified": not problems,
        "records": sum(len(chain.hashes) for chain in chains.values()),
        "chains": sorted(rows, key=lambda row: (row["started"], row["run"])),
        "head": max(ends)[2] if ends else "",
        "problems": problems,
        "open_intents": [_open(entry) for entry in left],
        "steps": _summary(state),
    }


def _walk(store: Store, chain: _Chain, numbers: list[int], problems: list[Problem]) -> t.Iterator[Record]:
    """The records of a chain that can be understood; fills ``chain``."""
    expected, link = 1, ""
    answers = store.get_many(ledger_record.path(chain.run, seq) for seq in numbers)
    for seq, (_path, data) in zip(numbers, answers, strict=True):
        if seq != expected:
            problems.append(
                _problem(
                    chain.run, expected, f"records {expected} to {seq - 1} are missing" if seq - 1 > expected else "this record is missing"
                )
            )
            link = ""
        known, expected = seq == expected, seq + 1
        if isinstance(data, EvictError):
            problems.append(_problem(chain.run, seq, f"cannot be read: {data.message}"))
            link = ""
            continue
        chain.hashes[seq] = digest(data)
        try:
            record = ledger_record.parse(data, chain.run, seq)
        except ValueError as error:
            problems.append(_problem(chain.run, seq, str(error)))
        else:
            if known and (link or seq == 1) and record["prev"] != link:
                problems.append(_problem(chain.run, seq, "does not follow the record before it: one of the two was changed"))
            if (record["kind"] == "start") != (seq == 1):
                problems.append(
                    _problem(chain.run, seq, "a start in the middle of a chain" if seq > 1 else "the chain does not begin with a start")
                )
            if chain.last.get("kind") == "end":
                problems.append(_problem(chain.run, seq, "a record after the end"))
            chain.first, chain.last = chain.first or record, record
            yield record
        link = chain.hashes[seq]


def _claim_problems(chains: dict[str, _Chain], claims: list[tuple[str, int, str, dict[str, t.Any]]]) -> list[Problem]:
    """What other chains said of a chain, against what is there."""
    problems = []
    for by, at, run, head in claims:
        seq, chain = head["seq"], chains.get(run)
        said = f"named by record {at} of {by}"
        if chain is None:
            problems.append(_problem(run[:36], seq, f"the chain is missing, {said}"))
        elif seq not in chain.hashes:
            problems.append(_problem(run, seq, f"this record is missing, {said}"))
        elif chain.hashes[seq] != head["sha256"]:
            problems.append(_problem(run, seq, f"is another record than the one {said}"))
        else:
            chain.named_at.add(seq)
    return problems


def _incident_problems(chains: dict[str, _Chain]) -> list[Problem]:
    """Chains of another case."""
    starts = sorted((chain.first["order"], chain.run, chain.first["incident"]) for chain in chains.values() if chain.first)
    return [_problem(run, 1, f"belongs to incident {incident!a}") for _order, run, incident in starts if incident != starts[0][2]]


def _checkpoint_problems(store: Store, record: Record) -> list[Problem]:
    """A checkpoint that is not what its run wrote. A missing one is none: only the newest are kept."""
    checkpoint = record.get("checkpoint")
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("path"), str):
        return []
    with contextlib.suppress(EvictError):
        if digest(store.get(checkpoint["path"])) != checkpoint.get("sha256"):
            return [_problem(record["run"], record["seq"], f"its checkpoint {checkpoint['path']!a} was changed (it is not used)")]
    return []


def _row(chain: _Chain, alive: bool) -> dict[str, t.Any]:
    ended = chain.last.get("kind") == "end"
    return {
        "run": chain.run,
        "module": chain.first.get("module", ""),
        "host": chain.first.get("host", ""),
        "caller": chain.last.get("caller", ""),
        "started": chain.first.get("time", ""),
        "ended": chain.last["time"] if ended else "",
        "records": max(chain.hashes, default=0),
        "head": chain.hashes[max(chain.hashes)] if chain.hashes else "",
        "state": "ended" if ended else "alive" if alive else "crashed",
        "status": chain.last["status"] if ended else "",
    }


def _open(entry: dict[str, t.Any]) -> dict[str, str]:
    step = fields(entry["step"])
    texts = {name: step[name] if isinstance(step.get(name), str) else "" for name in ("resource", "action")}
    return {"id": entry["id"], **texts, "run": entry["run"], "time": entry["time"]}


def _summary(state: State) -> dict[str, int]:
    unsettled = {entry["id"] for entry in state.unsettled()}
    found = collections.Counter(
        "open" if name in unsettled else str((entry["outcome"] or {}).get("status", "unknown")) for name, entry in state.steps.items()
    )
    return dict(sorted(found.items()))


def _problem(chain: str, seq: int, why: str) -> Problem:
    return {"chain": chain, "seq": seq, "why": why}

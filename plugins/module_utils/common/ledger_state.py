# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the records of a case add up to.

Folding does not depend on the order in which *chains* are read (within a chain it does): each value is kept with the place
of the record that it came from, and the lowest or highest place wins. So a checkpoint plus what came later, whoever wrote it
and whatever their clocks said, gives exactly what all records give.
"""

from __future__ import annotations

import bisect
import dataclasses
import typing as t

from .ledger_record import Record, fields

Place = list[t.Any]  # [order, run, seq, rank]: comparable across chains; rank sorts within a record


@dataclasses.dataclass(frozen=True)
class State:
    """A folded case. Read it, never change it: states share their parts.

    steps[id]: {"first": the step of the incident's first intent (its ``before`` is the true pre-image), "step": the latest intent's, "intent_at", "run":
    time and run of that one, "outcome": the latest outcome or None, "answered": the latest outcome with an ``answer`` or None,
    "made": {"status", "step", "at"} of the latest outcome that says it was carried out, whatever failed later, or None, "places": {...}}.
    notes[kind]: list of {"time", "run", "data", "place"}, in order.
    intents[id][run]: {"place", "time", "step"}, the run's latest intent; step None: it has its outcome.
    settled[id]: the place up to which intents of any run have been dealt with.
    runs[run]: {"module", "host", "caller", "time", "process", "status"}, with what its end says of TOLD; status None: no end seen.
    named[run]: the highest seq of it that another chain's ``heads`` named.
    """

    steps: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    notes: dict[str, list[dict[str, t.Any]]] = dataclasses.field(default_factory=dict)
    intents: dict[str, dict[str, dict[str, t.Any]]] = dataclasses.field(default_factory=dict)
    settled: dict[str, Place] = dataclasses.field(default_factory=dict)
    runs: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    named: dict[str, int] = dataclasses.field(default_factory=dict)

    def unsettled(self) -> list[dict[str, t.Any]]:
        """Intents without an outcome, oldest first: {"id", "run", "time", "step"}. Whether their run still works at them is not known here."""
        found = [
            (entry["place"], {"id": name, "run": run, "time": entry["time"], "step": entry["step"]})
            for name, runs in self.intents.items()
            for run, entry in runs.items()
            if entry["step"] is not None and (name not in self.settled or entry["place"] > self.settled[name])
        ]
        return [entry for _place, entry in sorted(found, key=lambda pair: pair[0])]

    def ended(self) -> set[str]:
        """Runs whose chain has its end: they are at work no more, whatever became of their lease."""
        return {run for run, about in self.runs.items() if about["status"] is not None}


def fold(state: State, record: Record) -> State:
    """``state`` and one more record of a chain, whose earlier records were folded before."""
    return fold_all(state, [record])


def fold_all(state: State, records: t.Iterable[Record]) -> State:
    """The same for many records; only the copy is changed."""
    new = State(*(dict(getattr(state, field.name)) for field in dataclasses.fields(State)))
    for record in records:
        _add(new, record)
    return new


def to_data(state: State) -> dict[str, t.Any]:
    """The state as JSON types. A step that had one intent is written once."""
    data = {field.name: getattr(state, field.name) for field in dataclasses.fields(State)}
    data["steps"] = {name: _packed(entry) for name, entry in state.steps.items()}
    return data


def _packed(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    """Each of its steps once; ``_unpacked`` is the inverse."""
    made = entry["made"]
    if made and made["step"] == entry["step"]:
        entry = {**entry, "made": {**made, "step": "latest"}}
    return {**entry, "step": None} if entry["step"] == entry["first"] else entry


def _unpacked(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    if entry["step"] is None:
        entry = {**entry, "step": entry["first"]}
    if entry["made"] and entry["made"]["step"] == "latest":
        entry = {**entry, "made": {**entry["made"], "step": entry["step"]}}
    return entry


def from_data(data: dict[str, t.Any]) -> State:
    """The inverse of ``to_data``. ``KeyError`` or ``TypeError`` when it is something else."""
    state = State(**{field.name: dict(data[field.name]) for field in dataclasses.fields(State)})
    state.steps.update({name: _unpacked(entry) for name, entry in state.steps.items()})
    return state


def _add(state: State, record: Record) -> None:
    run, time, place = record["run"], record["time"], [record["order"], record["run"], record["seq"], 0]
    for name, head in record.get("heads", {}).items():
        state.named[name] = max(state.named.get(name, 0), head["seq"])
    if record["kind"] == "start":
        state.runs[run] = {
            **{key: record[key] for key in ("module", "host", "caller", "time")},
            "process": record.get("process"),
            "status": None,
        }
    elif record["kind"] == "end" and run in state.runs:
        counts = record.get("counts") or {}
        state.runs[run] = {**state.runs[run], "status": record["status"], **{key: counts[key] for key in TOLD if key in counts}}
    # An intent is durable before anything is done: an outcome belongs to an intent of an earlier record, so outcomes come first.
    for outcome in record.get("outcomes", []):
        _outcome(state, run, place, outcome)
    for number, note in enumerate(record.get("notes", [])):
        _note(state, {"time": time, "run": run, "data": note.get("data"), "place": [*place[:3], number]}, note["kind"])
    for number, step in enumerate(record.get("intents", [])):
        _intent(state, run, time, [*place[:3], 1 + number], step)


def _outcome(state: State, run: str, place: Place, outcome: dict[str, t.Any]) -> None:
    name = outcome["id"]
    mine = state.intents.get(name, {}).get(run)
    if mine:
        state.intents[name] = {**state.intents[name], run: {**mine, "step": None}}
    # It settles its own intent and those before it: a run begins with a look at what is live. Of another run's intent that came after
    # its own it says nothing. Without an intent of its own it is a finding about a crash and settles whatever came before it.
    upto = mine["place"] if mine else place
    state.settled[name] = max(state.settled.get(name, upto), upto)
    entry = state.steps.get(name, _EMPTY)
    slots = {"outcome": outcome}
    if outcome.get("answer") is not None:
        slots["answered"] = outcome
    if outcome["status"] in MADE:  # what failed later does not take it back
        slots["made"] = {"status": outcome["status"], "step": outcome.get("step") or (mine or {}).get("step"), "at": outcome.get("at")}
    for slot, value in slots.items():
        if slot not in entry["places"] or place >= entry["places"][slot]:
            entry = {**entry, slot: value, "places": {**entry["places"], slot: place}}
    state.steps[name] = entry


def _note(state: State, entry: dict[str, t.Any], kind: str) -> None:
    notes = list(state.notes.get(kind, ()))
    bisect.insort(notes, entry, key=lambda other: other["place"])
    state.notes[kind] = notes


def _intent(state: State, run: str, time: str, place: Place, step: dict[str, t.Any]) -> None:
    name = fields(step)["id"]
    state.intents[name] = {**state.intents.get(name, {}), run: {"place": place, "time": time, "step": step}}
    entry = state.steps.get(name, _EMPTY)
    if "first" not in entry["places"] or place < entry["places"]["first"]:
        entry = {**entry, "first": step, "places": {**entry["places"], "first": place}}
    if "step" not in entry["places"] or place > entry["places"]["step"]:
        entry = {**entry, "step": step, "intent_at": time, "run": run, "places": {**entry["places"], "step": place}}
    state.steps[name] = entry


# How much a run covers (whole | part | share | resolve), and the digest of what its result says (message.about).
TOLD = ("covers", "about")
MADE = ("done", "unverified")  # the outcomes of a step that was carried out
_EMPTY: dict[str, t.Any] = {
    "first": None,
    "step": None,
    "outcome": None,
    "answered": None,
    "made": None,
    "intent_at": "",
    "run": "",
    "places": {},
}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reviewed plan of a case: what an investigation found is to be done, and what people decided of it. Revisions ``plan/0001.yml``, never replaced.

An item is ``{id, kind, target, object, technique, verdict, confidence, evidence, decision, decided_by, note}``; ``decision``, ``decided_by`` and
``note`` are people's alone. What an investigation does not find any more stays, marked ``stale``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t
from collections.abc import Iterable, Mapping

from . import yamlio
from .errors import EvictError, InvalidInput
from .schema import Fields, Problem, printable, scan, show
from .store import Store

VERSION = 1
KINDS = ("principal", "session", "resource", "evict", "rotate")
VERDICTS = ("rogue", "review", "benign")
DECISIONS = ("do", "skip")
CLOUDS = ("aws", "azure", "gcp")
HUMAN = ("decision", "decided_by", "note")
MIN_CONFIDENCE = 80
EVIDENCE = 50  # ids of events in one item; the analysis has the rest
MAX_BYTES = 16 * 1024 * 1024
_FOLDER = "plan"
_REVISION = re.compile(rf"{_FOLDER}/([0-9]{{4,9}})\.yml")
_ITEM = ("id", "kind", "target", "object", "technique", "verdict", "confidence", "evidence", *HUMAN, "stale")
_PLAN = ("version", "incident", "revision", "based_on", "hash", "items")
_PLACE = ("cloud", "account", "region")
_LONGEST = 2048

Item = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Plan:
    """``revision`` 0: there is none yet. ``items`` by id, in the order of the file."""

    incident: str
    revision: int = 0
    based_on: int | None = None
    items: Mapping[str, Item] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, t.Any]:
        body = {"version": VERSION, "incident": self.incident, "revision": self.revision, "based_on": self.based_on,
                "items": list(self.items.values())}  # fmt: skip
        return {**{k: v for k, v in body.items() if k != "items"}, "hash": canonical(body), "items": body["items"]}

    @property
    def path(self) -> str:
        return f"{_FOLDER}/{self.revision:04d}.yml"


def canonical(body: Mapping[str, t.Any]) -> str:
    """SHA-256, hexadecimal, of the canonical JSON without ``hash``."""
    plain = {key: value for key, value in body.items() if key != "hash"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def item_id(kind: str, target: Mapping[str, str], what: str) -> str:
    """SHA-256, hexadecimal, of kind, target and object: the same finding has the same id in every revision."""
    text = json.dumps([kind, *(target.get(key) or "" for key in _PLACE), what], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def item(
    kind: str, cloud: str, account: str, what: str, *, verdict: str, confidence: int, evidence: Iterable[str] = (), technique: str = "",
    region: str = "",
) -> Item:  # fmt: skip
    """What was found, without a decision. ``what``: an ARN or id as the cloud writes it; ``evidence``: ids of events."""
    target = {"cloud": cloud, "account": account, "region": region}
    return {"id": item_id(kind, target, what), "kind": kind, "target": target, "object": what, "technique": technique, "verdict": verdict,
            "confidence": confidence, "evidence": list(dict.fromkeys(evidence))[:EVIDENCE], **dict.fromkeys(HUMAN)}  # fmt: skip


def merge(last: Plan, found: Iterable[Item]) -> Plan:
    """The next revision: what was found now, with what people wrote; what was not found any more stays, stale. ``last`` itself when nothing differs."""
    fresh = {entry["id"]: entry for entry in found}
    items: dict[str, Item] = {}
    for key, before in last.items.items():
        people = {name: before[name] for name in HUMAN}
        items[key] = {**fresh[key], **people} if key in fresh else before if _own(before) else {**before, "stale": True}
    items.update({key: entry for key, entry in fresh.items() if key not in items})
    return _next(last, items)


def take(last: Plan, base: Plan, edited: Plan) -> Plan:
    """The next revision after a person edited a copy of ``base``. Raises InvalidInput for a change that is not theirs to make, or that collides.

    An item that is not in the copy stays as it was: to leave something undone is a decision, ``skip``.
    """
    problems: list[Problem] = []
    items = dict(last.items)
    for number, (key, entry) in enumerate(edited.items.items()):
        where = f"items[{number}]"
        before = base.items.get(key)
        if before is None and key not in last.items:  # a person's own
            if not entry["decided_by"]:
                problems.append((f"{where}.decided_by", "is missing: an item that no investigation found is somebody's"))
            items[key] = {**entry, "evidence": []}
            continue
        known = before or last.items[key]
        problems += [
            (f"{where}.{name}", f"is the investigation's and was changed: {show(entry.get(name))} for {show(known.get(name))}")
            for name in _ITEM
            if name not in HUMAN and entry.get(name) != known.get(name)
        ]
        said = {name: entry[name] for name in HUMAN if entry[name] != known[name]}
        now = items[key]
        problems += [
            (f"{where}.{name}", f"was changed meanwhile, in revision {last.revision}: {show(now[name])}")
            for name, value in said.items()
            if now[name] not in (known[name], value)
        ]
        items[key] = {**now, **said}
    if problems:
        raise InvalidInput("the edited plan was refused", problems)
    return _next(last, items)


def _own(entry: Item) -> bool:
    """Whether a person put it there: no investigation did, so none can find it no more."""
    return not entry["evidence"] and entry["decided_by"] is not None and (entry["verdict"], entry["confidence"]) == ("review", 0)


def _next(last: Plan, items: dict[str, Item]) -> Plan:
    same = list(last.items.values()) == list(items.values()) and bool(last.revision)
    return last if same else Plan(last.incident, last.revision + 1, last.revision or None, items)


def executable(plan: Plan, min_confidence: int = MIN_CONFIDENCE) -> list[Item]:
    """What is to be done: what a person decided, and what is rogue with at least this confidence, unless they said skip."""
    return [
        entry
        for entry in plan.items.values()
        if entry["decision"] == "do"
        or (entry["decision"] is None and entry["verdict"] == "rogue" and entry["confidence"] >= min_confidence and not entry.get("stale"))
    ]


def lines(before: Plan, after: Plan) -> list[str]:
    """What differs, a line each, for people."""
    found = []
    for key, entry in after.items.items():
        then = before.items.get(key)
        name = f"{entry['kind']} {printable(entry['object'], 200)}"
        if then is None:
            found.append(f"+ {name}  {entry['verdict']} {entry['confidence']}" + (f"  {entry['decision']}" if entry["decision"] else ""))
            continue
        changed = [f"{n}: {show(then.get(n))} -> {show(entry.get(n))}" for n in _ITEM if then.get(n) != entry.get(n)]
        if changed:
            found.append(f"~ {name}  {'; '.join(changed)}")
    return found


# -- the file --------------------------------------------------------------------------------------------------------------------


def validate(raw: t.Any, source: str) -> Plan:
    """A plan out of what was read. Raises InvalidInput with every problem, path first."""
    problems: list[Problem] = []
    fields = Fields(raw if raw is not None else [], "plan", problems, _PLAN)
    if fields.raw.get("version") != VERSION:
        problems.append(("plan.version", f"must be {VERSION}, not {show(fields.raw.get('version'))}"))
    incident, revision = fields.text("incident", required=True), fields.count("revision", 0)
    fields.text("hash", pattern=re.compile("[0-9a-f]{64}"), says="not a SHA-256")
    based_on = fields.count("based_on", 0) or None
    items: dict[str, Item] = {}
    for where, entry in fields.sequence("items"):
        found = _item(entry, where, problems)
        if found and found["id"] in items:
            problems.append((where, f"stands here twice: {show(found['object'])}"))
        elif found:
            items[found["id"]] = found
    if problems:
        raise InvalidInput(f"the plan was refused ({printable(source)})", list(dict.fromkeys(problems)))
    return Plan(incident, revision, based_on, items)


def _item(raw: t.Any, path: str, problems: list[Problem]) -> Item | None:
    fields = Fields(raw if raw is not None else [], path, problems, _ITEM)
    place = Fields(fields.raw.get("target"), f"{path}.target", problems, _PLACE)
    before = len(problems)
    problems += scan({name: fields.raw.get(name) for name in HUMAN}, path)  # attackers choose the rest: it may look like anything
    known = place.raw.get("cloud") == "aws" and place.raw.get("account")  # a log may not say whose a key is
    account = place.account() if known else place.text("account")
    target = {"cloud": place.choice("cloud", CLOUDS, "", required=True), "account": account, "region": place.text("region")}
    kind, what = fields.choice("kind", KINDS, "", required=True), fields.text("object", required=True)
    own = not fields.raw.get("id")
    verdict = fields.choice("verdict", VERDICTS, "review", required=not own)
    confidence = fields.raw.get("confidence", 0 if own else None)
    if isinstance(confidence, bool) or not isinstance(confidence, int) or not 0 <= confidence <= 100:
        problems.append((f"{path}.confidence", f"must be a whole number from 0 to 100, not {show(confidence)}"))
    evidence = fields.texts("evidence", re.compile(r"[!-~ ]{1,512}"), "not the id of an event")
    decision = fields.choice("decision", DECISIONS, "") or None
    people = {"decision": decision, **{name: fields.text(name) or None for name in HUMAN[1:]}}
    if decision and not people["decided_by"]:
        problems.append((f"{path}.decided_by", "is missing: who decided?"))
    problems += [
        (f"{path}.{n}", f"is longer than {_LONGEST} characters") for n, v in {**people, "object": what}.items() if len(v or "") > _LONGEST
    ]
    stale = fields.flag("stale")
    made = item_id(kind, target, what)
    if not own and fields.raw["id"] != made:
        problems.append((f"{path}.id", "is not that of this kind, target and object; leave it out of an item of your own"))
    if len(problems) > before:
        return None
    return {"id": made, "kind": kind, "target": target, "object": what, "technique": fields.text("technique"), "verdict": verdict,
            "confidence": confidence, "evidence": evidence, **people, **({"stale": True} if stale else {})}  # fmt: skip


def load(path: str) -> Plan:
    """The plan in a file, as data. Raises InvalidInput."""
    return validate(yamlio.read(path, MAX_BYTES), path)


def revisions(store: Store) -> list[int]:
    return sorted(int(found[1]) for name in store.list(_FOLDER) if (found := _REVISION.fullmatch(name)))


def read(store: Store, incident: str, revision: int | None = None) -> Plan:
    """A revision of the case's plan, the last one by default; revision 0 when there is none. Raises EvictError when it was tampered with."""
    known = revisions(store)
    if not known and revision is None:
        return Plan(incident)
    wanted = Plan(incident, known[-1] if revision is None else revision)
    if wanted.revision not in known:
        there = ", ".join(map(str, known)) or "none"
        raise InvalidInput("there is no such revision of the plan", [("plan.revision", f"{wanted.revision}; there are {there}")])
    where = f"{store.url}/{wanted.path}"
    raw = yamlio.parse(store.get(wanted.path), where, MAX_BYTES)
    found = validate(raw, where)
    if raw["hash"] != found.as_dict()["hash"] or found.incident != incident or found.revision != wanted.revision:
        raise EvictError(f"{where} is not as it was written: its hash or its number differs", object=where, operation="read",
                         remedy="edit a copy and import it with case_plan; put this file back as it was")  # fmt: skip
    return found


def save(store: Store, plan: Plan) -> None:
    """Write a revision, once. Raises EvictError when another run wrote another one of this number first."""
    if not store.keep(plan.path, yamlio.dump(plan.as_dict()).encode()):
        raise EvictError(f"{store.url}/{plan.path} was written by another run in this moment", object=plan.incident, operation="write",
                         remedy="run this again: it merges with that revision")  # fmt: skip

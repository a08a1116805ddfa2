# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a search for dependents: what was found, merged with what is declared, and what is not known, told once for many regions."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Collection, Iterable, Iterator, Mapping

from ..common.dependents import PLACES
from ..common.errors import EvictError
from ..common.plan import Target
from ..common.schema import printable

if t.TYPE_CHECKING:
    from .places import Found
    from .uses import Use

MOST = 500  # rows of one list
_SPOTS, _OBJECTS = 10, 50
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")  # what Secrets Manager adds to a name in an ARN
Row = dict[str, t.Any]


class Rows:
    """Dependents, each once, in the order of account, region, kind and id."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, ...], Row] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter(sorted(self._rows.values(), key=lambda r: (r["account"], r["region"], r["kind"], r["id"], r["version"], r["key"])))

    def add(self, kind: str, found: Found) -> None:
        """One row for each credential that the object holds."""
        for key in sorted({spot.names for spot in found.spots}):
            self._put(kind, found, key, found.state, found.confidence, {}, [s for s in found.spots if s.names == key])

    def refer(self, kind: str, found: Found) -> None:
        """An object that names a place which holds the credential: it gets it from there."""
        for source in sorted({spot.names for spot in found.spots}):
            for row in [r for r in self._rows.values() if r["id"] == source and not r["via"] and r["kind"] != kind]:
                via = {"kind": row["kind"], "id": source}
                spots = [s for s in found.spots if s.names == source]
                self._put(kind, found, row["key"], "reference", min(found.confidence, row["confidence"]), via, spots)

    def _put(self, kind: str, found: Found, key: str, state: str, confidence: int, via: Row, spots: list[t.Any]) -> None:
        target = found.target
        place: tuple[str, ...] = (kind, target.account, target.region, found.id, found.version, key)
        if via:
            if place in self._rows:
                return  # it holds the credential itself
            place = (*place, str(via["id"]))
        row = self._rows.setdefault(place, {
            "account": target.account, "region": target.region, "kind": kind, "id": found.id, "text": printable(found.text), "key": key, "state": state,
            "version": found.version, "confidence": confidence, "used_by": [], "via": via, "spots": [s.row() for s in spots[:_SPOTS]],
            "more_spots": max(0, len(spots) - _SPOTS), "data": {}, "declared": False,
        })  # fmt: skip
        if confidence > row["confidence"]:  # the same object, seen once more as what something runs with
            row.update({"confidence": confidence, "state": state})
        row["used_by"] = sorted({*row["used_by"], *found.used_by})
        row["data"] = _joined(row["data"], found.data)

    def references(self, kinds: Collection[str]) -> list[Row]:
        """Rows of places that others read by name."""
        return [row for row in self._rows.values() if row["kind"] in kinds and row["state"] != "previous" and not row["via"]]

    def declare(self, entries: Iterable[t.Any], unknown: Unknown) -> None:
        """Merge what the incident declares. What was not found where it is said to be stays a row, with that in its state."""
        for entry in entries:
            if isinstance(entry, str):
                self._declared({"name": entry, "kind": "other"}, "declared, unstructured")
                continue
            same = [row for row in self._rows.values() if _same(entry, row)]
            for row in same:
                row["declared"] = True
                row.update({k: entry[k] for k in ("check", "networks", "note") if k in entry})
            if not same:
                blind = unknown.covers(entry["kind"], entry.get("region", ""))
                state = "its place could not be read" if blind else "not found in a place that was read"
                self._declared(entry, f"declared, {state if entry['kind'] in PLACES else 'a kind of place that is not searched'}")

    def _declared(self, entry: Mapping[str, t.Any], state: str) -> None:
        name = str(entry.get("arn") or entry.get("name"))
        part = name.split(":")
        account, region = (part[4], part[3]) if name.startswith("arn:") and len(part) > 5 else ("", "")
        row = {"account": str(entry.get("account") or account), "region": str(entry.get("region") or region), "kind": entry["kind"], "id": printable(name),
               "text": printable(name), "key": "", "state": state, "version": "", "confidence": 0, "used_by": [], "via": {}, "spots": [], "more_spots": 0,
               "data": {}, "declared": True}  # fmt: skip
        self._rows[("declared", row["account"], row["region"], row["kind"], name)] = row | {
            k: entry[k] for k in ("check", "networks", "note") if k in entry
        }


def _same(entry: Mapping[str, t.Any], row: Row) -> bool:
    """Whether a declared dependent is the one of a row: by ARN (of any version of it), or by kind, name and, where given, region and account."""
    if arn := entry.get("arn"):
        return bool(row["id"] == arn or row["id"].startswith(f"{arn}:") or arn in row["used_by"] or _SUFFIX.sub("", row["id"]) == arn)
    data = row["data"]
    names = {row["id"], *(str(data[k]) for k in ("name", "function", "family", "stack", "EnvironmentName", "app") if data.get(k)),
             *(str(s["service"]) for s in data.get("services", []))}  # fmt: skip
    fits = all(not entry.get(k) or entry[k] == row[k] for k in ("region", "account"))
    return fits and entry.get("name") in names and entry["kind"] in (row["kind"], "other")


def _joined(one: Row, other: Mapping[str, t.Any]) -> Row:
    """Both; lists are put together."""
    joined = {**one, **other}
    for key in one.keys() & other.keys():
        if isinstance(one[key], list):
            joined[key] = [*one[key], *(item for item in other[key] if item not in one[key])]
    return joined


def references(found: Iterable[Row], target: Target) -> dict[str, str]:
    """{how something in ``target`` may name one of these places: its id}. A name without an ARN means one of the same account and region."""
    names: dict[str, str] = {}
    for row in found:
        near = (row["account"], row["region"]) == (target.account, target.region)
        names[row["id"]] = row["id"]
        name = str(row["data"].get("name") or "")
        if row["id"].startswith("arn:") and row["kind"] == "secrets_manager":
            names[_SUFFIX.sub("", row["id"])] = row["id"]
        if near and len(name) >= 3:
            names[name] = row["id"]
    return names


class Unknown:
    """What could not be read, one row for the same reason in many regions, or of many objects in one."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, ...], set[str]] = {}
        self._rows: dict[tuple[str, ...], Row] = {}

    def add(self, place: str, noun: str, target: Target | None, object: str, error: EvictError) -> None:
        code = str(getattr(error, "code", ""))
        account, region = (target.account, target.region) if target else ("", "")
        key = (place, account, code or error.message, error.operation, region if object else "")
        row = self._rows.setdefault(key, {"place": place, "account": account, "regions": [], "objects": [], "count": 0, "code": code,
                                          "why": f"{noun}: {printable(error.message)}", "remedy": printable(error.remedy)})  # fmt: skip
        named = self._objects.setdefault(key, set())
        if object and object in named:
            return
        named.add(object)
        row["count"] += 1
        if region and region not in row["regions"]:
            row["regions"] = sorted([*row["regions"], region])
        if object and len(row["objects"]) < _OBJECTS:
            row["objects"] = sorted({*row["objects"], printable(object)})

    def use(self, use: Use, trusted: bool) -> None:
        """Somebody uses it, and nothing that was found explains who: a dependent without a name, or the attacker."""
        what = f"{use.calls} calls of {', '.join(sorted(use.services)[:5])}, the last at {use.last}"
        known = " (a trusted network)" if trusted else ""
        why = f"used from {use.source}{known} by {use.agent or 'an unnamed program'}: {what}; no place was found for it"
        self._rows["use", use.key, use.source, use.agent] = {
            "place": "use", "account": "", "regions": sorted(use.regions), "objects": [use.key], "count": use.calls, "code": "no_place", "why": why,
            "remedy": "find out whose it is, and declare it (incident.dependents)",
        }  # fmt: skip

    def covers(self, kind: str, region: str) -> bool:
        """Whether something of that kind may have been missed."""
        return any(
            row["place"] in (kind, "account", "region") and (not region or not row["regions"] or region in row["regions"])
            for row in self._rows.values()
        )

    def rows(self) -> list[Row]:
        found = sorted(self._rows.values(), key=lambda r: (r["place"] == "use", r["place"], r["account"], r["code"], r["why"]))
        return found[:MOST]

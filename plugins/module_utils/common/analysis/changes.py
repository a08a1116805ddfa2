# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tainted identities changed, read, tried and blinded, out of ``acts``. Each row names its object as eviction needs it, with the events that show it."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import typing as t
from collections.abc import Callable, Mapping

from ..events.database import Database
from ..response_plan import EVIDENCE
from ..schema import rfc3339
from .model import read_json

Row = dict[str, t.Any]
MOST = 20_000  # rows of one technique, or of one call that reads; more are counted, not listed
_WRITES = """
SELECT event_uid, time, cloud, account, region, service, operation, actor_arn, actor_type, tainted_id, confidence, verdict, request, response, resources,
  json_extract_string(raw, '$.additionalEventData') AS extra
FROM acts WHERE status = 'success' AND NOT coalesce(read_only, false) ORDER BY time, event_uid
"""
# One row for each distinct question: a loop that read the same object a million times is one. The most are of one call: a flood of it hides no other.
_READS = """
SELECT *, count(*) OVER (PARTITION BY cloud, service, operation) AS beside FROM (
SELECT cloud, account, region, service, operation, request, resources, arg_min(actor_arn, event_uid) AS actor_arn,
  arg_min(actor_type, event_uid) AS actor_type, arg_min(response, event_uid) AS response, min(time) AS first, max(time) AS last, count(*) AS n,
  max(confidence) AS confidence, bool_or(verdict = 'rogue') AS rogue, list_slice(list_sort(list(DISTINCT tainted_id)), 1, 20) AS by,
  list_slice(list(event_uid ORDER BY time, event_uid), 1, 50) AS evidence
FROM acts WHERE status = 'success' AND cloud || ':' || service || ':' || operation IN (SELECT unnest(CAST(? AS VARCHAR[])))
GROUP BY ALL)
QUALIFY row_number() OVER (PARTITION BY cloud, service, operation ORDER BY first, request, account, region, resources) <= ?
ORDER BY first, service, operation, request, account, region, resources
"""
_TRIED = """
SELECT cloud, account, region, service, operation, error_code, min(time) AS first, max(time) AS last, count(*) AS n, max(confidence) AS confidence,
  bool_or(verdict = 'rogue') AS rogue, list_slice(list_sort(list(DISTINCT tainted_id)), 1, 20) AS by,
  list_slice(list(event_uid ORDER BY time, event_uid), 1, 50) AS evidence
FROM acts WHERE status = 'failure' GROUP BY ALL ORDER BY first, service, operation, error_code, account, region, cloud LIMIT ?
"""
_RESTORED = """
SELECT min(time) AS at FROM events WHERE status = 'success' AND time > ? AND account IS NOT DISTINCT FROM ? AND region IS NOT DISTINCT FROM ?
  AND service || ':' || operation IN (SELECT unnest(CAST(? AS VARCHAR[])))
  AND (service || ':' || operation NOT IN (SELECT unnest(CAST(? AS VARCHAR[]))) OR contains(request, '"' || ? || '"') OR contains(request, '/' || ? || '"'))
  AND event_uid NOT IN (SELECT event_uid FROM acts WHERE verdict = 'rogue')
"""
_DATA = """
SELECT a.account, (SELECT count(*) FROM events e WHERE e.account = a.account AND e.category = 'data' AND e.service = ?) AS n
FROM (SELECT DISTINCT account FROM acts WHERE cloud = 'aws' AND account IS NOT NULL) a ORDER BY 1
"""


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """What is known of one cloud's calls. ``technique``: a row of acts -> ({id, name, tactic, mitre} or None, names); ``reads``: call -> kind of data;

    ``named``: (row, call) -> names of what was read; ``restores``, ``by_name``, ``blinding``, ``data_events``: see ``aws/exposure``.
    """

    technique: Callable[[Row], tuple[dict[str, t.Any] | None, list[str]]]
    reads: Mapping[str, str]
    named: Callable[[Row, str], list[str]]
    restores: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    by_name: tuple[str, ...] = ()
    blinding: tuple[str, ...] = ()
    data_events: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ways: tuple[t.Any, ...] = ()  # connected.Way, each


@dataclasses.dataclass
class Changes:
    """Rows of {cloud, account, region, technique, name, tactic, mitre, object, operations, first, last, count, by, verdict, confidence, evidence}.

    ``read`` rows have ``kind``; ``tried`` rows ``error``; ``blinded`` rows ``from`` and ``to`` ("" = to this day); ``unlogged``: {object, why}.
    ``left_out``: how many rows there are beyond ``MOST`` of one technique, or of one call that reads.
    """

    changed: list[Row] = dataclasses.field(default_factory=list)
    read: list[Row] = dataclasses.field(default_factory=list)
    tried: list[Row] = dataclasses.field(default_factory=list)
    blinded: list[Row] = dataclasses.field(default_factory=list)
    unlogged: list[Row] = dataclasses.field(default_factory=list)
    left_out: int = 0


def find(database: Database, catalogues: Mapping[str, Catalogue]) -> Changes:
    """Needs the tables ``events`` and ``acts``. A cloud without a catalogue gets its calls' names as they are."""
    found = Changes()
    found.changed, found.left_out = _changed(database, catalogues)
    found.read, unread = _read(database, catalogues)
    found.left_out += unread
    found.tried = [
        {
            **_frame(row),
            "object": f"{row['service']}:{row['operation']}",
            "operations": [f"{row['service']}:{row['operation']}"],
            "error": row["error_code"] or "",
        }
        for row in database.rows(_TRIED, [MOST])
    ]
    found.blinded = [one for row in found.changed if (one := _blinded(database, row, catalogues.get(row["cloud"])))]
    for catalogue in catalogues.values():
        for service, what in catalogue.data_events.items():
            found.unlogged += [_unlogged(what, row) for row in database.rows(_DATA, [service])]
    return found


def _unlogged(what: str, row: Row) -> Row:
    """A trail chooses whose data events it has: some in the logs do not make all."""
    if not row["n"]:
        return {
            "object": f"{what} in {row['account']}",
            "why": "no data event of them is among the events that were loaded: what was read or changed there is not known",
        }
    why = f"{row['n']} data events of them are in the logs; whether the trails have those of all of them is not known"
    return {"object": f"{what} in {row['account']}, beyond those in the logs", "why": why}


def _changed(database: Database, catalogues: Mapping[str, Catalogue]) -> tuple[list[Row], int]:
    groups: dict[tuple[str, ...], Row] = {}
    of: collections.Counter[str] = collections.Counter()  # by technique: what there is much of hides nothing else
    left = 0
    for row in database.stream(_WRITES):
        for key in ("request", "response", "extra"):
            row[key] = parsed(row[key])
        catalogue = catalogues.get(row["cloud"])
        technique, names = catalogue.technique(row) if catalogue else (None, list(row["resources"] or ()))
        call = f"{row['service']}:{row['operation']}"
        for name in names or [call]:
            place = (
                str(technique["technique"]) if technique else "",
                str(row["cloud"]),
                str(row["account"] or ""),
                name,
                _where(row, name),
            )
            group = groups.get(place)
            if group is None:
                if of[place[0]] >= MOST:
                    left += 1
                    continue
                of[place[0]] += 1
                group = groups[place] = {
                    "cloud": row["cloud"], "account": row["account"] or "", "region": row["region"] or "",
                    **(technique or {"technique": "", "name": "", "tactic": "", "mitre": []}), "object": name, "operations": [], "first": stamp(row["time"]),
                    "last": "", "count": 0, "by": [], "verdict": "review", "confidence": 0, "evidence": [],
                }  # fmt: skip
            _add(group, row, call)
    return list(groups.values()), left


def _add(group: Row, row: Row, call: str) -> None:
    group["last"], group["count"] = stamp(row["time"]), group["count"] + 1
    for name, value, most in (("operations", call, 20), ("by", row["tainted_id"], 20), ("evidence", row["event_uid"], EVIDENCE)):
        if value is not None and value not in group[name] and len(group[name]) < most:
            group[name].append(value)
    if (row["verdict"] == "rogue", row["confidence"] or 0) > (group["verdict"] == "rogue", group["confidence"]):
        group["verdict"], group["confidence"] = row["verdict"], row["confidence"] or 0


def _read(database: Database, catalogues: Mapping[str, Catalogue]) -> tuple[list[Row], int]:
    """The rows, and how many questions are not among them."""
    calls = [f"{cloud}:{call}" for cloud, catalogue in catalogues.items() for call in catalogue.reads]
    groups: dict[tuple[str, ...], Row] = {}
    beyond: dict[tuple[str, str], int] = {}
    for row in database.rows(_READS, [calls, MOST]):
        call = f"{row['service']}:{row['operation']}"
        beyond[row["cloud"], call] = max(0, row["beside"] - MOST)
        catalogue = catalogues[row["cloud"]]
        row["request"], row["response"] = parsed(row["request"]), parsed(row["response"])
        for name in catalogue.named(row, call) or [call]:
            key = (catalogue.reads[call], row["cloud"], row["account"] or "", name, _where(row, name))
            one = {**_frame(row), "kind": catalogue.reads[call], "object": name, "operations": [call]}
            group = groups.setdefault(key, one)
            if group is not one:
                _join(group, one)
    return list(groups.values()), sum(beyond.values())


def _where(row: Row, name: str) -> str:
    """An ARN is one thing wherever it was called; any other name is one thing in its region."""
    return "" if name.startswith("arn:") else row["region"] or ""


def _join(group: Row, one: Row) -> None:
    """Two rows about the same object."""
    group["first"], group["last"] = min(group["first"], one["first"]), max(group["last"], one["last"])
    group["count"] += one["count"]
    for name, most in (("operations", 20), ("by", 20), ("evidence", EVIDENCE)):
        group[name] = list(dict.fromkeys([*group[name], *one[name]]))[:most]
    if (one["verdict"] == "rogue", one["confidence"]) > (group["verdict"] == "rogue", group["confidence"]):
        group["verdict"], group["confidence"] = one["verdict"], one["confidence"]


def _frame(row: Row) -> Row:
    return {"cloud": row["cloud"], "account": row["account"] or "", "region": row["region"] or "", "first": stamp(row["first"]), "last": stamp(row["last"]),
            "count": row["n"], "by": row["by"], "verdict": "rogue" if row["rogue"] else "review", "confidence": row["confidence"] or 0,
            "evidence": row["evidence"]}  # fmt: skip


def _blinded(database: Database, row: Row, catalogue: Catalogue | None) -> Row | None:
    """From when to when what was changed there may be missing. A logging that the attacker itself switched on again counts as off."""
    if catalogue is None or row["technique"] not in catalogue.blinding:
        return None
    back = [call for operation in row["operations"] for call in catalogue.restores.get(operation, ())]
    start = dt.datetime.fromisoformat(row["last"]).replace(tzinfo=None)
    last = row["object"].rpartition("/")[2]
    found = (
        database.rows(_RESTORED, [start, row["account"] or None, row["region"] or None, back, list(catalogue.by_name), last, last])[0]["at"]
        if back
        else None
    )
    return {**row, "from": row["first"], "to": stamp(found) if found else ""}


def parsed(text: t.Any) -> t.Any:
    """JSON text of the log; None when it is none, or nested beyond reason."""
    return read_json(text) if isinstance(text, str) and text else None


def stamp(moment: dt.datetime | None) -> str:
    """A time of the tables (naive, UTC) as RFC 3339."""
    return rfc3339(moment.replace(tzinfo=dt.UTC)) if moment else ""

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connected systems: every way out of the account, as used, reachable, not reachable or unknown, with the evidence, the owner and what to do.

``used``: a successful call of a tainted identity names the way, or is one that takes or opens such ways. ``reachable``: it is there. ``not reachable``: all
of the account was looked at and there is none. ``unknown``: it was not looked at, or not whole.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterable, Mapping

from ..events.database import Database
from ..response_plan import EVIDENCE
from .changes import Row

_MOST = 2_000  # of one call in one account: a flood of it hides no other way
_ACTS = """
SELECT cloud, account, service || ':' || operation AS call, coalesce(request, '') || ' ' || coalesce(response, '') || ' ' ||
  coalesce(array_to_string(resources, ' '), '') AS words, event_uid, verdict = 'rogue' AS rogue
FROM acts WHERE status = 'success' AND cloud = ? AND service || ':' || operation IN (SELECT unnest(CAST(? AS VARCHAR[])))
QUALIFY row_number() OVER (PARTITION BY account, service, operation ORDER BY time, event_uid) <= ? ORDER BY time, event_uid
"""
_ACCOUNTS = "SELECT DISTINCT account FROM acts WHERE cloud = ? AND account IS NOT NULL AND account <> '' ORDER BY account"
_ELSEWHERE = """
SELECT kind, id, arn, cloud, account, via, verdict, evidence FROM tainted WHERE cloud <> ? ORDER BY verdict DESC, since NULLS FIRST, kind, id LIMIT 1000
"""
_OPENS = ("secret", "parameter", "password", "token", "user data")


@dataclasses.dataclass(frozen=True)
class Way:
    """A kind of way, as the analysis is told of it."""

    kind: str
    noun: str
    used: tuple[str, ...]
    action: str


def find(database: Database, cloud: str, ways: Iterable[Way], looked: Mapping[str, t.Any], read: Iterable[Row] = ()) -> list[Row]:
    """Rows of {cloud, account, kind, object, to, how, owner, grade, action, evidence, why}. ``looked``: {account: what ``aws_connected_info`` kept}."""
    found: list[Row] = []
    kinds = list(ways)
    calls = sorted({call for way in kinds for call in way.used})
    acts = database.rows(_ACTS, [cloud, calls, _MOST])
    accounts = list(dict.fromkeys([*(r["account"] for r in database.rows(_ACCOUNTS, [cloud])), *looked]))
    for account in accounts:
        here = [act for act in acts if act["account"] == account]
        about = looked.get(account) if isinstance(looked.get(account), dict) else None
        for way in kinds:
            found += _of_kind(cloud, account, way, [act for act in here if act["call"] in way.used], about)
    found += [_opened(row) for row in read if row["kind"] in _OPENS]
    return found + [_elsewhere(row) for row in database.rows(_ELSEWHERE, [cloud])]


def _of_kind(cloud: str, account: str, way: Way, acts: list[Row], about: Mapping[str, t.Any] | None) -> list[Row]:
    paths = [p for p in (about or {}).get("paths", ()) if isinstance(p, dict) and p.get("kind") == way.kind]
    rows, told = [], set[str]()
    for path in paths:
        names = {_name(path.get("object")), _name(path.get("to"))} - {""}
        named = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in sorted(names))) if names else None
        used = [act for act in acts if named and any(name in act["words"] for name in names) and named.search(act["words"])]
        told.update(act["event_uid"] for act in used)
        rows.append(_row(cloud, account, way, path, "used" if used else "reachable", used, ""))
    rest = [act for act in acts if act["event_uid"] not in told]
    if rest:
        what = {"object": ", ".join(sorted({act["call"] for act in rest})), "to": way.noun}
        rows.append(
            _row(cloud, account, way, what, "used", rest, "" if about else "what there is of them was not looked at (aws_connected_info)")
        )
    missed = [u for u in (about or {}).get("unknown", ()) if isinstance(u, dict) and u.get("kind") in (way.kind, "")]
    if about is None and not rest:
        rows.append(_row(cloud, account, way, {"object": way.noun}, "unknown", [], "they were not looked at (aws_connected_info)"))
    elif missed:
        why = "; ".join(dict.fromkeys(f"{u.get('region')}: {u.get('why')}".removeprefix(": ") for u in missed[:5]))
        rows.append(_row(cloud, account, way, {"object": way.noun}, "unknown", [], f"not all of them could be looked at: {why}"))
    elif about is not None and way.kind not in (about.get("looked") or ()):
        rows.append(_row(cloud, account, way, {"object": way.noun}, "unknown", [], "they were left out when the account was looked at"))
    elif about is not None and not rows:
        rows.append(_row(cloud, account, way, {"object": way.noun}, "not reachable", [], "there is none in the account"))
    return rows


def _row(cloud: str, account: str, way: Way, path: Mapping[str, t.Any], grade: str, acts: list[Row], why: str) -> Row:
    said = {name: str(path.get(name) or "") for name in ("object", "to", "how", "owner", "region")}
    return {"cloud": cloud, "account": account, "kind": way.kind, **said, "grade": grade, "action": way.action if grade in ("used", "reachable") else "",
            "verdict": "rogue" if any(act["rogue"] for act in acts) else "review" if acts else "",
            "evidence": list(dict.fromkeys(act["event_uid"] for act in acts))[:EVIDENCE], "why": why}  # fmt: skip


def _name(text: t.Any) -> str:
    """What a call would name it by: the id at an ARN's end. Short words would be found anywhere."""
    last = str(text or "").rpartition(" ")[2].rpartition("/")[2].rpartition(":")[2]
    return last if len(last) >= 6 else ""


def _opened(row: Row) -> Row:
    """What a secret opens is written nowhere in the logs."""
    return {
        "cloud": row["cloud"],
        "account": row["account"],
        "kind": "secret",
        "object": row["object"],
        "to": "whatever it opens",
        "how": row["kind"],
        "owner": "",
        "region": row["region"],
        "grade": "unknown",
        "action": "ask its owner what it opens, rotate it, and look at that system's own log",
        "verdict": row["verdict"],
        "evidence": row["evidence"],
        "why": "it was read; whether it was used elsewhere, this log does not say",
    }


def _elsewhere(row: Row) -> Row:
    rogue = row["verdict"] == "rogue"
    return {
        "cloud": row["cloud"],
        "account": row["account"] or "",
        "kind": "other_cloud",
        "object": row["arn"] or row["id"],
        "to": row["cloud"],
        "how": f"{row['kind']}, {row['via']}",
        "owner": "",
        "region": "",
        "grade": "used" if rogue else "unknown",
        "action": "contain it there" if rogue else "look at that cloud's own log",
        "verdict": row["verdict"],
        "evidence": list(row["evidence"] or ())[:EVIDENCE],
        "why": "" if rogue else "somebody legitimate may have done it",
    }

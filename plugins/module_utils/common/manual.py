# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no API does: a step for a person. The case stays open until somebody says that it has been taken, by a note of kind ``confirmed`` in the ledger."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

Row = dict[str, t.Any]
Place = list[t.Any]  # in the ledger; they sort as things happened
_CUTS = ("assignment/", "membership/", "deny/", "root-")  # parts of the ids of Steps that cut one of them
REPLACED = "manual/replaced/"  # what the ids of a replaced credential begin with: its owner is told
NOTE = "manual"  # kind of note: a row of ``row`` without its confirmation


class Noted(t.Protocol):
    """What is needed of ``case.Case``."""

    def notes(self, kind: str) -> list[dict[str, t.Any]]: ...


class Noting(Noted, t.Protocol):
    """The same, to be written to."""

    def note(self, kind: str, data: dict[str, t.Any]) -> None: ...


def confirmed(case: Noted, id: str, since: Place | None = None) -> dict[str, t.Any] | None:
    """Who has said that the step was taken, and when: {by, at}; None while nobody has. ``since``: what was said before that place counts no more."""
    said = [n for n in case.notes("confirmed") if n["data"].get("item") == id and (since is None or list(n["place"]) > since)]
    found = said[-1] if said else None
    return {"by": found["data"].get("by"), "at": found.get("time")} if found else None


def row(case: Noted, id: str, object: str, what: str, why: str, since: Place | None = None) -> Row:
    """One step of the result key ``manual``. ``id`` is what a confirmation names, so it is the same in every run."""
    return {"id": id, "object": object, "what": what, "why": why, "confirmed": confirmed(case, id, since)}


def newest_cut(history: Mapping[str, Mapping[str, t.Any]], arn: str, accounts: Iterable[str]) -> Place | None:
    """Where in the ledger a person or root user (``arn``) was last cut: what a person did by hand before that may have been undone since.

    Their own changes count, and what stands above ``accounts`` when it had been lifted and was made anew.
    """
    above = tuple(f"organizations:{account}:scp/" for account in accounts)
    found: list[Place] = []
    for name, entry in history.items():
        place = entry["places"]["made"] if entry.get("made") else None
        if place is None:
            continue
        own = name.partition(f"{arn}#")[2] if name.startswith(f"{arn}#") else ""
        lifted = history.get(f"undo:{name}") or {}
        if own.startswith(_CUTS) or (above and name.startswith(above) and lifted.get("made") and lifted["places"]["made"] < place):
            found.append(list(place))
    return max(found, default=None)


def keep(case: Noting, rows: Iterable[Row]) -> None:
    """In the ledger, once each: result.json is of the last verb, and a step is confirmed when it is done."""
    known = {n["data"]["id"] for n in case.notes(NOTE)}
    for one in rows:
        if one["id"] not in known:
            known.add(one["id"])
            case.note(NOTE, {name: one[name] for name in ("id", "object", "what", "why")})


def open_items(rows: Iterable[Row]) -> list[Row]:
    """As entries of ``open``: what nobody has confirmed."""
    return [{"object": r["object"], "why": f"by hand: {r['what']} ({r['why']})", "due": None} for r in rows if not r["confirmed"]]

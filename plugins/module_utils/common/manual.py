# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no API does: a step for a person. The case stays open until somebody says that it has been taken, by a note of kind ``confirmed`` in the ledger."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable

Row = dict[str, t.Any]
NOTE = "manual"  # kind of note: a row of ``row`` without its confirmation


class Noted(t.Protocol):
    """What is needed of ``case.Case``."""

    def notes(self, kind: str) -> list[dict[str, t.Any]]: ...


class Noting(Noted, t.Protocol):
    """The same, to be written to."""

    def note(self, kind: str, data: dict[str, t.Any]) -> None: ...


def confirmed(case: Noted, id: str) -> dict[str, t.Any] | None:
    """Who has said that the step was taken, and when: {by, at}; None while nobody has."""
    found = next((n for n in reversed(case.notes("confirmed")) if n["data"].get("item") == id), None)
    return {"by": found["data"].get("by"), "at": found.get("time")} if found else None


def row(case: Noted, id: str, object: str, what: str, why: str) -> Row:
    """One step of the result key ``manual``. ``id`` is what a confirmation names, so it is the same in every run."""
    return {"id": id, "object": object, "what": what, "why": why, "confirmed": confirmed(case, id)}


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

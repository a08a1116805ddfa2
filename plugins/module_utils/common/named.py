# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the incident files of a case have named: a file that names fewer than the case must not leave somebody uncut without a word. Knows no cloud."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

NOTE = "incident"  # {"old", "new"} and, of suspects that were taken out, {"dropped": [words], "by", "reason"}
Notes = Mapping[str, Sequence[Mapping[str, t.Any]]]


def _names(incident: t.Any) -> dict[str, None]:
    """The suspects of an incident in its canonical form, in words that do not depend on the account."""
    rows = incident.get("suspects") if isinstance(incident, dict) else None
    found = (
        [str(v) for k, v in sorted(row.items()) if k not in ("account", "cloud")]
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict)
    )
    return {" ".join(words): None for words in found if words}


def cleared(notes: Notes) -> set[str]:
    """Who was judged a false positive by a named person."""
    return {str(n["data"].get("suspect")) for n in notes.get("verdict", ())}


def dropped(before: t.Any, after: t.Any, notes: Notes) -> list[str]:
    """The suspects of ``before`` that ``after`` does not have, but those who were judged a false positive."""
    kept, out = _names(after), cleared(notes)
    return [name for name in _names(before) if name not in kept and not set(name.split()) & out]


def missing(incident: t.Any, notes: Notes) -> tuple[list[str], list[dict[str, t.Any]]]:
    """(who was taken out of the case and why, in sentences; open items of those whom another file replaced in the same moment)."""
    named: dict[str, None] = {}
    out: dict[str, str] = {}
    for note in notes.get(NOTE, ()):
        data = note["data"]
        named |= _names(data.get("new"))
        out |= {
            name: f"{name} was taken out of the case by {data['by']} ({data['reason']}), and is not contained"
            for name in data.get("dropped") or ()
        }
        out = {name: why for name, why in out.items() if name not in _names(data.get("new"))}
    gone = dropped({"suspects": [{"it": name} for name in named]}, incident, notes)
    why = (
        "named by an incident file that another job's replaced at the same time, so it is not contained: name it in the file, and run again"
    )
    return [out[name] for name in gone if name in out], [
        {"object": name, "why": why, "due": None, "kind": "suspect"} for name in gone if name not in out
    ]

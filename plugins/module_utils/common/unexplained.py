# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of which the logs do not say yet who made them. They stay in the ledger, with what was there before, until somebody knows. Knows no cloud."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t
from collections.abc import Mapping, Sequence

NOTE, ANSWER = "unexplained", "explained"  # kinds of notes: the fields of ``Entry``; {"id", "how", "who", "when"}
ITEM = "manual/unexplained/"  # what a person confirms: that they know whose it is, and have dealt with it
UNDONE = "undone, and nobody knows yet whose it was"  # an answer that is none yet: a look asks for the author again
Notes = Mapping[str, Sequence[Mapping[str, t.Any]]]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One change of ``facet`` of ``arn``; with ``step`` (its id) somebody took a control of ours away, which was written again.

    ``since``: it was made after that; ``seen``: when it was seen first (both RFC 3339). ``meanwhile``: while a run was at work. ``access``: somebody may do
    more because of it, or works against us: the case is not closed before it has an answer.
    """

    arn: str
    facet: str
    before: t.Any
    after: t.Any
    step: str
    since: str
    seen: str
    meanwhile: bool
    access: bool

    @property
    def id(self) -> str:
        """The same as long as it is the same change, whatever becomes of what it changed."""
        return ITEM + hashlib.sha256(json.dumps([self.arn, self.facet, self.step, self.seen]).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Known:
    """An entry, and its ``answer`` (the data of the note; "how" is empty while there is none), given ``at`` (RFC 3339)."""

    entry: Entry
    place: list[t.Any]  # in the ledger, of its latest version
    answer: Mapping[str, t.Any]
    at: str = ""

    @property
    def open(self) -> bool:
        """Whether somebody has to say still what it was."""
        return self.answer["how"] in ("", UNDONE)


def known(notes: Notes) -> dict[str, Known]:
    """{id: what the ledger knows of it}. What a person confirmed after its latest version has an answer."""
    found: dict[str, Known] = {}
    fields = {field.name for field in dataclasses.fields(Entry)}
    for note in notes.get(NOTE, ()):
        if set(note["data"]) == fields:  # else a case that an earlier version made
            entry = Entry(**note["data"])
            found[entry.id] = Known(entry, list(note["place"]), {"how": ""})
    said = [(str(n["data"].get("item")), n, {"how": f"confirmed by {n['data'].get('by')}", "who": {}}) for n in notes.get("confirmed", ())]
    said += [(str(n["data"]["id"]), n, n["data"]) for n in notes.get(ANSWER, ())]
    for name, note, answer in sorted(said, key=lambda one: list(one[1]["place"])):
        if name in found and list(note["place"]) > found[name].place:
            found[name] = dataclasses.replace(found[name], answer=answer, at=str(note.get("time") or ""))
    return found


def waiting(notes: Notes) -> list[Entry]:
    """What keeps a case from being closed."""
    return [one.entry for one in known(notes).values() if one.entry.access and one.open]

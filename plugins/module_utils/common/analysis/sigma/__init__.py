# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sigma rules over all events of the window. A rule is a reason to look: what tainted identities did keeps its verdict, the rest is to be reviewed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import time
import typing as t
from collections.abc import Iterable, Sequence

from ...errors import MissingLibrary
from ...events.database import Database, DatabaseError
from ...schema import printable
from ..anomalies.finding import SIGMA, Finding
from ..changes import stamp
from . import asking, files, reading
from .rules import LeftOut, Rule, Unsupported

_ALL = 900.0  # seconds for all rules together


@dataclasses.dataclass
class Answer:
    """``findings``: as those of anomalies, with ``sigma``: {id, title, level, file} and what else tells of the calls. ``unknown``: {object, why, about}.

    ``rules``: {file, id, title, level, hits, absent} of each that was asked; ``absent``: fields that no event has.
    """

    rules: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    unknown: list[dict[str, str]] = dataclasses.field(default_factory=list)

    def leave_out(self, left: LeftOut) -> None:
        about = f"Sigma rule {left.file}" + (f": {left.title}" if left.title else "")
        self.doubt(about, f"{left.why}; it was not asked")

    def doubt(self, about: str, why: str) -> None:
        self.unknown.append({"object": about, "why": why, "about": SIGMA})


def find(database: Database, given: Iterable[str], start: dt.datetime | None, end: dt.datetime | None) -> Answer:
    """``given``: files and folders. Needs ``events`` and ``acts``. Times are naive and UTC. Nothing that a rule holds or does ends it."""
    answer = Answer()
    try:
        reading.library()
    except MissingLibrary as error:
        for path in given:
            answer.doubt(f"Sigma rules of {files.name(path)}", error.message)
        return answer
    stop = time.monotonic() + _ALL
    asked = _read(given, answer)
    if asked:
        asking.prepare(database)
        for source in sorted({rule.source for rule in asked}):
            _ask(database, source, [rule for rule in asked if rule.source == source], (start, end), stop, answer)
        asking.finish(database)
    return answer


def _read(given: Iterable[str], answer: Answer) -> list[Rule]:
    asked: list[Rule] = []
    known: dict[str, str] = {}
    for path, name, why in files.found(given):
        for rule in reading.read(path, name) if not why else [LeftOut(name, why)]:
            if isinstance(rule, LeftOut):
                answer.leave_out(rule)
            elif rule.id in known:
                answer.leave_out(LeftOut(name, f"has the id of a rule in {known[rule.id]}", rule.title))
            else:
                asked.append(rule)
                known |= {rule.id: name} if rule.id else {}
    return asked


def _ask(
    database: Database,
    source: str,
    mine: Sequence[Rule],
    window: tuple[dt.datetime | None, dt.datetime | None],
    stop: float,
    answer: Answer,
) -> None:
    try:
        log = asking.Log(database, source, mine, *window)
    except DatabaseError as error:
        for rule in mine:
            answer.leave_out(LeftOut(rule.file, f"the fields of this log cannot be found: {_said(error)}", rule.title))
        return
    for column in log.damaged:
        why = f"there are events whose column {column} is no JSON: a rule does not find them by what is in it"
        answer.doubt(f"Sigma rules of {source}", why)
    for rule in mine:
        if time.monotonic() > stop:
            answer.leave_out(LeftOut(rule.file, f"all rules together took more than {_ALL:.0f} s", rule.title))
            continue
        try:
            rows, absent = log.ask(rule)
        except (Unsupported, DatabaseError) as error:
            answer.leave_out(LeftOut(rule.file, str(error) if isinstance(error, Unsupported) else _said(error), rule.title))
            continue
        said = {"file": rule.file, "id": rule.id, "title": rule.title, "level": rule.level}
        answer.rules.append({**said, "hits": int(rows[0]["total"]) if rows else 0, "absent": absent})
        answer.findings += [_finding(rule, said, row) for row in rows]
        if rows and rows[0]["beside"] > len(rows):
            why = f"{rows[0]['beside'] - len(rows)} more identities than {len(rows)} are counted, not listed"
            answer.doubt(f"Sigma rule {rule.file}: {rule.title}", why)


def _finding(rule: Rule, said: dict[str, str], row: dict[str, t.Any]) -> Finding:
    about = row["principal"] or f"nobody that the log names, in {row['account'] or row['cloud']}"
    key = "\n".join((SIGMA, rule.id or rule.file, rule.title, about, row["cloud"], row["account"], row["verdict"]))
    level = f" ({rule.level})" if rule.level else ""
    return {
        "id": hashlib.sha256(key.encode("utf-8", "replace")).hexdigest(), "rule": SIGMA, "object": about, "technique": rule.mitre[0] if rule.mitre else "",
        "verdict": row["verdict"] or "review", "confidence": reading.LEVELS.get(rule.level, reading.LEVELS[""]), "evidence": row["evidence"],
        "note": f"{rule.title or rule.file}{level}: {row['n']} calls", "sigma": said, "mitre": list(rule.mitre), "tainted": bool(row["verdict"]),
        "by": row["tainted"] or [], "cloud": row["cloud"], "account": row["account"], "operations": row["operations"], "count": row["n"],
        "first": stamp(row["first"]), "last": stamp(row["last"]),
    }  # fmt: skip


def _said(error: DatabaseError) -> str:
    if error.kind == "InterruptException":
        return "took longer than it may"
    return f"the database refuses it: {printable(' '.join(error.message.partition('Error: ')[2].split()), 200)}"

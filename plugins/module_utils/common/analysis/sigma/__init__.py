# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sigma rules over all events of the window. A rule is a reason to look: what tainted identities did keeps its verdict, what others did is to be reviewed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import time
import typing as t
from collections.abc import Iterable

from ...errors import MissingLibrary
from ...events.database import Database, DatabaseError
from ...schema import printable
from ..anomalies.finding import EVIDENCE, Finding
from ..changes import stamp
from . import fields, files, reading, rules
from .rules import LeftOut, Rule, Unsupported
from .statement import Statement

NAME = "sigma"
MOST = 200  # principals of one rule; more are counted
_SECONDS, _ALL = 60.0, 900.0  # for one statement, and for all rules together
_ACTS = """
CREATE OR REPLACE TEMP TABLE sigma_acts AS
SELECT event_uid, time, bool_or(verdict = 'rogue') AS rogue, list(DISTINCT tainted_id ORDER BY tainted_id) AS tainted FROM acts GROUP BY ALL
"""
_HITS = """
WITH hit AS (SELECT e.event_uid, e.time, coalesce(e.issuer_arn, e.actor_arn, e.actor_id, '') AS principal, e.cloud, e.account,
    e.service || ':' || e.operation AS call
  FROM events e WHERE e.source = {source} AND (e.time IS NULL OR {start} IS NULL OR e.time >= {start}) AND {first} AND {condition}),
judged AS (SELECT h.*, a.tainted, CASE WHEN a.event_uid IS NULL THEN '' WHEN a.rogue THEN 'rogue' ELSE 'review' END AS verdict
  FROM hit h LEFT JOIN sigma_acts a ON a.event_uid = h.event_uid AND a.time IS NOT DISTINCT FROM h.time)
SELECT principal, cloud, coalesce(account, '') AS account, verdict, count(*) AS n, min(time) AS first, max(time) AS last,
  list_slice(list(event_uid ORDER BY time, event_uid), 1, {evidence}) AS evidence, list_slice(list_sort(list(DISTINCT call)), 1, 20) AS operations,
  list_slice(list_sort(list_distinct(flatten(list(tainted)))), 1, 20) AS tainted, count(*) OVER () AS beside
FROM judged WHERE time IS NULL OR {end} IS NULL OR time <= {end} OR verdict <> '' GROUP BY ALL
ORDER BY verdict DESC, n DESC, principal, account LIMIT {most}
"""


@dataclasses.dataclass
class Answer:
    """``findings``: as those of anomalies, each with ``sigma``: {id, title, level, mitre, file} and what else tells of its calls. ``unknown``: {object, why, about}.

    ``rules``: {file, id, title, level, hits, absent} of each that was asked; ``absent``: fields that no event has.
    """

    rules: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    unknown: list[dict[str, str]] = dataclasses.field(default_factory=list)

    def leave_out(self, left: LeftOut) -> None:
        about = f"Sigma rule {left.file}" + (f": {left.title}" if left.title else "")
        self.doubt(about, f"{left.why}; it was not asked")

    def doubt(self, about: str, why: str) -> None:
        self.unknown.append({"object": about, "why": why, "about": NAME})


def find(database: Database, given: Iterable[str], start: dt.datetime | None, end: dt.datetime | None) -> Answer:
    """``given``: files and folders. Needs ``events`` and ``acts``. Times are naive and UTC. Nothing that a rule holds or does ends it."""
    answer = Answer()
    try:
        reading.library()
    except MissingLibrary as error:
        for path in given:
            answer.doubt(f"Sigma rules of {files.name(path)}", error.message)
        return answer
    asked = _read(given, answer)
    if asked:
        database.run(_ACTS)
        _ask(database, asked, start, end, answer)
        database.run("DROP TABLE sigma_acts")
    return answer


def _read(given: Iterable[str], answer: Answer) -> list[Rule]:
    asked: list[Rule] = []
    known: dict[str, str] = {}
    for path, name, why in files.found(given):
        for rule in reading.read(path, name) if not why else [LeftOut(name, why)]:
            if isinstance(rule, Rule) and rule.id in known:
                rule = LeftOut(name, f"has the id of a rule in {known[rule.id]}", rule.title)  # noqa: PLW2901 - what becomes of it
            if isinstance(rule, LeftOut):
                answer.leave_out(rule)
                continue
            asked.append(rule)
            if rule.id:
                known[rule.id] = name
    return asked


def _ask(database: Database, asked: list[Rule], start: dt.datetime | None, end: dt.datetime | None, answer: Answer) -> None:
    stop = time.monotonic() + _ALL
    for source in sorted({rule.source for rule in asked}):
        mine = [rule for rule in asked if rule.source == source]
        try:
            names = sorted({name for rule in mine for name in rules.fields(rule.asks)})
            places = fields.locate(database, source, names, seconds=_SECONDS * 5)
        except DatabaseError as error:
            for rule in mine:
                answer.leave_out(LeftOut(rule.file, f"the fields of this log cannot be found: {_said(error)}", rule.title))
            continue
        for rule in mine:
            if time.monotonic() > stop:
                answer.leave_out(LeftOut(rule.file, f"all rules together took more than {_ALL:.0f} s", rule.title))
                continue
            try:
                _one(database, rule, places, start, end, answer)
            except Unsupported as error:
                answer.leave_out(LeftOut(rule.file, str(error), rule.title))
            except DatabaseError as error:
                answer.leave_out(LeftOut(rule.file, _said(error), rule.title))


def _one(
    database: Database,
    rule: Rule,
    places: dict[str, tuple[fields.Place, ...]],
    start: dt.datetime | None,
    end: dt.datetime | None,
    answer: Answer,
) -> None:
    made = Statement(rule.asks, places)
    mine = {"source": rule.source, "start": start, "end": end, "evidence": EVIDENCE, "most": MOST}
    sql = _HITS
    for name, value in mine.items():
        kind = "TIMESTAMP" if name in ("start", "end") else "VARCHAR" if name == "source" else "BIGINT"
        made.parameters.append(value)
        sql = sql.replace("{" + name + "}", f"CAST(${len(made.parameters)} AS {kind})")
    sql = sql.replace("{first}", made.first).replace("{condition}", made.condition)
    found = database.rows(sql, made.parameters, seconds=_SECONDS)
    answer.rules.append(
        {
            "file": rule.file,
            "id": rule.id,
            "title": rule.title,
            "level": rule.level,
            "hits": sum(row["n"] for row in found),
            "absent": made.absent,
        }
    )
    answer.findings += [_finding(rule, row) for row in found]
    if found and found[0]["beside"] > MOST:
        why = f"{found[0]['beside'] - MOST} more identities than {MOST} are counted, not listed"
        answer.doubt(f"Sigma rule {rule.file}: {rule.title}", why)


def _finding(rule: Rule, row: dict[str, t.Any]) -> Finding:
    about = row["principal"] or f"nobody that the log names, in {row['account'] or row['cloud']}"
    key = "\n".join((NAME, rule.id or rule.file, rule.title, about, row["account"], row["verdict"]))
    level = f" ({rule.level})" if rule.level else ""
    return {
        "id": hashlib.sha256(key.encode("utf-8", "replace")).hexdigest(), "rule": NAME, "object": about, "technique": rule.mitre[0] if rule.mitre else "",
        "verdict": row["verdict"] or "review", "confidence": reading.LEVELS.get(rule.level, reading.LEVELS[""]), "evidence": row["evidence"],
        "note": f"{rule.title or rule.file}{level}: {row['n']} calls", "sigma": {"id": rule.id, "title": rule.title, "level": rule.level, "file": rule.file},
        "mitre": list(rule.mitre), "tainted": bool(row["verdict"]), "by": row["tainted"] or [], "account": row["account"], "operations": row["operations"],
        "count": row["n"], "first": stamp(row["first"]), "last": stamp(row["last"]),
    }  # fmt: skip


def _said(error: DatabaseError) -> str:
    if error.kind == "InterruptException":
        return "took longer than it may"
    return f"the database refuses it: {printable(' '.join(error.message.partition('Error: ')[2].split()), 200)}"


__all__ = ["NAME", "Answer", "find"]

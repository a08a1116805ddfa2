# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules about one log, asked of its events. What all of them need is read once: where the fields are, and the events that columns alone do not rule out."""

from __future__ import annotations

import bisect
import datetime as dt
import typing as t
from collections.abc import Sequence

from ...events.database import Database, DatabaseError
from ..anomalies.finding import EVIDENCE
from . import fields, rules
from .rules import Node, Rule
from .statement import Statement

MOST = 200  # identities of one rule; more are counted
SECONDS = 60.0  # for one rule
_LOOK = 300.0  # for what all rules of a log need
_HELD = 300_000  # events that are kept aside for the rules; of more each rule reads the log itself
_IN_WINDOW = "e.source = {source} AND (e.time IS NULL OR {start} IS NULL OR e.time >= {start})"
_HITS = f"""
WITH hit AS (SELECT e.event_uid, e.time, coalesce(e.issuer_arn, e.actor_arn, e.actor_id, '') AS principal, e.cloud, coalesce(e.account, '') AS account,
    e.service || ':' || e.operation AS call
  FROM {{table}} e WHERE {_IN_WINDOW} AND {{first}} AND {{condition}}),
judged AS (SELECT h.*, a.tainted, CASE WHEN a.event_uid IS NULL THEN '' WHEN a.rogue THEN 'rogue' ELSE 'review' END AS verdict
  FROM hit h LEFT JOIN sigma_acts a ON a.event_uid = h.event_uid AND a.time IS NOT DISTINCT FROM h.time)
SELECT principal, cloud, account, verdict, count(*) AS n, min(time) AS first, max(time) AS last,
  list_slice(list(event_uid ORDER BY time, event_uid), 1, {{evidence}}) AS evidence, list_slice(list_sort(list(DISTINCT call)), 1, 20) AS operations,
  list_slice(list_sort(list_distinct(flatten(list(tainted)))), 1, 20) AS tainted, count(*) OVER () AS beside, sum(count(*)) OVER () AS total
FROM judged WHERE time IS NULL OR {{end}} IS NULL OR time <= {{end}} OR verdict <> '' GROUP BY ALL
ORDER BY verdict DESC, n DESC, principal, cloud, account LIMIT {{most}}
"""
_ACTS = """
CREATE OR REPLACE TEMP TABLE sigma_acts AS
SELECT event_uid, time, bool_or(verdict = 'rogue') AS rogue, list(DISTINCT tainted_id ORDER BY tainted_id) AS tainted FROM acts GROUP BY ALL
"""


def prepare(database: Database) -> None:
    """Before the first ``Log``."""
    database.run(_ACTS)


def finish(database: Database) -> None:
    for name in ("sigma_acts", "sigma_events"):
        database.run(f"DROP TABLE IF EXISTS {name}")


class Log:
    """Raises DatabaseError when the fields cannot be found. Times are naive and UTC. ``damaged``: columns that are no JSON in some event."""

    def __init__(self, database: Database, source: str, mine: Sequence[Rule], start: dt.datetime | None, end: dt.datetime | None) -> None:
        self._database, self._source, self._start, self._end = database, source, start, end
        names = sorted(set[str]().union(*(rules.fields(rule.asks) for rule in mine)))
        told = fields.columns(database, source, names, seconds=_LOOK)
        rest = [name for name in names if name not in told]
        # As long as it is not known where the others are, nothing is ruled out by them.
        self._early = {**told, **{name: (fields.Place("raw", "$"),) for name in rest}}
        self._mine = [rule.asks for rule in mine]
        places, self.damaged = fields.locate(database, source, rest, self._asked_in, seconds=_LOOK)
        self._places = {**told, **places}
        self._held = self._hold()

    def ask(self, rule: Rule) -> tuple[list[dict[str, t.Any]], list[str]]:
        """(a row for each identity and verdict, fields that no event has). Raises DatabaseError and Unsupported."""
        made = Statement(self._places)
        first, condition = made.first(rule.asks), made.whole(rule.asks)
        table = "sigma_events" if any(asks is rule.asks for asks in self._held) else "events"
        sql = (
            self._filled(_HITS, made, evidence=EVIDENCE, most=MOST)
            .replace("{table}", table)
            .replace("{first}", first)
            .replace("{condition}", condition)
        )
        return self._database.rows(*made.finish(sql), seconds=SECONDS), sorted(
            name for name in rules.fields(rule.asks) if not self._places[name]
        )

    def _filled(self, sql: str, made: Statement, **numbers: int) -> str:
        given: dict[str, tuple[t.Any, str]] = {name: (number, "BIGINT") for name, number in numbers.items()}
        given |= {"source": (self._source, "VARCHAR"), "start": (self._start, "TIMESTAMP"), "end": (self._end, "TIMESTAMP")}
        for name, (value, kind) in given.items():
            if f"{{{name}}}" in sql:
                sql = sql.replace(f"{{{name}}}", f"CAST({made.value(value)} AS {kind})")
        return sql

    def _asked_in(self, column: str) -> tuple[str, list[t.Any]]:
        """The events in which rules ask for a field that lies in this column."""
        wanted = [
            asks
            for asks in self._mine
            if any(column == place for name in rules.fields(asks) for place, _path in fields.candidates(self._source, name))
        ]
        made = Statement(self._early)
        condition = _either(made, wanted)
        return made.finish(f"{self._filled(_IN_WINDOW, made)} AND {condition}")

    def _hold(self) -> list[Node]:
        """Keep aside what can be of rules that name rare calls: they then read that and not the log. The rules for which this was done."""
        made = Statement(self._places)
        first = [(asks, made.first(asks)) for asks in self._mine]
        narrow = [(asks, said) for asks, said in first if said != "true"]
        if not narrow:
            return []
        where = self._filled(_IN_WINDOW, made)
        counted = ", ".join(f"count(*) FILTER (WHERE {said}) AS n{number}" for number, (_asks, said) in enumerate(narrow))
        try:
            counts = list(self._database.rows(*made.finish(f"SELECT {counted} FROM events e WHERE {where}"), seconds=_LOOK)[0].values())
            narrow = [narrow[number] for _count, number in sorted((count, number) for number, count in enumerate(counts))]

            def union(several: int) -> tuple[str, list[t.Any]]:
                either = " OR ".join(dict.fromkeys(said for _asks, said in narrow[:several])) or "false"
                return made.finish(f"SELECT {{}} FROM events e WHERE {where} AND ({either})")

            def size(several: int) -> int:
                sql, parameters = union(several)
                return int(self._database.rows(sql.replace("{}", "count(*) AS n"), parameters, seconds=_LOOK)[0]["n"])

            held = bisect.bisect_right(range(1, len(narrow) + 1), _HELD, key=size)
            sql, parameters = union(held)
            self._database.run(f"CREATE OR REPLACE TEMP TABLE sigma_events AS {sql.replace('{}', 'e.*')}", parameters, seconds=_LOOK)
        except DatabaseError:  # for want of memory, say: it was to save time
            return []
        return [asks for asks, _said in narrow[:held]]


def _either(made: Statement, several: Sequence[Node]) -> str:
    parts = list(dict.fromkeys(made.first(asks) for asks in several))
    return "true" if "true" in parts else f"({' OR '.join(parts)})" if parts else "false"

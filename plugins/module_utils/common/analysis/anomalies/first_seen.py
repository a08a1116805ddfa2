# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks, user agents, regions, services, countries and providers that a principal had never used before the incident."""

from __future__ import annotations

import typing as t

from ...events.database import Database
from .finding import Asked
from .geo import Places

NAME = "first_seen"
QUESTION = "What did this principal use for the first time?"
# Fixed expressions over the columns; the values themselves never become SQL.
_WHAT: dict[str, tuple[str, int]] = {
    "network": ("coalesce(nullif(regexp_extract(src_ip, '^(\\d+\\.\\d+\\.\\d+)\\.\\d+$', 1), '') || '.0/24', src_ip)", 60),
    "user agent": ("nullif(regexp_extract(user_agent, '^[^ /]{1,64}'), '')", 50),
    "region": ("region", 60),
    "service": ("service", 40),
}
_MOST, _MOST_ADDRESSES = 500, 200_000
_SQL = """
WITH seen AS (SELECT principal, past, {what} AS value, event_uid, time FROM watched_events WHERE status = 'success' AND invoked_by IS NULL),
known AS (SELECT DISTINCT principal FROM seen WHERE past)
SELECT s.principal, s.value, count(*) AS n, list_slice(list(s.event_uid ORDER BY s.time, s.event_uid), 1, 50) AS evidence
FROM seen s JOIN known USING (principal)
WHERE NOT s.past AND s.value IS NOT NULL AND NOT EXISTS (SELECT 1 FROM seen b WHERE b.past AND b.principal = s.principal AND b.value = s.value)
GROUP BY ALL ORDER BY n DESC, s.principal, s.value LIMIT ?
"""
_ADDRESSES = """
SELECT principal, src_ip, past, count(*) AS n, list_slice(list(event_uid ORDER BY time, event_uid), 1, 50) AS evidence FROM watched_events
WHERE src_ip IS NOT NULL AND invoked_by IS NULL GROUP BY ALL ORDER BY principal, past DESC, src_ip LIMIT ?
"""


def find(database: Database, places: Places, asked: Asked) -> None:
    for what, (expression, confidence) in _WHAT.items():
        rows = database.rows(_SQL.replace("{what}", expression), [_MOST + 1])
        for row in asked.first(NAME, f"values of {what}", rows, _MOST):
            asked.add(
                NAME,
                row["principal"],
                f"{what} {row['value']} for the first time, {row['n']} calls",
                confidence=confidence,
                evidence=row["evidence"],
            )
    if not places:
        return
    known: dict[tuple[str, str], set[str]] = {}
    fresh: dict[tuple[str, str, str], list[str]] = {}
    for row in asked.first(NAME, "addresses", database.rows(_ADDRESSES, [_MOST_ADDRESSES + 1]), _MOST_ADDRESSES):
        for kind, value in places.of(row["src_ip"]).items():
            if row["past"]:
                known.setdefault((row["principal"], kind), set()).add(value)
            else:
                fresh.setdefault((row["principal"], kind, value), []).extend(row["evidence"])
    for (principal, kind, value), evidence in fresh.items():
        usual: t.Any = known.get((principal, kind))
        if usual and value not in usual:
            asked.add(NAME, principal, f"{kind} {value} for the first time", confidence=70, evidence=evidence)

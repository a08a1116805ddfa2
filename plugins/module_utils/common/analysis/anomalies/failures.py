# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Denied again and again, and then let in: guessing, or rights that were widened in between."""

from __future__ import annotations

from ...events.database import Database
from .finding import Asked
from .geo import Places

NAME = "failures_then_success"
QUESTION = "Which calls were denied several times and then succeeded?"
_SQL = """
WITH runs AS (SELECT principal, service, operation, event_uid, time, status = 'success' AS ok,
    count(*) FILTER (status = 'failure') OVER (PARTITION BY principal, service, operation ORDER BY time RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW)
      AS failed,
    lag(status) OVER (PARTITION BY principal, service, operation ORDER BY time, event_uid) AS before
  FROM watched_events WHERE NOT past AND status IS NOT NULL)
SELECT principal, service || ':' || operation AS call, max(failed) AS failed, min(time) AS began,
  list_slice(list(event_uid ORDER BY time, event_uid), 1, 50) AS evidence
FROM runs WHERE ok AND before = 'failure' AND failed >= ? GROUP BY ALL ORDER BY began, principal, call LIMIT ?
"""
_AT_LEAST = 5
_MOST = 500


def find(database: Database, _places: Places, asked: Asked) -> None:
    for row in asked.first(NAME, "calls", database.rows(_SQL, [_AT_LEAST, _MOST + 1]), _MOST):
        note = f"{row['call']} succeeded after {row['failed']} failures within an hour"
        asked.add(
            NAME,
            row["principal"],
            note,
            confidence=60,
            evidence=row["evidence"],
            technique="T1110" if "ConsoleLogin" in row["call"] else "",
        )

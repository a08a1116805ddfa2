# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hours with many times the calls that this principal ever made in an hour."""

from __future__ import annotations

from ...events.database import Database
from .finding import Asked
from .geo import Places

NAME = "spike"
QUESTION = "When did this principal call far more than ever before?"
_SQL = """
WITH hours AS (SELECT principal, past, date_trunc('hour', time) AS hour, count(*) AS n, list_slice(list(event_uid ORDER BY time, event_uid), 1, 50) AS evidence
    FROM watched_events GROUP BY ALL),
usual AS (SELECT principal, max(n) AS most, count(*) AS hours FROM hours WHERE past GROUP BY principal)
SELECT h.principal, h.hour, h.n, u.most, h.evidence FROM hours h JOIN usual u USING (principal)
WHERE NOT h.past AND u.hours >= 24 AND h.n >= 100 AND h.n > ? * u.most ORDER BY h.hour, h.principal LIMIT ?
"""
_TIMES = 5
_MOST = 500


def find(database: Database, _places: Places, asked: Asked) -> None:
    for row in asked.first(NAME, "hours", database.rows(_SQL, [_TIMES, _MOST + 1]), _MOST):
        note = f"{row['n']} calls in the hour from {row['hour']:%Y-%m-%dT%H:%MZ}; at most {row['most']} before"
        asked.add(NAME, row["principal"], note, confidence=50, evidence=row["evidence"])

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two calls from places so far apart that nobody travels between them in that time. Needs a MaxMind file with coordinates (City)."""

from __future__ import annotations

import math

from ...events.database import Database
from .finding import Asked
from .geo import Places

NAME = "impossible_travel"
QUESTION = "From which places did this principal call too quickly one after the other?"
_SQL = """
SELECT principal, event_uid, time, src_ip, lag(event_uid) OVER w AS before_uid, lag(time) OVER w AS before_time, lag(src_ip) OVER w AS before_ip
FROM watched_events WHERE src_ip IN (SELECT unnest(CAST(? AS VARCHAR[]))) AND invoked_by IS NULL AND status = 'success'
WINDOW w AS (PARTITION BY principal ORDER BY time, event_uid)
QUALIFY before_ip IS NOT NULL AND before_ip <> src_ip AND NOT past ORDER BY time, event_uid, principal LIMIT ?
"""
# What is nowhere ("AWS Internal", an address of a private network) stands between two places and hides nothing.
_ADDRESSES = "SELECT DISTINCT src_ip FROM watched_events WHERE src_ip IS NOT NULL AND invoked_by IS NULL AND status = 'success' ORDER BY src_ip LIMIT ?"
_SPEED = 900.0  # km/h of an airliner
_NEAR = 300.0  # km: within the error of such files
_MOST, _MOST_PAIRS, _MOST_ADDRESSES = 200, 100_000, 200_000


def find(database: Database, places: Places, asked: Asked) -> None:
    if not places.coordinates:
        asked.unknown.append({"object": NAME, "why": "no MaxMind file with coordinates was given"})
        return
    said: set[tuple[str, str, str]] = set()
    addresses = asked.first(NAME, "addresses", database.rows(_ADDRESSES, [_MOST_ADDRESSES + 1]), _MOST_ADDRESSES)
    somewhere = [row["src_ip"] for row in addresses if places.where(row["src_ip"])]
    for row in asked.first(NAME, "pairs of calls", database.rows(_SQL, [somewhere, _MOST_PAIRS + 1]), _MOST_PAIRS):
        here, there = places.where(row["src_ip"]), places.where(row["before_ip"])
        key = (row["principal"], *sorted((row["src_ip"], row["before_ip"])))
        if here is None or there is None or key in said:
            continue
        far, hours = _distance(here, there), (row["time"] - row["before_time"]).total_seconds() / 3600
        if far > _NEAR and far > _SPEED * max(hours, 1 / 60):
            said.add(key)
            if len(said) > _MOST:
                asked.unknown.append({"object": NAME, "why": f"only the first {_MOST} pairs of addresses are told"})
                break
            note = f"{row['before_ip']} and {row['src_ip']}, {far:.0f} km apart, within {hours * 60:.0f} minutes"
            asked.add(NAME, row["principal"], note, confidence=60, evidence=[row["before_uid"], row["event_uid"]])


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Kilometres on a sphere (haversine)."""
    (a, b), (c, d) = ((math.radians(x), math.radians(y)) for x, y in (one, other))
    return 12742 * math.asin(math.sqrt(math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2))

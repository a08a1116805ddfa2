# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is unusual for the principals of the incident, against their own past. One file per rule; a rule that lacks what it needs says so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from ...events.database import Database
from . import failures, first_seen, spikes, travel
from .finding import Asked, Finding, Rule
from .geo import Places

RULES: tuple[Rule, ...] = (first_seen, failures, spikes, travel)
_PRINCIPALS = """
CREATE OR REPLACE TEMP TABLE watched_principals AS
SELECT DISTINCT coalesce(issuer_arn, actor_arn, actor_id) AS principal FROM acts WHERE coalesce(issuer_arn, actor_arn, actor_id) IS NOT NULL
"""
# What the principals of the incident did, before it and in it.
_SEEN = """
CREATE OR REPLACE TEMP TABLE watched_events AS
SELECT e.event_uid, e.time, p.principal, e.src_ip, e.user_agent, e.region, e.service, e.operation, e.status, e.error_code, e.account, e.invoked_by,
  e.time < ? AS past
FROM events e JOIN watched_principals p ON p.principal = coalesce(e.issuer_arn, e.actor_arn, e.actor_id)
WHERE e.time IS NOT NULL AND e.actor_type IS DISTINCT FROM 'AWSService'
"""


def find(database: Database, start: dt.datetime | None = None, geo: Iterable[str] = (), selected: Iterable[str] = ()) -> Asked:
    """Needs ``events`` and ``acts``. ``start``: of the incident (naive, UTC); without it, the first act. ``geo``: MaxMind files (City or Country, ASN).

    ``selected``: tables of which only the first event of each kind is there from before the incident: what counts calls cannot be asked of them.
    """
    first = database.rows("SELECT min(time) AS at FROM acts")[0]["at"]
    begin = start or first
    asked = Asked()
    if begin is None:
        return asked
    database.run(_PRINCIPALS)
    database.run(_SEEN, [begin])
    for row in database.rows(
        "SELECT principal FROM watched_principals EXCEPT SELECT principal FROM watched_events WHERE past ORDER BY principal"
    ):
        asked.unknown.append(
            {"object": row["principal"], "why": "nothing of before the incident is in the logs: what is usual for it is not known"}
        )
    asked.unknown += [
        {
            "object": f"spikes in {table}",
            "why": "events were selected there: of the time before the incident only the first of each kind is here",
        }
        for table in selected
    ]
    with Places.open(geo) as places:
        unknown = len(asked.unknown)
        for rule in RULES:
            if not (selected and rule is spikes):
                rule.find(database, places, asked)
        asked.unknown[unknown:unknown] = places.problems  # what a file cannot tell shows when it is asked
    for table in ("watched_principals", "watched_events"):
        database.run(f"DROP TABLE {table}")
    return asked


__all__ = ["RULES", "Asked", "Finding", "find"]

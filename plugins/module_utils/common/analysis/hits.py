# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which events are whose: matches against ``events`` in SQL, kept as pairs (row, match) in a temporary table. Values are parameters, always."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ..events.columns import Columns
from ..events.database import Database
from .model import Match

_MATCHES: Columns = (
    ("n", "INTEGER"), ("handle", "VARCHAR"), ("value", "VARCHAR"), ("rank", "INTEGER"), ("account", "VARCHAR"), ("operation", "VARCHAR"),
    ("through", "VARCHAR"), ("since", "TIMESTAMP"), ("until", "TIMESTAMP"), ("created_from", "TIMESTAMP"), ("created_to", "TIMESTAMP"),
)  # fmt: skip
_HITS: Columns = (
    ("rid", "BIGINT"), ("n", "INTEGER"), ("time", "TIMESTAMP"), ("src_ip", "VARCHAR"), ("service", "VARCHAR"), ("operation", "VARCHAR"),
    ("success", "BOOLEAN"), ("read_only", "BOOLEAN"),
)  # fmt: skip
_SEEN: Columns = (("n", "INTEGER"), ("src_ip", "VARCHAR"), ("verdict", "VARCHAR"), ("factor", "INTEGER"), ("follow", "BOOLEAN"))
_FILL = """
INSERT INTO lineage_hits
SELECT e.rowid, m.n, e.time, coalesce(e.src_ip, ''), e.service, e.operation, e.status = 'success', e.read_only
FROM events e JOIN lineage_new m ON m.handle = ? AND {on}
WHERE (m.account IS NULL OR e.account = m.account OR e.actor_account = m.account)
  AND (m.operation IS NULL OR e.operation = m.operation)
  AND (m.since IS NULL OR e.time >= m.since) AND (m.until IS NULL OR e.time <= m.until)
  AND (m.created_from IS NULL OR e.session_created BETWEEN m.created_from AND m.created_to)
  AND (m.through IS NULL OR list_contains(e.delegation, m.through))
  AND (m.rank = 3 OR NOT list_contains(CAST(? AS VARCHAR[]), coalesce(e.issuer_arn, e.actor_arn, '')))
"""
# handle -> how it is compared. Each is one scan of one column.
HANDLES = {
    "credential": "e.credential_uid = m.value",
    "actor": "e.actor_arn = m.value",
    "actor_id": "e.actor_id = m.value",
    "issuer": "e.issuer_arn = m.value",
    "issuer_id": "e.issuer_id = m.value",
    "user_name": "e.actor_name = m.value",
    "session_name": "split_part(e.actor_arn, '/', 3) = m.value",
    "delegation": "list_contains(e.delegation, m.value)",
    "event": "e.event_uid = m.value",
}
_SQL = {handle: _FILL.replace("{on}", on) for handle, on in HANDLES.items()}
_CALLS = """
SELECT h.n, e.event_uid, e.time, e.cloud, e.account, e.region, e.service, e.operation, e.actor_type, e.actor_arn, e.actor_id, e.actor_name,
  e.actor_account, e.credential_uid, e.issuer_arn, e.src_ip, e.request, e.response, e.raw,
  coalesce(s.verdict, 'rogue') AS verdict, coalesce(s.factor, 100) AS factor
FROM lineage_hits h JOIN lineage_openers o ON o.operation = h.operation AND (o.service IS NULL OR o.service = h.service)
LEFT JOIN lineage_seen s ON s.n = h.n AND s.src_ip = h.src_ip
JOIN events e ON e.rowid = h.rid
WHERE h.success AND h.n BETWEEN ? AND ? AND coalesce(s.follow, true)
ORDER BY e.time, e.event_uid
"""


class Hits:
    """The pairs so far. ``trusted``: ARNs whose calls are nobody else's, whatever network they come from."""

    def __init__(self, database: Database, trusted: Iterable[str], openers: Iterable[tuple[str, str]]) -> None:
        self._database, self._trusted = database, sorted(trusted)
        self.count = 0
        database.table("lineage_hits", _HITS, ())
        database.table("lineage_seen", _SEEN, ())
        database.table(
            "lineage_openers", (("service", "VARCHAR"), ("operation", "VARCHAR")), [(service or None, name) for service, name in openers]
        )

    def add(self, matches: Sequence[Match]) -> range:
        """Find their events; the numbers under which they are kept."""
        numbers = range(self.count, self.count + len(matches))
        self.count = numbers.stop
        self._database.table("lineage_new", _MATCHES, (
            (n, m.handle, m.value, m.rank, m.account or None, m.operation or None, m.through or None, m.since, m.until, m.created_from, m.created_to)
            for n, m in zip(numbers, matches, strict=True)
        ))  # fmt: skip
        for handle in sorted({match.handle for match in matches}):
            self._database.run(_SQL[handle], [handle, self._trusted])
        return numbers

    def networks(self, n: int) -> dict[str, t.Any]:
        """{address as written: when it was first seen} of a match."""
        return {
            row["src_ip"]: row["first"]
            for row in self._database.rows("SELECT src_ip, min(time) AS first FROM lineage_hits WHERE n = ? GROUP BY src_ip", [n])
        }

    def judge(self, n: int, verdicts: Mapping[str, tuple[str, int, bool]]) -> None:
        """Say of each address of match ``n`` what its calls are: (verdict or none, factor of confidence in percent, whether they are followed)."""
        self._database.run("DELETE FROM lineage_seen WHERE n = ?", [n])
        self._database.table("lineage_seen", _SEEN, ((n, address, *said) for address, said in verdicts.items()), append=True)

    def calls(self, numbers: range) -> list[dict[str, t.Any]]:
        """Successful calls of these matches that open something, oldest first."""
        return self._database.rows(_CALLS, [numbers.start, numbers.stop - 1]) if numbers else []

    def span(self) -> dict[int, tuple[t.Any, t.Any, int]]:
        """{match: (first, last, number)} of what is theirs."""
        sql = """SELECT h.n, min(h.time) AS first, max(h.time) AS last, count(*) AS number FROM lineage_hits h
                 LEFT JOIN lineage_seen s ON s.n = h.n AND s.src_ip = h.src_ip WHERE coalesce(s.follow, true) GROUP BY h.n"""
        return {row["n"]: (row["first"], row["last"], row["number"]) for row in self._database.rows(sql)}

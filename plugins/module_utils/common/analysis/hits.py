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
    ("event_uid", "VARCHAR"), ("n", "INTEGER"), ("time", "TIMESTAMP"), ("src_ip", "VARCHAR"), ("service", "VARCHAR"), ("operation", "VARCHAR"),
    ("success", "BOOLEAN"), ("read_only", "BOOLEAN"),
)  # fmt: skip
_OPENERS: Columns = (("service", "VARCHAR"), ("operation", "VARCHAR"), ("raw", "BOOLEAN"))
_SEEN: Columns = (("n", "INTEGER"), ("src_ip", "VARCHAR"), ("verdict", "VARCHAR"), ("factor", "INTEGER"), ("follow", "BOOLEAN"))
_WHERE = """
FROM events e JOIN {matches} m ON m.handle = ? AND {on}
WHERE e.time IS NOT NULL AND (m.account IS NULL OR e.account = m.account OR e.actor_account = m.account)
  AND (m.operation IS NULL OR e.operation = m.operation)
  AND (m.since IS NULL OR e.time >= m.since) AND (m.until IS NULL OR e.time <= m.until)
  AND (m.created_from IS NULL OR e.session_created BETWEEN m.created_from AND m.created_to)
  AND (m.through IS NULL OR list_contains(e.delegation, m.through))
  AND (m.rank = 3 OR NOT list_contains(CAST(? AS VARCHAR[]), coalesce(e.issuer_arn, e.actor_arn, '')))
"""
_FILL = """
INSERT INTO lineage_hits
SELECT e.event_uid, m.n, e.time, coalesce(e.src_ip, ''), e.service, e.operation, e.status = 'success', e.read_only
"""
# handle -> how it is compared. Each is one scan of one column.
HANDLES = {
    "credential": "e.credential_uid = m.value",
    "actor": "e.actor_arn = m.value",
    "actor_id": "e.actor_id = m.value",
    "issuer": "e.issuer_arn = m.value",
    "issuer_id": "e.issuer_id = m.value",
    "user_name": "e.actor_name = m.value AND coalesce(e.actor_type, '') NOT IN ('AssumedRole', 'FederatedUser')",  # there it is the issuer's
    "session_name": "split_part(e.actor_arn, '/', 3) = m.value",
    "delegation": "e.delegation IS NOT NULL AND list_contains(e.delegation, m.value)",
    "event": "e.event_uid = m.value",
}
# Two kinds of scan: narrow ones over all events, for the pairs; wide ones, which read requests and answers, only for what opens something.
_CALLS = """
SELECT m.n, e.event_uid, e.time, e.cloud, e.account, e.region, e.service, e.operation, e.actor_type, e.actor_arn, e.actor_id, e.actor_name,
  e.actor_account, e.credential_uid, e.issuer_arn, e.src_ip, e.resources, e.request, e.response, {raw} AS raw
"""
_OPENING = "AND e.status = 'success' AND e.time BETWEEN ? AND ? AND e.operation IN ({operations})"
_ANY = """
SELECT h.n, o.raw, min(h.time) AS first, max(h.time) AS last FROM lineage_hits h
JOIN lineage_openers o ON o.operation = h.operation AND (o.service IS NULL OR o.service = h.service)
LEFT JOIN lineage_seen s ON s.n = h.n AND s.src_ip = h.src_ip
WHERE h.success AND list_contains(CAST(? AS INTEGER[]), h.n) AND coalesce(s.follow, true) GROUP BY h.n, o.raw
"""
_NETWORKS = "SELECT n, src_ip, min(time) AS first FROM lineage_hits WHERE list_contains(CAST(? AS INTEGER[]), n) GROUP BY n, src_ip"
_JUDGED = "SELECT n, src_ip, verdict, factor, follow FROM lineage_seen WHERE list_contains(CAST(? AS INTEGER[]), n)"


class Hits:
    """The pairs so far. ``trusted``: ARNs whose calls are nobody else's, whatever network they come from."""

    def __init__(self, database: Database, trusted: Iterable[str], openers: Mapping[tuple[str, str], bool]) -> None:
        self._database, self._trusted = database, sorted(trusted)
        self.count = 0
        self._kept: list[Match] = []
        where = {handle: _WHERE.replace("{matches}", "lineage_new").replace("{on}", on) for handle, on in HANDLES.items()}
        self._fill = {handle: _FILL + text for handle, text in where.items()}
        self._calls: dict[tuple[str, bool], str] = {}
        for raw in (False, True):  # the event as it came is most of a log: read only where an opener asks for it
            operations = ", ".join(
                f"'{name}'" for name in sorted({name for (_service, name), wants in openers.items() if wants == raw})
            )  # our own words
            calls = _CALLS.replace("{raw}", "e.raw" if raw else "NULL")
            self._calls |= {(handle, raw): calls + text + _OPENING.replace("{operations}", operations) for handle, text in where.items()}
        database.table("lineage_hits", _HITS, ())
        database.table("lineage_seen", _SEEN, ())
        database.table("lineage_openers", _OPENERS, ((service or None, name, raw) for (service, name), raw in openers.items()))

    def add(self, matches: Sequence[Match]) -> range:
        """Find their events; the numbers under which they are kept."""
        numbers = range(self.count, self.count + len(matches))
        self.count = numbers.stop
        self._kept += matches
        for handle in self._prepare(numbers):
            self._database.run(self._fill[handle], [handle, self._trusted])
        return numbers

    def _prepare(self, numbers: Iterable[int]) -> list[str]:
        """Put these matches into the table that the scans join with; their handles."""
        rows = [(n, self._kept[n]) for n in numbers]
        self._database.table("lineage_new", _MATCHES, (
            (n, m.handle, m.value, m.rank, m.account or None, m.operation or None, m.through or None, m.since, m.until, m.created_from, m.created_to)
            for n, m in rows
        ))  # fmt: skip
        return sorted({match.handle for _n, match in rows})

    def networks(self, numbers: Iterable[int]) -> dict[int, dict[str, t.Any]]:
        """{match: {address as written: when it was first seen}}, of those that have events."""
        found: dict[int, dict[str, t.Any]] = {}
        for row in self._database.rows(_NETWORKS, [list(numbers)]):
            found.setdefault(row["n"], {})[row["src_ip"]] = row["first"]
        return found

    def judge(self, verdicts: Mapping[int, Mapping[str, tuple[str, int, bool]]]) -> None:
        """Say of each address of these matches what its calls are: (verdict or none, factor of confidence in percent, whether they are followed)."""
        self._database.run("DELETE FROM lineage_seen WHERE list_contains(CAST(? AS INTEGER[]), n)", [list(verdicts)])
        rows = ((n, address, *said) for n, judged in verdicts.items() for address, said in judged.items())
        self._database.table("lineage_seen", _SEEN, rows, append=True)

    def calls(self, numbers: Iterable[int]) -> list[dict[str, t.Any]]:
        """Successful calls of these matches that open something, oldest first, each with its verdict and factor; not those that are the owner's."""
        calls = []
        spans = self._database.rows(_ANY, [list(numbers)])
        for raw in (False, True):
            mine = [row for row in spans if row["raw"] == raw]
            if not mine:
                continue
            found = sorted({row["n"] for row in mine})
            judged = {(row["n"], row["src_ip"]): row for row in self._database.rows(_JUDGED, [found])}
            first, last = min(row["first"] for row in mine), max(row["last"] for row in mine)
            for handle in self._prepare(found):
                for row in self._database.rows(self._calls[handle, raw], [handle, self._trusted, first, last]):
                    said = judged.get((row["n"], row["src_ip"] or ""), {"verdict": "rogue", "factor": 100, "follow": True})
                    if said["follow"]:
                        calls.append(row | {"verdict": said["verdict"], "factor": said["factor"]})
        return sorted(calls, key=lambda row: (row["time"], row["event_uid"] or ""))

    def span(self) -> dict[int, tuple[t.Any, t.Any, int]]:
        """{match: (first, last, number)} of what is theirs."""
        sql = """SELECT h.n, min(h.time) AS first, max(h.time) AS last, count(*) AS number FROM lineage_hits h
                 LEFT JOIN lineage_seen s ON s.n = h.n AND s.src_ip = h.src_ip WHERE coalesce(s.follow, true) GROUP BY h.n"""
        return {row["n"]: (row["first"], row["last"], row["number"]) for row in self._database.rows(sql)}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables ``tainted`` and ``acts``: what was in wrong hands, and what was done with it. All other parts of the analysis read these."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Iterable, Sequence

from ..events.columns import Columns
from ..events.database import Database
from ..suspect import Suspect
from . import doubts
from .lineage import Lineage
from .model import REVIEW, ROGUE, Act, Node, text

TAINTED: Columns = (
    ("kind", "VARCHAR"), ("id", "VARCHAR"), ("arn", "VARCHAR"), ("cloud", "VARCHAR"), ("account", "VARCHAR"), ("since", "TIMESTAMP"),
    ("until", "TIMESTAMP"), ("verdict", "VARCHAR"), ("confidence", "INTEGER"), ("via", "VARCHAR"), ("parent", "VARCHAR"), ("evidence", "VARCHAR[]"),
    ("whole", "BOOLEAN"),  # the identity itself is the attacker's; else a credential or session of somebody else's
)  # fmt: skip
_OF: Columns = (("n", "INTEGER"), ("id", "VARCHAR"), ("rogue", "BOOLEAN"), ("confidence", "INTEGER"), ("rank", "INTEGER"))
# What the owner did with a shared credential stays in, as review, where it changed something.
_BEST = """
CREATE OR REPLACE TABLE lineage_best AS
SELECT event_uid, time, arg_max(struct_pack(id := id, sure := sure, rogue := rogue), struct_pack(rank := rank, rogue := rogue, sure := sure, n := -n)) AS one
FROM (
  SELECT h.event_uid, h.time, h.n, o.id, o.rank, (o.confidence * coalesce(s.factor, 100)) // 100 AS sure,
    o.rogue AND coalesce(s.verdict, 'rogue') = 'rogue' AS rogue
  FROM lineage_hits h JOIN lineage_of o ON o.n = h.n LEFT JOIN lineage_seen s ON s.n = h.n AND s.src_ip = h.src_ip
  WHERE coalesce(s.verdict, 'rogue') <> 'none' AND (coalesce(s.follow, true) OR NOT coalesce(h.read_only, false)))
GROUP BY event_uid, time
"""
_ACTS = """
CREATE OR REPLACE TABLE acts AS
SELECT e.*, b.one.id AS tainted_id, CAST(b.one.sure AS INTEGER) AS confidence, CASE WHEN b.one.rogue THEN 'rogue' ELSE 'review' END AS verdict
FROM events e JOIN lineage_best b ON e.event_uid = b.event_uid AND e.time = b.time WHERE e.time BETWEEN ? AND ?
"""
_SPAN = "SELECT coalesce(min(time), TIMESTAMP '1970-01-01') AS first, coalesce(max(time), TIMESTAMP '1970-01-01') AS last FROM lineage_best"
_DELETED = """
SELECT event_uid, time, account, operation, request, response, raw FROM events
WHERE operation IN ('DeleteUser', 'DeleteRole', 'DeleteAccessKey', 'UpdateAccessKey') AND service = 'iam' AND status = 'success'
  AND time IS NOT NULL ORDER BY time LIMIT 100000
"""
_ROGUE_HITS = """
SELECT DISTINCT h.n FROM lineage_hits h LEFT JOIN lineage_seen s ON s.n = h.n AND s.src_ip = h.src_ip WHERE coalesce(s.verdict, 'rogue') = 'rogue'
"""
_OF_KIND = {"DeleteUser": "user", "DeleteRole": "role"}
_NOBODY = Node("", "", "", "", "", None)
_SCRATCH = ("lineage_hits", "lineage_seen", "lineage_openers", "lineage_new", "lineage_of", "lineage_addresses", "lineage_best")


def trace(
    database: Database, suspects: Sequence[Suspect], *, start: dt.datetime | None = None, end: dt.datetime | None = None,
    trusted_networks: Iterable[str] = (), trusted_principals: Iterable[str] = (), accounts: Iterable[str] = (),
    logged: Iterable[str] = (),
) -> Lineage:  # fmt: skip
    """Follow the suspects and write ``tainted``, ``acts`` and ``doubts``. Times are naive and UTC, as the tables'.

    ``accounts``: those of the incident; ``logged``: those whose logs a warehouse was asked for.
    """
    lineage = Lineage(
        database,
        suspects,
        start=start,
        end=end,
        trusted_networks=trusted_networks,
        trusted_principals=trusted_principals,
        accounts=accounts,
        logged=logged,
    ).follow()
    write(lineage)
    doubts.write(lineage)
    for name in _SCRATCH:
        database.run(f'DROP TABLE IF EXISTS "{name}"')
    return lineage


def write(lineage: Lineage) -> None:
    """``tainted`` and ``acts``."""
    database = lineage.database
    _ends(lineage)
    _latent(lineage)
    spans = lineage.hits.span()
    first: dict[tuple[str, str], dt.datetime] = {}
    for n, (key, _match) in enumerate(lineage.matches):
        if n in spans:
            first[key] = min(spans[n][0], first.get(key, spans[n][0]))
    rows = (
        (x.kind, x.id, x.arn, x.cloud, x.account, _since(x.since, first.get(x.key), x.via), x.until, x.verdict, x.confidence, x.via, x.parent, x.evidence,
         x.whole)
        for x in lineage.nodes.values()
    )  # fmt: skip
    database.table("tainted", TAINTED, rows)
    nodes = ((n, lineage.nodes[key], match) for n, (key, match) in enumerate(lineage.matches))
    database.table("lineage_of", _OF, ((n, node.id, node.verdict == ROGUE, node.confidence, match.rank) for n, node, match in nodes))
    database.run(_BEST)
    span = database.rows(_SPAN)[0]
    database.run(_ACTS, [span["first"], span["last"]])


def _latent(lineage: Lineage) -> None:
    """What the attacker could enter and is not seen to have used stays the owner's, in doubt."""
    used = {lineage.matches[row["n"]][0] for row in lineage.database.rows(_ROGUE_HITS)}
    for node in lineage.nodes.values():
        if node.latent and node.key not in used and node.verdict == ROGUE:
            node.verdict, node.confidence = REVIEW, min(node.confidence, 60)


def _ends(lineage: Lineage) -> None:
    """Until when what was made was there, as far as somebody took it away again."""
    for row in lineage.database.rows(_DELETED):
        act = Act(row, _NOBODY, ROGUE, 0)
        key, name = text(act.asked("accessKeyId")), text(act.asked("userName") or act.asked("roleName"))
        for node in lineage.nodes.values():
            named = (
                node.whole
                and node.account == row["account"]
                and node.arn.rsplit("/", 1)[-1] == name
                and node.kind == _OF_KIND.get(row["operation"])
            )
            ended = (
                node.kind == "access_key"
                and node.id == key
                and (row["operation"] == "DeleteAccessKey" or act.asked("status") == "Inactive")
            )
            if (
                (named or ended)
                and node.via != "suspect"
                and node.since
                and row["time"] >= node.since
                and (node.until is None or row["time"] < node.until)
            ):
                node.until = row["time"]


def _since(known: dt.datetime | None, first: dt.datetime | None, via: str) -> dt.datetime | None:
    """A suspect is tainted from its first call that is the attacker's, everything else from when it was opened."""
    return (first or known) if via == "suspect" else known


def counts(database: Database) -> dict[str, t.Any]:
    """How many identities and calls, by verdict."""
    tainted = {row["verdict"]: row["n"] for row in database.rows("SELECT verdict, count(*) AS n FROM tainted GROUP BY verdict")}
    acts = {row["verdict"]: row["n"] for row in database.rows("SELECT verdict, count(*) AS n FROM acts GROUP BY verdict")}
    return {"tainted": {v: tainted.get(v, 0) for v in ("rogue", "review")}, "acts": {v: acts.get(v, 0) for v in ("rogue", "review")}}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lineage rests on what could not be seen: the table ``doubts``. A log that is missing is unknown, never clean."""

from __future__ import annotations

import typing as t

from ..events.columns import Columns
from .model import ROGUE, SKEW

if t.TYPE_CHECKING:
    from .lineage import Lineage

DOUBTS: Columns = (
    ("tainted_id", "VARCHAR"),  # about whom; "" for the lineage as a whole
    ("object", "VARCHAR"),  # the log, account or event that is missing
    ("why", "VARCHAR"), ("since", "TIMESTAMP"), ("until", "TIMESTAMP"),
)  # fmt: skip
_GAPS = """
SELECT t.id, coalesce(g.object, g.source, g.cloud) AS object, g.why, g.start, g."end" FROM tainted t JOIN gaps g
  ON (g.cloud IS NULL OR g.cloud = t.cloud) AND (g.account IS NULL OR g.account = t.account OR t.account IS NULL OR t.account = '')
  AND (g."end" IS NULL OR t.since IS NULL OR g."end" >= t.since) AND (g.start IS NULL OR t.until IS NULL OR g.start <= t.until)
WHERE t.verdict = 'rogue' ORDER BY ALL LIMIT 2000
"""
_UNSEEN = """
SELECT t.id, t.account, t.since, t.until FROM tainted t WHERE t.account <> '' AND t.verdict = 'rogue'
  AND NOT EXISTS (SELECT 1 FROM seen_accounts s WHERE s.account = t.account) ORDER BY ALL
"""
_UNREADABLE = "SELECT count(*) AS n FROM events WHERE time IS NULL OR event_uid IS NULL"
_BLINDED = """
SELECT tainted_id, event_uid, operation, time FROM acts WHERE verdict = 'rogue' AND status = 'success' AND operation IN
  ('StopLogging', 'DeleteTrail', 'PutEventSelectors', 'UpdateTrail', 'DeleteEventDataStore', 'StopEventDataStoreIngestion', 'UpdateEventDataStore',
   'google.logging.v2.ConfigServiceV2.DeleteSink', 'google.logging.v2.ConfigServiceV2.UpdateSink', 'google.logging.v2.ConfigServiceV2.CreateExclusion',
   'MICROSOFT.INSIGHTS/DIAGNOSTICSETTINGS/DELETE', 'microsoft.insights/diagnosticSettings/delete')
ORDER BY time, event_uid
"""


def write(lineage: Lineage) -> None:
    database = lineage.database
    database.table("seen_accounts", (("account", "VARCHAR"),), ((account,) for account in sorted(lineage.logged)))
    for row in database.rows(_GAPS):
        lineage.doubt(row["id"], row["object"] or "", row["why"] or "", row["start"], row["end"])
    for row in database.rows(_UNSEEN):
        why = "no log of this account was loaded, so what was done there is not known"
        lineage.doubt(row["id"], row["account"], why, row["since"], row["until"])
    for row in database.rows(_BLINDED):
        lineage.doubt(
            row["tainted_id"],
            row["event_uid"],
            f"{row['operation']} changed what is logged; what happened afterwards may be missing",
            row["time"],
        )
    if odd := database.rows(_UNREADABLE)[0]["n"]:
        lineage.doubt(
            "", "events", f"{odd} events have no time or no id that can be read: they are in the case, and in no list of what was done"
        )
    _of_suspects(lineage)
    _of_trust(lineage)
    lineage.database.run("DROP TABLE seen_accounts")
    rows = ((d.node, d.object, d.why, d.since, d.until) for d in lineage.doubts.values())
    database.table("doubts", DOUBTS, rows)


def _of_suspects(lineage: Lineage) -> None:
    spans = lineage.hits.span()
    seeds = [node for node in lineage.nodes.values() if node.via == "suspect"]
    for node in seeds:
        numbers = [n for n, (key, _match) in enumerate(lineage.matches) if key == node.key]
        if node.id in lineage.shared() and not any(n in spans for n in numbers):
            why = "every call comes from networks that its owner used before the window, so none is taken for the attacker's: does window.start lie too late?"
            lineage.doubt(node.id, node.id, why)
        elif not any(n in spans for n in numbers):
            lineage.doubt(node.id, node.id, "no event of this suspect is in the logs that were loaded, within the window")


def _of_trust(lineage: Lineage) -> None:
    """Who was let in from outside: what they do in their own account nobody here sees."""
    for node in lineage.nodes.values():
        for watch in node.watches:
            strangers = {_account(one) for one in watch.admitted} - lineage.estate - {""}
            for account in sorted(strangers) if node.verdict == ROGUE else ():
                why = "is trusted since then and its log is not here: which sessions it opened is only known from this side"
                lineage.doubt(node.id, account, why, watch.since + SKEW)


def _account(principal: str) -> str:
    account = principal.split(":")[4] if principal.count(":") >= 5 else principal
    return account if len(account) == 12 and account.isdigit() else ""

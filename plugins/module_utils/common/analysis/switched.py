# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles taken in the console (SwitchRole): the event's caller is the new session already, whose it was before stands beside it."""

from __future__ import annotations

import datetime as dt
import typing as t

from .model import NARROW, ROGUE, Act, Match, Node, opened, text

if t.TYPE_CHECKING:
    from .lineage import Lineage

_SWITCHES = """
SELECT event_uid, time, cloud, account, region, service, operation, actor_type, actor_arn, actor_id, actor_name, actor_account, credential_uid, issuer_arn,
  src_ip, request, response, raw FROM events WHERE operation = 'SwitchRole' AND service = 'signin' AND status = 'success' AND time IS NOT NULL
ORDER BY time, event_uid LIMIT ?
"""
_MOST = 100_000


class Switches:
    """Read once; looked at again whenever the lineage has grown."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._rows: list[dict[str, t.Any]] | None = None

    def look(self) -> bool:
        """Take the switches that were made from an identity of the lineage. Whether anything changed."""
        lineage = self._lineage
        if self._rows is None:
            self._rows = lineage.database.rows(_SWITCHES, [_MOST])
        changed, left = False, []
        for row in self._rows:
            node = self._source(row)
            if node is None:
                left.append(row)
                continue
            act = Act(row, node, ROGUE, node.confidence)
            match = Match(
                "actor",
                text(row["actor_arn"]),
                NARROW,
                "foreign",
                created_from=row["time"] - dt.timedelta(seconds=5),
                created_to=row["time"] + dt.timedelta(minutes=2),
            )
            name = f"{row['actor_arn']}@{row['time']:%Y-%m-%dT%H:%M:%SZ}"
            if row["actor_arn"]:
                changed = (
                    lineage.add(
                        opened(act, "session", name, row["actor_arn"], account=text(row["actor_account"]), sure=90, matches=(match,))
                    )
                    or changed
                )
                changed = lineage.claim(lineage.nodes["session", name], row["event_uid"]) or changed
        self._rows = left
        return changed

    def _source(self, row: dict[str, t.Any]) -> Node | None:
        """The rogue node from which it was switched: it has that ARN, and is the attacker's altogether or comes from the attacker's address."""
        before = text(Act(row, _NOBODY, ROGUE, 0).written("additionalEventData", "SwitchFrom"))
        theirs = (row["src_ip"] or "") in self._lineage.networks.attackers
        for node in self._lineage.nodes.values() if before else ():
            if node.verdict == ROGUE and node.arn == before and (node.whole or theirs):
                return node
        return None


_NOBODY = Node("", "", "", "", "", None)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that others opened through what the attacker made, rewrote or handed out: whose each of them is."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t

from . import opened_aws
from .model import REVIEW, ROGUE, Act, Node, Watch, text

if t.TYPE_CHECKING:
    from .lineage import Lineage

# One watch at a time: a text that is a constant is searched in the scan. Of a role that was rewritten only those who did not come before.
_FOUND = """
SELECT e.event_uid, e.time, e.cloud, e.account, e.region, e.service, e.operation, e.actor_type, e.actor_arn, e.actor_id, e.actor_name,
  e.actor_account, e.credential_uid, e.issuer_arn, e.invoked_by, e.src_ip, e.request, e.response, e.raw
FROM events e
WHERE e.operation IN ('AssumeRole', 'AssumeRoleWithSAML', 'AssumeRoleWithWebIdentity', 'CreateSession') AND e.status = 'success'
  AND e.service IN ('sts', 'rolesanywhere') AND contains(e.request, ?) AND e.time BETWEEN ? AND ?
  AND starts_with(coalesce(e.invoked_by, e.src_ip, ''), ?)
  AND NOT list_contains(CAST(? AS VARCHAR[]), coalesce(e.issuer_arn, e.actor_arn,
    CASE WHEN e.actor_type = 'AWSAccount' THEN e.actor_account || split_part(e.actor_id, ':', 1) END, e.actor_name, e.invoked_by, ''))
ORDER BY e.time, e.event_uid LIMIT ?
"""
_KNOWN = """
SELECT DISTINCT coalesce(e.issuer_arn, e.actor_arn,
    CASE WHEN e.actor_type = 'AWSAccount' THEN e.actor_account || split_part(e.actor_id, ':', 1) END, e.actor_name, e.invoked_by, '') AS who
FROM events e
WHERE e.operation IN ('AssumeRole', 'AssumeRoleWithSAML', 'AssumeRoleWithWebIdentity') AND e.status = 'success' AND e.service = 'sts'
  AND contains(e.request, ?) AND e.time < ?
"""
_MOST = 20_000
_PORTAL = dt.timedelta(seconds=120)
_EVER = dt.datetime(9999, 1, 1)  # noqa: DTZ001 - as the tables
_STRANGERS = ("SAMLUser", "WebIdentityUser")


@dataclasses.dataclass(frozen=True)
class _Opening:
    row: dict[str, t.Any]
    watch: Watch
    key: tuple[str, str]  # of the node that watches


class Watched:
    """Two passes: what is certainly the attacker's first, then, when the lineage stands still, what remains in doubt."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._known: set[tuple[tuple[str, str], Watch]] = set()
        self._new: list[tuple[tuple[str, str], Watch]] = []
        self._openings: list[_Opening] = []

    def take(self, node: Node) -> None:
        for watch in node.watches:
            if (node.key, watch) not in self._known:
                self._known.add((node.key, watch))
                self._new.append((node.key, watch))

    def early(self) -> bool:
        """Read the openings of new watches, and take those that are the attacker's. Whether anything changed."""
        self._read()
        return self._decide(ROGUE)

    def late(self) -> bool:
        """Take what else came through: in doubt."""
        return self._decide(REVIEW)

    def _read(self) -> None:
        new, self._new = self._new, []
        for key, watch in new:
            rows = self._rows(watch)
            if len(rows) == _MOST:
                self._lineage.doubt(
                    key[1], watch.find.strip('"/'), f"only the first {_MOST} sessions that were opened through it were looked at"
                )
            node = self._lineage.nodes[key]
            self._openings += [_Opening(row, watch, key) for row in rows if self._fits(row, watch, node)]

    def _rows(self, watch: Watch) -> list[dict[str, t.Any]]:
        database, until = self._lineage.database, watch.since + _PORTAL if watch.mode == "portal" else _EVER
        before = database.rows(_KNOWN, [watch.find, watch.since]) if watch.mode == "trust" else []
        service = f"{watch.service}." if watch.mode == "passed" else ""
        return database.rows(_FOUND, [watch.find, watch.since, until, service, [row["who"] for row in before], _MOST])

    @staticmethod
    def _fits(row: dict[str, t.Any], watch: Watch, node: Node) -> bool:
        """Beyond the text that was searched: the account of the role."""
        act = Act(row, node, REVIEW, 0)
        role = text(act.asked("roleArn"))
        if watch.mode == "trust":
            return role.count(":") >= 5 and role.split(":")[4] == node.account and role.rsplit("/", 1)[-1] == node.arn.rsplit("/", 1)[-1]
        if watch.mode == "portal":
            named = re.fullmatch(re.escape(watch.find[1:]) + "[0-9a-f]{16}", role.rsplit("/", 1)[-1])
            return role.count(":") >= 5 and role.split(":")[4] == watch.service and named is not None
        return True

    def _decide(self, wanted: str) -> bool:
        changed, left = False, []
        for opening in self._openings:
            verdict, sure = self._verdict(opening)
            if not verdict or verdict != wanted:
                if verdict:
                    left.append(opening)
                continue
            parent = self._lineage.nodes[opening.key]
            sources = parent.verdict if verdict == ROGUE and opening.watch.mode in ("made", "trust", "provider", "portal") else verdict
            act = Act(opening.row, parent, ROGUE if sources == verdict == ROGUE else REVIEW, parent.confidence * sure // 100)
            opener = opened_aws.OPENERS.get((opening.row["service"], opening.row["operation"]))
            for node in opener(act) if opener else ():
                if self._lineage.nodes.get(node.key) is None or wanted == ROGUE:
                    changed = self._lineage.add(node) or changed
            if wanted == ROGUE and opening.row["actor_type"] != "AWSService":
                changed = self._lineage.claim(parent, str(opening.row["event_uid"])) or changed
        self._openings = left
        return changed

    def _verdict(self, opening: _Opening) -> tuple[str, int]:
        """(verdict, how sure in percent); "" for what is nobody's business."""
        row, watch, lineage = opening.row, opening.watch, self._lineage
        stranger = row["actor_type"] in _STRANGERS or (row["actor_account"] or row["account"]) not in lineage.estate
        service = row["actor_type"] == "AWSService" or (row["invoked_by"] or "").endswith(".amazonaws.com")
        if watch.mode == "provider":
            return ROGUE, 95
        if watch.mode == "made":
            return (ROGUE, 90) if stranger or service else (REVIEW, 40)
        if watch.mode == "portal":
            name = text(Act(row, lineage.nodes[opening.key], REVIEW, 0).answered("assumedRoleUser", "arn")).rsplit("/", 1)[-1]
            if not watch.named:  # newer events do not name the person
                alone = sum(other.watch == watch for other in self._openings) == 1
                return (ROGUE, 75) if alone else (REVIEW, 50)
            return (ROGUE, 90) if name.lower() == watch.named.lower() else ("", 0)
        if watch.mode == "passed":
            if not service or not (row["invoked_by"] or row["src_ip"] or "").startswith(f"{watch.service}."):
                return "", 0
            named = watch.named and watch.named in text(Act(row, lineage.nodes[opening.key], REVIEW, 0).asked("roleSessionName"))
            return (ROGUE, 85) if named and self._parent_act_rogue(opening) else (REVIEW, 50)
        return self._trust(opening, stranger, service)

    def _trust(self, opening: _Opening, stranger: bool, service: bool) -> tuple[str, int]:
        row, watch = opening.row, opening.watch
        account = row["actor_account"] or ""
        if row["actor_type"] in _STRANGERS:
            return ROGUE, 75
        if stranger and any(one == "*" or one == account or f"::{account}:" in one for one in watch.admitted):
            return ROGUE, 90
        if stranger or service or any(one == "*" or (account and account in one) for one in watch.admitted):
            return REVIEW, 40
        return "", 0

    def _parent_act_rogue(self, opening: _Opening) -> bool:
        parent = self._lineage.nodes[opening.key].parent
        return any(node.id == parent and node.verdict == ROGUE for node in self._lineage.nodes.values())

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a network is: the owner's (declared, or used before the incident), or somebody else's. An address alone makes nobody rogue."""

from __future__ import annotations

import datetime as dt
import ipaddress
import typing as t
from collections.abc import Iterable, Mapping

from ..events.database import Database
from .model import REVIEW, ROGUE, Match

Verdict = tuple[str, int, bool]  # (verdict, percent of the node's confidence, whether what it opened is followed)
THEIRS: Verdict = (ROGUE, 100, True)
NEAR: Verdict = (REVIEW, 50, True)  # beside a network of the owner
OWNERS: Verdict = (REVIEW, 20, False)
NOBODYS: Verdict = ("none", 0, False)
_ESTABLISHED = dt.timedelta(hours=24)
_WHO = "SELECT DISTINCT actor_type, actor_arn, issuer_arn FROM events WHERE credential_uid = ? LIMIT 20"
_BEFORE = {
    "credential": "SELECT DISTINCT src_ip FROM events WHERE credential_uid = ? AND time < ?",
    "actor": "SELECT DISTINCT src_ip FROM events WHERE actor_arn = ? AND time < ?",
    "actor_id": "SELECT DISTINCT src_ip FROM events WHERE actor_id = ? AND time < ?",
    "issuer": "SELECT DISTINCT src_ip FROM events WHERE issuer_arn = ? AND time < ?",
    "issuer_id": "SELECT DISTINCT src_ip FROM events WHERE issuer_id = ? AND time < ?",
    "user_name": "SELECT DISTINCT src_ip FROM events WHERE actor_name = ? AND actor_type NOT IN ('AssumedRole', 'FederatedUser') AND time < ?",
    "session_name": "SELECT DISTINCT src_ip FROM events WHERE ends_with(actor_arn, concat('/', ?)) AND time < ?",
    "delegation": "SELECT DISTINCT src_ip FROM events WHERE list_contains(delegation, ?) AND time < ?",
}
# What a machine's credentials were used from first is the machine: they are handed to nobody else.
_MACHINE = {
    "credential": "SELECT arg_min(src_ip, time) AS ip FROM events WHERE credential_uid = ? AND regexp_matches(actor_arn, '/m?i-[0-9a-f]{8,17}$')",
    "actor": "SELECT arg_min(src_ip, time) AS ip FROM events WHERE actor_arn = ? AND regexp_matches(actor_arn, '/m?i-[0-9a-f]{8,17}$')",
    "session_name": "SELECT arg_min(src_ip, time) AS ip FROM events WHERE ends_with(actor_arn, concat('/', ?))"
                    " AND regexp_matches(actor_arn, '/m?i-[0-9a-f]{8,17}$')",
}  # fmt: skip
# Of an identity without a network of its own (hosted runners) a new address says nothing: there the program decides between theirs and doubt.
_ROAMING = 5  # networks before the incident
_AGENTS = """
SELECT DISTINCT e.src_ip, split_part(split_part(coalesce(e.user_agent, ''), ' ', 1), '/', 1) AS program, e.time < ? AS early FROM events e
WHERE (? = 'credential' AND e.credential_uid = ?) OR (? = 'actor' AND e.actor_arn = ?) OR (? = 'issuer' AND e.issuer_arn = ?)
"""
_SPANS = "SELECT src_ip, min(time) AS first, max(time) AS last FROM lineage_hits WHERE n = ? GROUP BY src_ip"


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None for what is no address: a service's name, "AWS Internal", something anonymised."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


class Networks:
    """``trusted``: CIDRs. ``start``: when the incident began, if that is known."""

    def __init__(self, database: Database, trusted: Iterable[str], start: dt.datetime | None) -> None:
        self._database, self._start = database, start
        self._trusted = [ipaddress.ip_network(cidr, strict=False) for cidr in trusted]
        self.attackers: dict[str, dt.datetime] = {}  # address: since when
        self.candidates: set[str] = set()  # addresses that are the attacker's unless somebody used them before
        self.owners: set[tuple[str, str]] = set()  # (handle, value): whose past was asked about beside that of a match itself
        self._asked: dict[tuple[str, str, dt.datetime], set[str]] = {}

    def trusted(self, text: str) -> bool:
        known = address(text)
        return known is not None and any(known in network for network in self._trusted)

    def verdicts(self, n: int, match: Match, seen: Mapping[str, dt.datetime]) -> dict[str, Verdict]:
        """What the calls of match ``n`` are, by the address that they came from."""
        if match.pick == "attacker":
            return {ip: THEIRS if ip in self.attackers else NOBODYS for ip in seen}
        if match.pick == "new":
            before = match.since is not None and self._used(match, match.since)
            return {ip: THEIRS if ip in self.attackers or not before else NEAR for ip in seen}
        if match.pick != "foreign":
            return {}
        known, hosts = self._known(n, match)
        judged = {ip: self._one(ip, known, hosts) for ip in seen}
        if len(hosts) >= _ROAMING:
            usual = self._usual(match)
            judged = {ip: NEAR if one == THEIRS and ip not in self.attackers and ip in usual else one for ip, one in judged.items()}
        return self._services(judged)

    def _one(self, ip: str, known: set[str], hosts: set[t.Any]) -> Verdict | None:
        parsed = address(ip)
        if parsed is None:
            return None
        if ip in self.attackers and ip not in known:
            return THEIRS
        if ip in known or self.trusted(ip):
            return OWNERS
        return NEAR if _around(parsed) in hosts else THEIRS

    @staticmethod
    def _services(judged: Mapping[str, Verdict | None]) -> dict[str, Verdict]:
        """What AWS did for the caller has no address: theirs where nobody else uses the credential, else in doubt."""
        shared = any(verdict in (OWNERS, NEAR) for verdict in judged.values())
        theirs = any(verdict == THEIRS for verdict in judged.values())
        doubt = NEAR if theirs else OWNERS
        return {ip: verdict or (doubt if shared else THEIRS) for ip, verdict in judged.items()}

    def _known(self, n: int, match: Match) -> tuple[set[str], set[t.Any]]:
        """The owner's addresses, and the networks around those that were used before."""
        start = min((moment for moment in (match.since, self._start) if moment), default=None)
        if start:
            before = self._used(match, start)
        else:
            before = self._established(n)
        if match.handle in _MACHINE:
            before = before | {row["ip"] for row in self._database.rows(_MACHINE[match.handle], [match.value]) if row["ip"]}
        before = before - set(self.attackers)  # what the attacker did meanwhile makes no network the owner's
        return before, {_around(parsed) for ip in before if (parsed := address(ip))}

    def _used(self, match: Match, start: dt.datetime) -> set[str]:
        """Where its identity worked before ``start``; asked once."""
        key = (match.handle, match.value, start)
        if key not in self._asked:
            self._asked[key] = self._ask(match, start)
        return self._asked[key]

    def _usual(self, match: Match) -> set[str]:
        """Addresses from which only programs came that its identity used before."""
        start, handle, value = match.since or self._start, match.handle, match.value
        if not start or handle not in ("credential", "actor", "issuer"):
            return set()
        rows = self._database.rows(
            _AGENTS, [start, *(part for one in ("credential", "actor", "issuer") for part in (handle, value if handle == one else ""))]
        )
        before = {row["program"] for row in rows if row["early"]}
        new = {row["src_ip"] for row in rows if not row["early"] and row["program"] not in before}
        return {row["src_ip"] for row in rows if not row["early"]} - new

    def _ask(self, match: Match, start: dt.datetime) -> set[str]:
        asked = [(match.handle, match.value)]
        if match.handle == "credential":
            for row in self._database.rows(_WHO, [match.value]):
                if row["issuer_arn"]:
                    asked.append(("issuer", row["issuer_arn"]))
                elif row["actor_arn"]:
                    asked.append(("actor", row["actor_arn"]))
            self.owners |= set(asked[1:])
        found: set[str] = set()
        for handle, value in dict.fromkeys(asked):
            found |= {row["src_ip"] for row in self._database.rows(_BEFORE[handle], [value, start]) if row["src_ip"]}
        return found

    def _established(self, n: int) -> set[str]:
        """Nobody knows when it began: what was in use for a day before the newest address came is the owner's."""
        spans = [row for row in self._database.rows(_SPANS, [n]) if address(row["src_ip"])]
        newest = max((row["first"] for row in spans), default=None)
        return {r["src_ip"] for r in spans if newest and newest - r["first"] >= _ESTABLISHED and r["last"] - r["first"] >= _ESTABLISHED}


def _around(parsed: ipaddress.IPv4Address | ipaddress.IPv6Address) -> t.Any:
    return ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False)

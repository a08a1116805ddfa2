# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the attacker's addresses tell: credentials used from there that no call opened.

In doubt, except a machine's own credentials, which have no business elsewhere.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import typing as t

from ..events.columns import Columns
from .model import EXACT, NARROW, REVIEW, ROGUE, SKEW, Match, Node
from .networks import address

if t.TYPE_CHECKING:
    from .lineage import Lineage

_ADDRESSES: Columns = (("src_ip", "VARCHAR"), ("since", "TIMESTAMP"))
# ``place``: whether its addresses are the attacker's own. What the attacker's machine or function in the cloud has is the cloud's, or the owner's gateway.
_NODES: Columns = (("n", "INTEGER"), ("rogue", "BOOLEAN"), ("place", "BOOLEAN"))
_FROM = """
SELECT h.src_ip, min(h.time) AS since FROM lineage_hits h JOIN lineage_of o ON o.n = h.n AND o.rogue AND o.place
LEFT JOIN lineage_seen s ON s.n = h.n AND s.src_ip = h.src_ip
WHERE coalesce(s.verdict, 'rogue') = 'rogue' GROUP BY h.src_ip
"""
# Somebody was there a day before the attacker: a network that many share tells nothing.
_USED_BEFORE = (
    "SELECT DISTINCT e.src_ip FROM events e JOIN lineage_addresses a ON e.src_ip = a.src_ip WHERE e.time < a.since - INTERVAL 1 DAY"
)
_OTHERS = """
SELECT e.cloud, coalesce(e.actor_account, e.account) AS account, e.actor_type, e.actor_arn, e.issuer_arn, e.credential_uid, e.src_ip,
  min(e.time) AS first, arg_min(e.event_uid, e.time) AS event, count(*) AS number
FROM events e JOIN lineage_addresses a ON e.src_ip = a.src_ip AND e.time >= a.since
WHERE e.status = 'success' AND coalesce(e.actor_type, '') <> 'AWSService' AND coalesce(e.actor_arn, e.credential_uid) IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM lineage_hits h LEFT JOIN lineage_seen s ON s.n = h.n AND s.src_ip = h.src_ip
                  WHERE h.event_uid = e.event_uid AND h.time = e.time AND coalesce(s.verdict, 'rogue') <> 'none')
GROUP BY ALL ORDER BY first, event LIMIT 1000
"""
_READS = """
SELECT DISTINCT h.event_uid, h.time, h.n FROM lineage_hits h JOIN lineage_of o ON o.n = h.n AND o.rogue
LEFT JOIN lineage_seen s ON s.n = h.n AND s.src_ip = h.src_ip
WHERE h.success AND coalesce(s.verdict, 'rogue') = 'rogue' AND list_contains(CAST(? AS VARCHAR[]), h.operation) ORDER BY h.time, h.n
"""
_MINTED = """
SELECT cloud, coalesce(actor_account, account) AS account, actor_arn, issuer_arn, credential_uid, src_ip, time AS first, event_uid AS event FROM events
WHERE operation IN ('AssumeRole', 'GetSessionToken', 'GetFederationToken') AND service = 'sts' AND status = 'success' AND time IS NOT NULL
  AND contains(response, ?) LIMIT 10
"""
_HANDED = """
SELECT coalesce(invoked_by, src_ip) AS service, event_uid AS event FROM events
WHERE operation = 'AssumeRole' AND service = 'sts' AND status = 'success' AND actor_type = 'AWSService' AND contains(response, ?) LIMIT 1
"""
SECRETS = [
    "GetSecretValue", "BatchGetSecretValue", "GetParameter", "GetParameters", "GetParametersByPath", "GetParameterHistory", "SecretGet",
    "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion", "AccessSecretVersion",
]  # fmt: skip
_NOWHERE = [
    ipaddress.ip_network(cidr)
    for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "fc00::/7", "fe80::/10", "::1/128")
]
CROWDED, SHARED = 3, 25  # identities that nobody ties to the attacker, on one of its addresses: less sure; nothing is concluded from it


def attackers(lineage: Lineage) -> dict[str, dt.datetime]:
    """{address: since when the attacker works from it}: not the owner's networks, not those that somebody used before."""
    nodes = [lineage.nodes[key] for key, _match in lineage.matches]
    lineage.database.table(
        "lineage_of", _NODES, ((n, x.verdict == ROGUE, not (x.kind == "compute" and x.whole)) for n, x in enumerate(nodes))
    )
    found = {
        row["src_ip"]: row["since"]
        for row in lineage.database.rows(_FROM)
        if (parsed := address(row["src_ip"]))
        and not any(parsed in network for network in _NOWHERE if network.version == parsed.version)
        and not lineage.networks.trusted(row["src_ip"])
    }
    lineage.networks.candidates |= set(found)
    lineage.database.table("lineage_addresses", _ADDRESSES, found.items())
    used = {row["src_ip"] for row in lineage.database.rows(_USED_BEFORE)}
    return {ip: since for ip, since in found.items() if ip not in used}


def look(lineage: Lineage) -> bool:
    """Whom else the attacker's addresses show. Whether anybody came."""
    if not lineage.networks.attackers:
        return False
    lineage.database.table("lineage_addresses", _ADDRESSES, lineage.networks.attackers.items())
    rows = [row for row in lineage.database.rows(_OTHERS) if not {row["actor_arn"], row["issuer_arn"]} & lineage.trusted]
    reads = lineage.database.rows(_READS, [SECRETS])
    crowd: dict[str, set[str]] = {}
    for row in rows:
        crowd.setdefault(row["src_ip"], set()).add(str(row["issuer_arn"] or row["actor_arn"] or row["credential_uid"]))
    changed = False
    for row in rows:
        others = len(crowd[row["src_ip"]])
        if others > SHARED:
            lineage.doubt(
                "", row["src_ip"], f"is an address of the attacker that {others} other identities share: none of them was looked at"
            )
            continue
        node = _node(lineage, row, reads, others >= CROWDED)
        if node.key not in lineage.nodes and node.verdict == REVIEW and row["actor_type"] == "AssumedRole" and others < CROWDED:
            _of_a_service(lineage, node)
        if node.key in lineage.nodes:
            why = "is used from an address of the attacker outside the time in which it is followed: does the incident's window end too early?"
            lineage.doubt(node.id, row["event"], why, row["first"])
        else:
            changed = lineage.add(node) or changed
    return changed


def _of_a_service(lineage: Lineage, node: Node) -> None:
    """Credentials that AWS handed to a function or a task, and that turn up at the attacker's."""
    for row in lineage.database.rows(_HANDED, [node.id]) if node.id.startswith("ASIA") and node.key not in lineage.looked else ():
        node.verdict, node.confidence, node.via = ROGUE, 85, f"credentials of {row['service']} used elsewhere"
        node.evidence = [row["event"], *node.evidence]
    lineage.looked.add(node.key)


def upward(lineage: Lineage) -> bool:
    """Who opened a session that was reported: a credential that did so from the attacker's address is in the same hands."""
    changed = False
    seeds = [
        node for node in lineage.nodes.values() if node.via == "suspect" and node.id.startswith("ASIA") and node.key not in lineage.looked
    ]
    for node in seeds if lineage.networks.attackers else ():
        lineage.looked.add(node.key)
        for row in lineage.database.rows(_MINTED, [node.id]):
            arn, credential = row["actor_arn"] or "", row["credential_uid"] or ""
            if row["src_ip"] not in lineage.networks.attackers or not credential or {arn, row["issuer_arn"]} & lineage.trusted:
                continue
            match = Match("credential", credential, EXACT, "foreign", since=lineage.start)
            found = Node(_kind(row), credential, arn, row["cloud"], row["account"] or "", row["first"], ROGUE, 85, None, f"opened {node.id}", "",
                         [row["event"]], (match,))  # fmt: skip
            changed = lineage.add(found) or changed
    return changed


def _node(lineage: Lineage, row: dict[str, t.Any], reads: list[dict[str, t.Any]], crowded: bool) -> Node:
    arn, credential = row["actor_arn"] or "", row["credential_uid"] or ""
    machine = row["actor_type"] == "AssumedRole" and arn.rsplit("/", 1)[-1].startswith(("i-", "mi-")) and not crowded
    read = next((r for r in reversed(reads) if r["time"] <= row["first"] + SKEW), None)
    evidence, parent, via = [row["event"]], "", "used from an address of the attacker"
    sure = 40 if crowded else 50
    if read:
        evidence, parent, via = [read["event_uid"], *evidence], lineage.matches[read["n"]][0][1], "a secret was read before its first use"
        sure = 40 if crowded else 70
    if machine:
        via, sure = "a machine's credentials used elsewhere", 85
    match = Match("credential", credential, EXACT, "attacker") if credential else Match("actor", arn, NARROW, "attacker")
    return Node(_kind(row), credential or arn, arn, row["cloud"] or "", row["account"] or "", row["first"], ROGUE if machine else REVIEW, sure, None, via,
                parent, evidence, (match,))  # fmt: skip


def _kind(row: dict[str, t.Any]) -> str:
    credential = row["credential_uid"] or ""
    if credential.startswith("AKIA"):
        return "access_key"
    if row["cloud"] == "gcp":
        return "service_account_key" if credential else "service_account" if row["actor_type"] == "service_account" else "user"
    if row["cloud"] == "azure":
        return "app_credential" if credential else "user" if row["actor_type"] == "user" else "app"
    return "session"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Out of the analysis, the items of the plan: whom to contain, which sessions to revoke, what to fence, to evict and to rotate, each with its evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .. import resources
from ..events.database import Database
from ..response_plan import EVIDENCE, Item, item
from .changes import Changes, Row

_SESSIONS = ("session", "federated_user")
_PRINCIPALS = ("user", "role", "access_key", "service_account", "service_account_key", "app", "service_principal", "root",
               "identity_center_user", "service_specific_credential")  # fmt: skip
_SECRET_KINDS = ("secret", "parameter", "password", "token", "user data")
# What is undone by other verbs, or cannot be: sessions end by revocation, and what is gone is restored, not evicted.
_NOT_EVICTED = ("AWS-06", "AWS-07", "AWS-08", "AWS-28", "AWS-41", "AWS-83", "AWS-91", "AWS-92")
_OF_A_ROLE = re.compile(r"arn:aws[\w-]*:sts::[0-9]{12}:assumed-role/[^/]+/[^/]+")
_BUCKET = re.compile(r"(arn:aws[\w-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/.*)?", re.DOTALL)
# A suspect has no call that opened it: the first ones that it made show that it was used.
_TAINTED = """
SELECT t.kind, t.id, t.arn, t.cloud, t.account, t.verdict, t.confidence, t.whole, t.via,
  CASE WHEN len(t.evidence) > 0 THEN t.evidence ELSE a.used END AS evidence
FROM tainted t LEFT JOIN (
  SELECT tainted_id, list_slice(list(event_uid ORDER BY time, event_uid), 1, 5) AS used FROM acts GROUP BY tainted_id) a ON a.tainted_id = t.id
ORDER BY t.since NULLS FIRST, t.kind, t.id
"""
_MADE = ("CreateAccessKey", "CreateServiceAccountKey")  # a key that the attacker made goes, and nothing takes its place


def items(database: Database, changes: Changes) -> list[Item]:
    """The items, most certain first within their kind. The same object is one item: the surest verdict counts, evidence is joined."""
    found: dict[str, Item] = {}
    for row in database.rows(_TAINTED):
        _take(found, _identity(row))
    for row in changes.read:
        if row["kind"] in _SECRET_KINDS:
            _take(found, _about("rotate", row, row["object"]))
        _take(found, _fence(row))
    for row in changes.changed:
        if row["technique"] and row["technique"] not in _NOT_EVICTED:
            _take(found, _about("evict", row, row["object"], row["technique"]))
        _take(found, _fence(row))
    order = ("principal", "session", "resource", "evict", "rotate")
    return sorted(found.values(), key=lambda i: (order.index(i["kind"]), i["verdict"] != "rogue", -i["confidence"], i["object"]))


def _identity(row: Row) -> Iterable[Item]:
    """Of a credential of somebody else's that credential, of an identity that is the attacker's all of it."""
    kind = "session" if row["kind"] in _SESSIONS else "principal" if row["kind"] in _PRINCIPALS else ""
    what = row["arn"] if row["whole"] and str(row["arn"] or "").startswith("arn:") else row["id"] or row["arn"]
    if kind == "session" and (_OF_A_ROLE.fullmatch(row["arn"] or "") or str(what).startswith(f"{row['arn']}@")):
        what = row["arn"]  # what can be cut: of a role it is a session's name, never a key; and a key that made no call leads nowhere
    if kind and what:
        yield item(
            kind,
            row["cloud"],
            row["account"] or "",
            str(what),
            verdict=row["verdict"],
            confidence=row["confidence"] or 0,
            evidence=row["evidence"] or (),
        )
    if row["kind"] in ("access_key", "service_account_key") and row["id"] and not row["whole"] and not str(row["via"]).endswith(_MADE):
        yield item("rotate", row["cloud"], row["account"] or "", str(row["id"]), verdict=row["verdict"], confidence=row["confidence"] or 0,
                   evidence=row["evidence"] or ())  # fmt: skip


def _about(kind: str, row: Row, what: str, technique: str = "") -> Iterable[Item]:
    yield item(kind, row["cloud"], row["account"], what, verdict=row["verdict"], confidence=row["confidence"], evidence=row["evidence"],
               technique=technique, region=_region(row, what))  # fmt: skip


def _region(row: Row, what: str) -> str:
    """An ARN says it itself; from where it was called first may change with more of the log, and an item's id, with what people decided of it, must not."""
    return what.split(":", 4)[3] if what.startswith("arn:") and what.count(":") > 4 else row["region"]


def _fence(row: Row) -> Iterable[Item]:
    """What was touched and can be fenced: a bucket for its objects."""
    found = _BUCKET.fullmatch(row["object"])
    what = found[1] if found else row["object"]
    if resources.parse(what):
        yield item(
            "resource",
            row["cloud"],
            row["account"],
            what,
            verdict=row["verdict"],
            confidence=row["confidence"],
            evidence=row["evidence"],
            region=_region(row, what),
        )


def _take(found: dict[str, Item], more: Iterable[Item]) -> None:
    for one in more:
        known = found.setdefault(one["id"], one)
        if known is one:
            continue
        surer = (one["verdict"] == "rogue", one["confidence"]) > (known["verdict"] == "rogue", known["confidence"])
        evidence = list(dict.fromkeys([*known["evidence"], *one["evidence"]]))[:EVIDENCE]
        found[one["id"]] = {**(one if surer else known), "evidence": evidence, "technique": known["technique"] or one["technique"]}

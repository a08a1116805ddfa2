"""The drill's phase `investigate`: the log of all that happened, as CloudTrail would deliver it, and what the analysis makes of it.

The records are those of the proxy in front of the bed: of the attacker, of the response, of bystanders and dependents alike.
"""

from __future__ import annotations

import gzip
import json
import pathlib
from collections.abc import Iterable
from typing import Any

from tests.drill.intruder import BACK_DOOR, Intruder


def deliver(events: Iterable[dict[str, Any]], folder: pathlib.Path) -> int:
    """A file for each account and region, as a trail writes them; how many events."""
    files: dict[tuple[str, str], list[dict[str, Any]]] = {}
    count = 0
    for event in events:
        files.setdefault((str(event.get("recipientAccountId")), str(event.get("awsRegion"))), []).append(event)
        count += 1
    for (account, region), records in files.items():
        path = folder / "AWSLogs" / account / "CloudTrail" / region / f"{account}_CloudTrail_{region}.json.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(json.dumps({"Records": records}).encode(), mtime=0))
    return count


def expected(attacker: Intruder, key: str) -> set[str]:
    """Ids of every credential that the attacker held and used, and the user that it made."""
    return {key, *(credentials.access_key for _kind, credentials in attacker.credentials), BACK_DOOR}


def judged(report: dict[str, Any], wanted: set[str], seen: set[str]) -> dict[str, Any]:
    """{principals_found, principals_expected, false_principals}. ``seen``: the ids that the log knows; what left no record cannot be found."""
    rogue = [row for row in report["lineage"] if row["verdict"] == "rogue" and row["kind"] != "compute"]
    named = {_name(row) for row in rogue}
    expected_here = {one for one in wanted if one in seen or one == BACK_DOOR}
    return {
        "principals_found": len(named & expected_here),
        "principals_expected": len(expected_here),
        "false_principals": sorted(named - wanted),
        "missing": sorted(expected_here - named),
    }


def _name(row: dict[str, Any]) -> str:
    """The id of a credential; of a user its name."""
    return str(row["arn"]).rpartition("/")[2] if row["kind"] == "user" else str(row["id"])


def seen_in(events: Iterable[dict[str, Any]]) -> set[str]:
    """Every access key id that a call was made with, or that a call made."""
    found = set()
    for event in events:
        answer = event.get("responseElements") or {}
        found.add(str((event.get("userIdentity") or {}).get("accessKeyId")))
        for name in ("credentials", "accessKey"):
            found.add(str((answer.get(name) or {}).get("accessKeyId")))
    return found - {"None"}

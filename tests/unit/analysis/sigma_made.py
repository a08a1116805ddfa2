# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events as the clouds write them, put into ``events`` by the collection's own formats, and Sigma rules made for tests."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import sigma, taint
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis.sigma import fields, reading, rules, statement
from ansible_collections.evict.cloud.plugins.module_utils.common.events import formats
from ansible_collections.evict.cloud.plugins.module_utils.common.events.database import Database

Record = dict[str, t.Any]
OF = {source: dict(zip(("product", "service"), about, strict=True)) for about, source in reading.LOGS.items() if about[1]}


def call(uid: str, name: str = "ListBuckets", **more: t.Any) -> Record:
    """A record of CloudTrail by the user ci. ``source``: the service."""
    service = more.pop("source", "s3")
    who = {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ci", "principalId": "AIDAEXAMPLE", "accountId": "111122223333"}
    return {
        "eventVersion": "1.11", "eventID": uid, "eventTime": "2026-11-20T10:00:00Z", "eventSource": f"{service}.amazonaws.com", "eventName": name,
        "awsRegion": "eu-west-1", "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2.31.0", "recipientAccountId": "111122223333",
        "userIdentity": who, "requestParameters": None, "responseElements": None, **more,
    }  # fmt: skip


@contextmanager
def logged(records: Iterable[Record], source: str = "cloudtrail") -> Iterator[Database]:
    """A database whose ``events`` are these records, read as the loader reads them; ``acts`` is empty."""
    with Database.memory(threads=1) as made:
        made.table("read", (("e", "JSON"),), ([json.dumps(record)] for record in records))
        made.run(f"CREATE TABLE events AS {formats.FORMATS[source].select('read')}")
        made.table("tainted", taint.TAINTED, ())
        made.run("CREATE TABLE acts AS SELECT *, '' AS tainted_id, 0 AS confidence, '' AS verdict FROM events WHERE false")
        yield made


def rule(detection: t.Any, source: str = "cloudtrail", **more: t.Any) -> Record:
    """A document. Without a condition, ``detection`` is its only selection."""
    whole = detection if isinstance(detection, dict) and "condition" in detection else {"selection": detection, "condition": "selection"}
    return {"title": "A rule", "logsource": OF[source], "detection": whole, **more}


def asked(database: Database, detection: t.Any, source: str = "cloudtrail", *, narrow: bool = False) -> set[str]:
    """The ids of events that fit. ``narrow``: those that columns alone do not rule out."""
    read = reading.one(rule(detection, source), "test.yml")
    assert isinstance(read, rules.Rule), read
    names = sorted(rules.fields(read.asks))
    places = fields.columns(database, source, names, seconds=60)
    rest = [name for name in names if name not in places]
    made = statement.Statement({**places, **fields.locate(database, source, rest, lambda _column: ("true", []), seconds=60)[0]})
    condition = made.first(read.asks) if narrow else made.whole(read.asks)
    rows = database.rows(*made.finish(f"SELECT e.event_uid FROM events e WHERE {condition}"))  # noqa: S608 - the collection's own words
    return {str(row["event_uid"]) for row in rows}


def files(folder: Path, **named: t.Any) -> str:
    """Rules in a folder: {name: a document, several, or the text itself}."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, given in named.items():
        text = (
            given
            if isinstance(given, (str, bytes))
            else "\n---\n".join(json.dumps(one) for one in (given if isinstance(given, list) else [given]))
        )
        (folder / f"{name}.yml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(folder)


def find(database: Database, folder: str) -> sigma.Answer:
    return sigma.find(database, [folder], None, None)

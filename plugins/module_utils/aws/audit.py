# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``aws_audit_event_info``: CloudTrail into a case, from the event history, a trail's bucket, or a folder."""

from __future__ import annotations

import datetime
import re
import typing as t

from ..common.errors import InvalidInput
from ..common.events import collect
from ..common.events.collect import Collection
from ..common.warehouse import run as warehouse
from ..common.warehouse.engine import Query
from . import accounts, athena, entry, session
from .audit_files import Bucket
from .audit_history import History

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    **session.ARGUMENTS,
    **collect.ARGUMENTS,
    "bucket": {"type": "str"},
    "bucket_account": {"type": "str"},
    "history": {"type": "bool"},
    "accounts": {"type": "list", "elements": "str"},
    "regions": {"type": "list", "elements": "str"},
    "start": {"type": "str"},
    "end": {"type": "str"},
    "seconds": {"type": "int", "default": 900},
    "threads": {"type": "int", "default": 16},
    **warehouse.ARGUMENTS,
    "athena": {"type": "dict", "options": athena.ARGUMENTS},
}
_PLACES = ("folder", "bucket", "athena")
_ACCOUNT, _REGION = re.compile(r"\d{12}"), re.compile(r"[a-z0-9-]{1,40}")  # they stand in the SQL


def read(collection: Collection) -> None:
    """What the options name; the event history when they name nothing else."""
    params, incident = collection.params, collection.case.incident
    if params["folder"]:
        collection.folder()
    history = params["history"] if params["history"] is not None else not any(params[name] for name in _PLACES)
    if not (history or params["bucket"] or params["athena"]):
        return
    aws = entry.connect(params, incident.connection.get("aws"), incident=incident.id)
    collection.case.ledger.caller = aws.caller["arn"]
    start, end = collect.window(collection)
    regions = list(params["regions"] or [])
    if params["bucket"]:
        latest = end or aws.now().replace(tzinfo=None)
        Bucket(aws, collection, params["bucket"], params["bucket_account"] or "").read(
            list(params["accounts"] or []), regions, start, latest
        )
    if history:
        wanted, untold = list(params["accounts"] or []), None
        if not wanted:
            wanted, untold = accounts.concerned(aws, incident, collection.case.ledger.state.notes)
        History(aws, collection, start=start, end=end, seconds=params["seconds"], threads=params["threads"]).read(wanted, regions, untold)
    if params["athena"]:
        _select(aws, collection, start, end)
    collection.calls = aws.calls


def _select(aws: session.Aws, collection: Collection, start: datetime.datetime | None, end: datetime.datetime | None) -> None:
    """From a table in Athena: what the lineage needs, and no more."""
    params, now = collection.params, aws.now().replace(tzinfo=None, microsecond=0)
    span = warehouse.span(start, end, now, params["baseline"])
    engine = athena.Athena(aws, params["athena"])
    estate = engine.table.accounts(Query("", (), span.since, span.until))
    wanted, regions = list(params["accounts"] or []), list(params["regions"] or [])
    odd = [(path, f"{one!r:.60}: {why}") for path, given, form, why in (("accounts", wanted, _ACCOUNT, "not an account id"),
           ("regions", regions, _REGION, "not a region")) for one in given if not form.fullmatch(str(one))]  # fmt: skip
    if odd:
        raise InvalidInput("the options were refused", odd)
    narrowed = bool(wanted or regions)
    if not wanted and engine.table.injected("account"):
        wanted = estate  # of such a column the SQL has to say which
    layouts = [engine.table.layout()]
    warehouse.select(
        collection, engine, layouts, span, start=start, now=now, accounts=wanted, regions=regions, estate=estate,
        narrowed=narrowed,
    )  # fmt: skip

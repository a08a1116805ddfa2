# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``aws_audit_event_info``: CloudTrail into a case, from the event history, a trail's bucket, or a folder."""

from __future__ import annotations

import datetime
import typing as t

from ..common.events import collect
from ..common.events.collect import Collection
from . import accounts, entry, session
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
}


def read(collection: Collection) -> None:
    """What the options name; the event history when they name nothing else."""
    params, incident = collection.params, collection.case.incident
    if params["folder"]:
        collection.folder()
    history = params["history"] if params["history"] is not None else not (params["folder"] or params["bucket"])
    if not (history or params["bucket"]):
        return
    aws = entry.connect(params, incident.connection.get("aws"), incident=incident.id)
    collection.case.ledger.caller = aws.caller["arn"]
    start, end = _window(collection)
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
    collection.calls = aws.calls


def _window(collection: Collection) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """(start, end) of the options, else of the incident; naive UTC."""
    window, found = collection.case.incident.window, []
    for name, of_incident in (("start", window.start), ("end", window.end)):
        given = collection.params[name]
        found.append(
            collect.utc(given, name) if given else of_incident.astimezone(datetime.UTC).replace(tzinfo=None) if of_incident else None
        )
    return found[0], found[1]

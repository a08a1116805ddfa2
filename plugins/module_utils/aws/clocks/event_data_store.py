# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail Lake's event data stores that a suspect deleted or stopped (T1562.008): a deleted one is kept for 7 days."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..session import iso, parse
from .kind import Clock, Started, named, newest, stop, unread

KIND = "event_data_store"
NOUN = "event data stores"
EARLY = True
EVENTS = named("cloudtrail", "DeleteEventDataStore", "StopEventDataStoreIngestion")
LISTED: tuple[str, ...] = ()
READS: tuple[str, ...] = ("cloudtrail:GetEventDataStore",)
_PENDING, _IDLE = "PENDING_DELETION", "STOPPED_INGESTION"
_KEPT = datetime.timedelta(days=7)
_GONE = ("EventDataStoreNotFoundException",)


def _get(target: Target, name: str) -> Call:
    return Call(target, "cloudtrail", "GetEventDataStore", {"EventDataStore": name})


def found(target: Target, started: Iterable[Started], reader: Reader) -> Iterator[Clock]:
    """Stores that wait for their deletion, or take nothing in."""
    mine = [one for one in started if one.principal]
    for name, one in newest(mine, lambda s: s.asked("eventDataStore"), "DeleteEventDataStore", "StopEventDataStoreIngestion").items():
        text, what = f"event data store {name} in {target.region}", f"{one.event.get('eventName')} by {one.by} at {one.at}"
        try:
            seen = reader.get(_get(target, name))
        except CloudError as error:
            if error.code in _GONE:
                yield Clock(target, name, one.principal, text, what, state="failed", why="it is gone")
            else:
                yield unread(target, name, one, text, what, error)
            continue
        status = str(seen.get("Status"))
        if status in (_PENDING, _IDLE):
            due = iso(parse(one.at) + _KEPT) if status == _PENDING else ""
            remedy = "restore it by hand" if due else "start its ingestion by hand"
            yield Clock(
                target,
                f"{name}/{status}",
                one.principal,
                text,
                what,
                due,
                remedy=remedy,
                data={"name": name, "status": status, "arn": str(seen["EventDataStoreArn"]), "since": one.at},
            )
        else:
            yield Clock(target, name, one.principal, text, what, state="stopped", why=f"it is {status}", data={"since": one.at})


def steps(clock: Clock) -> Iterator[Step]:
    """Restored, or started. Whether a restored one takes events in again shows the next run."""
    name, status = {"EventDataStore": clock.data["name"]}, clock.data["status"]
    do = Call(clock.target, "cloudtrail", "RestoreEventDataStore" if status == _PENDING else "StartEventDataStoreIngestion", name)
    probe = Probe(_get(clock.target, clock.data["name"]), ([{"Status": status}], "EventDataStoreArn"))
    yield stop(
        clock, KIND, [do], probe, [clock.data["arn"]], [], "restore" if status == _PENDING else "start ingestion",
        irreversible="it is not deleted or stopped again: who wants that does it by hand",
    )  # fmt: skip

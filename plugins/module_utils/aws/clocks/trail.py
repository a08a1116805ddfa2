# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail trails that a suspect stopped, narrowed or deleted (T1562.008). Logging goes on; in what it was blind is said."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import Clock, Started, named, newest, stop, unread

KIND = "trail"
NOUN = "CloudTrail trails"
EARLY = True
EVENTS = named("cloudtrail", "StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors")
LISTED: tuple[str, ...] = ()
READS: tuple[str, ...] = ("cloudtrail:GetTrailStatus", "cloudtrail:GetTrail", "cloudtrail:GetEventSelectors", "cloudtrail:LookupEvents")
_GONE = ("TrailNotFoundException",)
_REACH = ("IsMultiRegionTrail", "IncludeGlobalServiceEvents", "LogFileValidationEnabled")  # as GetTrail says it
_SENT = {"LogFileValidationEnabled": "EnableLogFileValidation"}  # as UpdateTrail takes it
_PLACES = ("s3BucketName", "s3KeyPrefix", "kmsKeyId", "cloudWatchLogsLogGroupArn", "snsTopicName")
_HISTORY = "CloudTrail's own history keeps management events all the same; data events of that time are lost"
_DEFAULT = {"ReadWriteType": "All", "IncludeManagementEvents": True}
_OURS = "all management events (incident response)"
_MANAGEMENT = {"Name": _OURS, "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}


def _trail(one: Started) -> str:
    name = one.asked("name") or one.asked("trailName") or one.answered("trailARN")
    return name.rpartition(":trail/")[2] if ":trail/" in name else name


def found(target: Target, started: Iterable[Started], reader: Reader) -> Iterator[Clock]:
    """What became of the trails that the suspects laid hands on."""
    mine = [one for one in started if one.principal]
    for look, call in ((_stopped, "StopLogging"), (_deleted, "DeleteTrail"), (_narrowed, "UpdateTrail"), (_selected, "PutEventSelectors")):
        for name, one in newest(mine, _trail, call).items():
            try:
                yield from look(target, name, one, reader)
            except CloudError as error:
                if error.code not in _GONE:
                    yield unread(target, f"{name}/{call}", one, f"trail {name}", f"{call} by {one.by} at {one.at}", error)


def _stopped(target: Target, name: str, one: Started, reader: Reader) -> Iterator[Clock]:
    """``since``: it logged nothing from then on."""
    status = reader.get(Call(target, "cloudtrail", "GetTrailStatus", {"Name": name}))
    text, what, since = f"trail {name} in {target.region}", f"logging stopped by {one.by}", {"since": one.at, "of": "logging"}
    remedy = f"start it by hand, or have another trail made; until then watch CloudTrail's own history. {_HISTORY}"
    if not status.get("IsLogging"):
        yield Clock(target, f"{name}/logging", one.principal, text, what, why="", remedy=remedy, data={**since, "name": name})
        return
    data = {**since, "until": str(status.get("StartLoggingTime") or "")}
    yield Clock(target, f"{name}/logging", one.principal, text, what, state="stopped", why=_HISTORY, data=data)
    if broken := str(status.get("LatestDeliveryError") or ""):
        why = f"it logs, but nothing is delivered: {broken}. Look at its bucket, the bucket's policy and the key"
        yield Clock(target, f"{name}/delivery", one.principal, text, "delivery of its logs", why=why)


def _deleted(target: Target, name: str, one: Started, reader: Reader) -> Iterator[Clock]:
    text, what = f"trail {name} in {target.region}", f"deleted by {one.by} at {one.at}"
    try:
        reader.get(Call(target, "cloudtrail", "GetTrail", {"Name": name}))
    except CloudError as error:
        if error.code not in _GONE:
            raise
        made = _made(target, name, reader)
        how = f"it was made with {made}" if made else "the log does not say how it was set up"
        why = f"{how}: create it anew, to its old bucket, from your own description of it, and start it"
        yield Clock(target, f"{name}/deleted", one.principal, text, what, why=f"{why}. {_HISTORY}", data={"since": one.at})
        return
    yield Clock(
        target,
        f"{name}/deleted",
        one.principal,
        text,
        what,
        state="stopped",
        why="there is one of that name again: look whether it is yours",
    )


def _made(target: Target, name: str, reader: Reader) -> str:
    """What the trail was made with, if that is in the newest of the log: for a person, since it may have been changed later."""
    asked = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "CreateTrail"}], "MaxResults": 50}
    try:
        entries = reader.get(Call(target, "cloudtrail", "LookupEvents", asked)).get("Events", [])
    except CloudError:
        return ""
    for event in (json.loads(entry["CloudTrailEvent"]) for entry in entries):
        request = event.get("requestParameters") or {}
        if request.get("name") == name and not event.get("errorCode"):
            return ", ".join(f"{key} {value}" for key, value in sorted(request.items()) if key != "name" and isinstance(value, (str, bool)))
    return ""


def _narrowed(target: Target, name: str, one: Started, reader: Reader) -> Iterator[Clock]:
    """What was switched off is switched on. Where it delivers to is not put back: what it was before, the call does not say."""
    now = reader.get(Call(target, "cloudtrail", "GetTrail", {"Name": name})).get("Trail", {})
    text, what = f"trail {name} in {target.region}", f"changed by {one.by} at {one.at}"
    off = [field for field in _REACH if one.asked(_SENT.get(field, field)).lower() == "false" and now.get(field) is False]
    if off:
        wide = [*off, "IncludeGlobalServiceEvents"] if "IsMultiRegionTrail" in off else off  # AWS takes the one only with the other
        data = {"name": name, "off": sorted(off), "on": sorted(set(wide)), "of": "reach"}
        yield Clock(
            target,
            f"{name}/reach",
            one.principal,
            text,
            f"{what}: {', '.join(sorted(off))} off",
            remedy="switch it on by hand",
            at=one.at,
            data=data,
        )
    elif any(one.asked(_SENT.get(field, field)).lower() == "false" for field in _REACH):
        yield Clock(target, f"{name}/reach", one.principal, text, what, state="stopped", why="its reach is as it was")
    moved = [f"{place} {one.asked(place)}" for place in _PLACES if one.asked(place)]
    if moved:
        why = "it delivers where the suspect said: compare with what it should be, and set it by hand"
        yield Clock(target, f"{name}/place", one.principal, text, f"{what}: {', '.join(moved)}", why=why)


def _selected(target: Target, name: str, one: Started, reader: Reader) -> Iterator[Clock]:
    """Management events are logged again, as every trail does by default; which data events it had, the call does not say."""
    now = reader.get(Call(target, "cloudtrail", "GetEventSelectors", {"TrailName": name}))
    text, what = f"trail {name} in {target.region}", f"event selectors written by {one.by} at {one.at}"
    if logs_management(now):
        why = "management events are logged; compare its data events with what they should be"
        yield Clock(target, f"{name}/selectors", one.principal, text, what, state="stopped", why=why)
        return
    kept = {k: now[k] for k in ("EventSelectors", "AdvancedEventSelectors") if now.get(k)}
    data = {"name": name, "before": kept, "after": widened(kept), "of": "selectors"}
    yield Clock(
        target,
        f"{name}/selectors",
        one.principal,
        text,
        f"{what}: management events left out",
        remedy="set them by hand",
        at=one.at,
        data=data,
    )


def logs_management(selectors: Mapping[str, t.Any]) -> bool:
    """Whether all management events, read and write, of every service are logged."""
    for selector in selectors.get("EventSelectors") or ():
        all_of_them = selector.get("IncludeManagementEvents", True) and selector.get("ReadWriteType", "All") == "All"
        if all_of_them and not selector.get("ExcludeManagementEventSources"):
            return True
    for advanced in selectors.get("AdvancedEventSelectors") or ():
        fields = advanced.get("FieldSelectors", [])
        if len(fields) == 1 and fields[0].get("Field") == "eventCategory" and "Management" in (fields[0].get("Equals") or ()):
            return True
    return False


def widened(selectors: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The same, with all management events."""
    if advanced := selectors.get("AdvancedEventSelectors"):
        others = [a for a in advanced if not any("Management" in (f.get("Equals") or ()) for f in a.get("FieldSelectors", ()))]
        return {"AdvancedEventSelectors": [*others, _MANAGEMENT]}
    basic = list(selectors.get("EventSelectors") or [{}])
    return {"EventSelectors": [{**basic[0], **_DEFAULT, "ExcludeManagementEventSources": []}, *basic[1:]]}


def steps(clock: Clock) -> Iterator[Step]:
    """Started again; or as far as it reached; or with management events."""
    name, of, target = clock.data["name"], clock.data["of"], clock.target
    if of == "logging":
        probe = Probe(Call(target, "cloudtrail", "GetTrailStatus", {"Name": name}), ("IsLogging",))
        do = Call(target, "cloudtrail", "StartLogging", {"Name": name})
        yield stop(
            clock,
            KIND,
            [do],
            probe,
            False,
            True,
            "start logging",
            irreversible="logging is not stopped again: who wants that stops it by hand",
        )
    elif of == "reach":
        on = clock.data["on"]
        probe = Probe(Call(target, "cloudtrail", "GetTrail", {"Name": name}), ("Trail", [dict.fromkeys(on, True)], "Name"))

        def update(fields: Iterable[str], value: bool) -> Call:
            return Call(target, "cloudtrail", "UpdateTrail", {"Name": name, **{_SENT.get(f, f): value for f in fields}})

        yield stop(
            clock, KIND, [update(on, True)], probe, [], [name], f"switch {', '.join(on)} on", undo=[update(clock.data["off"], False)]
        )
    else:
        before, after = clock.data["before"], clock.data["after"]
        (box,) = after
        advanced = box == "AdvancedEventSelectors"
        wanted = {"Name": _OURS} if advanced else {**_DEFAULT, "ExcludeManagementEventSources": []}
        shown = "Name" if advanced else "ReadWriteType"
        probe = Probe(Call(target, "cloudtrail", "GetEventSelectors", {"TrailName": name}), (box, [wanted], shown))

        def put(selectors: Mapping[str, t.Any]) -> Call:
            return Call(target, "cloudtrail", "PutEventSelectors", {"TrailName": name, **selectors})

        yield stop(
            clock, KIND, [put(after)], probe, [], [wanted[shown]], "log management events", undo=[put(before)] if before else (),
            irreversible="" if before else "there is no way to say nothing at all",
        )  # fmt: skip

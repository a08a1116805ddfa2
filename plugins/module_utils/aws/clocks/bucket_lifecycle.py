# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S3 lifecycle rules that a suspect wrote (T1485, T1490): one of a day empties a bucket at midnight. They are suspended; those of others stay."""

from __future__ import annotations

import datetime
import json
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ...common.errors import CloudError
from ...common.plan import Call, Edit, Probe, Step, Target
from ...common.reader import Reader
from ..live.kind import field
from ..session import iso, parse
from .kind import CARRIED, Clock, Event, Started, in_order, named, stop, unread

KIND = "bucket_lifecycle"
NOUN = "lifecycle rules of buckets"
EARLY = True
_WRITES = ("PutBucketLifecycle", "PutBucketLifecycleConfiguration")
EVENTS = named("s3", *_WRITES)
LISTED: tuple[str, ...] = ()
READS: tuple[str, ...] = ("s3:GetBucketLifecycleConfiguration", "cloudtrail:LookupEvents")
_NONE = ("NoSuchLifecycleConfiguration", "NoSuchBucket")
_PAGES = 20  # of the history of one region
_LISTS = {
    "transitions": "transition",
    "noncurrentversiontransitions": "noncurrentversiontransition",
    "tags": "tag",
}  # S3's XML has no lists


def read(target: Target, bucket: str) -> Call:
    return Call(target, "s3", "GetBucketLifecycleConfiguration", {"Bucket": bucket, "ExpectedBucketOwner": target.account})


def found(target: Target, started: Iterable[Started], reader: Reader) -> Iterator[Clock]:
    """The rules of the suspects that are there now."""
    buckets: dict[str, list[Started]] = {}
    for one in in_order(started):
        if one.principal and one.asked("bucketName"):
            buckets.setdefault(one.asked("bucketName"), []).append(one)
    writes = _writes(target, reader) if buckets else []
    for bucket, mine in buckets.items():
        last = mine[-1]
        text, what = f"bucket {bucket}", f"lifecycle rules, written by {last.by}"
        try:
            rules = reader.get(read(target, bucket)).get("Rules", [])
        except CloudError as error:
            if error.code not in _NONE:
                yield unread(target, bucket, last, text, what, error)
            continue
        others = _of_others(writes, bucket, {str(m.event.get("eventID")) for m in mine})
        yield from _rules(target, bucket, mine, rules, others)


def _rules(target: Target, bucket: str, mine: list[Started], rules: list[dict[str, t.Any]], others: list[Event] | None) -> Iterator[Clock]:
    """What of the rules is the suspect's: first written by it, and not written by somebody else since."""
    last = mine[-1]
    partition = last.arn_of("s3", bucket).split(":")[1]
    shapes, known = _authors(mine, others or ())
    # A write replaces all rules. Where nothing is known from before the first of the suspects', what it held may have been there already.
    before = [e for e in others or () if str(e.get("eventTime")) <= mine[0].at]
    unsure = set() if before else {shape(rule) for rule in _written(mine[0].event)}
    since = [e for e in others or () if str(e.get("eventTime")) > last.at]
    written = [rule for one in mine for rule in _written(one.event)]
    names = {str(_get(rule, "ID")) for rule in written if _get(rule, "ID")}
    for rule in rules:
        name = str(rule.get("ID") or "")
        same = shape(rule) in shapes
        if shape(rule) in known or not (same or name in names or not written):
            continue
        carried = shape(rule) in unsure
        text, what = (
            f"bucket {bucket}, lifecycle rule {name}",
            f"{effect(rule)}, written {'or carried along ' if carried else ''}by {last.by}",
        )
        row = Clock(
            target,
            f"{bucket}/{name}",
            last.principal,
            text,
            what,
            data={"bucket": bucket, "rule": name, "arn": f"arn:{partition}:s3:::{bucket}", "carried": carried},
        )
        if rule.get("Status") != "Enabled":
            yield _with(row, state="stopped", why="suspended; delete it, or put the rule back that was there before it")
            continue
        due = deadline(rule, last.at)
        remedy = f"suspend the rule by hand before {due}, or deny s3:DeleteObject; with versioning on, what it expires can be had back"
        why = ""
        if not same and (since or others is None or not written):
            why = "somebody has written it since, or who did is not known: left alone"
        elif not name:
            why = "the rule has no id: suspend it by hand"
        yield _with(row, deadline=due, why=why, remedy=remedy, at=last.at)


def _authors(mine: Iterable[Started], others: Iterable[Event]) -> tuple[set[t.Any], set[t.Any]]:
    """What the suspects wrote first, and what was there of others: each write replaces all rules, and most of them carry on what they found.

    Of one second the others' comes first.
    """
    ours: set[t.Any] = set()
    known: set[t.Any] = set()
    writes = [(one.at, True, one.event) for one in mine] + [(str(e.get("eventTime")), False, e) for e in others]
    for _at, suspect, event in sorted(writes, key=lambda w: w[:2]):
        shapes = {shape(rule) for rule in _written(event)}
        if suspect:
            ours |= shapes - known
            known &= shapes
        else:
            known = shapes - ours
    return ours, known


def _with(clock: Clock, **more: t.Any) -> Clock:
    return Clock(**{**{name: getattr(clock, name) for name in clock.__dataclass_fields__}, **more})


def _writes(target: Target, reader: Reader) -> list[Event] | None:
    """Every write of a lifecycle in the region, the newest; None when the log cannot be read. One question for however many buckets."""
    asked: dict[str, t.Any] = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": _WRITES[0]}], "MaxResults": 50}
    writes = []
    try:
        for _page in range(_PAGES):
            answer = reader.get(Call(target, "cloudtrail", "LookupEvents", asked))
            writes += [json.loads(entry["CloudTrailEvent"]) for entry in answer.get("Events", [])]
            if not answer.get("NextToken"):
                break
            asked = {**asked, "NextToken": answer["NextToken"]}
        else:  # the oldest are not read: who wrote first is not known
            return None
    except CloudError:
        return None
    return [event for event in writes if not event.get("errorCode")]


def _of_others(writes: list[Event] | None, bucket: str, mine: set[str]) -> list[Event] | None:
    if writes is None:
        return None
    about = [e for e in writes if field(e, "requestParameters", "bucketName") == bucket]
    return [e for e in about if str(e.get("eventID")) not in mine]


def _get(place: t.Any, name: str) -> t.Any:
    items = place.items() if isinstance(place, Mapping) else ()
    return next((v for k, v in items if str(k).lower() == name.lower()), None)


def _written(event: Event) -> list[dict[str, t.Any]]:
    """The rules of one write, as CloudTrail has them: one alone is no list."""
    rules = _get(_get(event.get("requestParameters"), "LifecycleConfiguration"), "Rule")
    found = [rules] if isinstance(rules, Mapping) else rules if isinstance(rules, list) else []
    return [dict(rule) for rule in found if isinstance(rule, Mapping)]


def shape(rule: Mapping[str, t.Any]) -> frozenset[tuple[str, str]]:
    """What a rule says, whether CloudTrail or S3's API says it; without its status, and without what is empty."""
    return frozenset(_leaves("", {k: v for k, v in rule.items() if str(k).lower() != "status"}))


def _leaves(path: str, value: t.Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            name = str(key).lower()
            name = _LISTS.get(name, name)
            yield from _leaves(path if name in ("filter", "and") else f"{path}/{name}", inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(path, inner)
    elif value not in ("", None):
        text = str(value).lower()
        yield path, text[:10] if path.endswith("/date") else text


def effect(rule: Mapping[str, t.Any]) -> str:
    """What it does to objects, in words."""
    said = []
    expiration, old = rule.get("Expiration") or {}, rule.get("NoncurrentVersionExpiration") or {}
    prefix = (rule.get("Filter") or {}).get("Prefix") or rule.get("Prefix") or ((rule.get("Filter") or {}).get("And") or {}).get("Prefix")
    which = f"objects under {prefix}" if prefix else "all objects" if not (rule.get("Filter") or {}).keys() - {"Prefix"} else "objects"
    if "Days" in expiration:
        said.append(f"expires {which} of {expiration['Days']} day(s)")
    if "Date" in expiration:
        said.append(f"expires {which} on {expiration['Date']}")
    if "NoncurrentDays" in old:
        said.append(f"deletes noncurrent versions after {old['NoncurrentDays']} day(s)")
    said += [f"moves {which} to {one.get('StorageClass')}" for one in rule.get("Transitions") or ()]
    return " and ".join(said) or f"works on {which}"


def deadline(rule: Mapping[str, t.Any], written: str) -> str:
    """When it may first take something: S3 acts at midnight (UTC) on what is old enough by then, so at the first one after it was written."""
    if date := (rule.get("Expiration") or {}).get("Date"):
        return str(date)
    if not (rule.get("Expiration") or {}).get("Days") and not rule.get("NoncurrentVersionExpiration"):
        return ""
    moment = parse(written)
    return iso(moment.replace(hour=0, minute=0, second=0, microsecond=0) + datetime.timedelta(days=1))


def steps(clock: Clock) -> Iterator[Step]:
    """Its status alone is changed; other rules, and what others write in it, stay."""
    bucket, rule = clock.data["bucket"], clock.data["rule"]
    document = {"kind": "s3.lifecycle", "Bucket": bucket}
    probe = Probe(read(clock.target, bucket), ("Rules", {"ID": rule}, "Status"), _NONE)

    def edit(status: str) -> Edit:
        return Edit(clock.target, document, "set_rule_status", {"rule": rule, "status": status})

    yield stop(
        clock,
        KIND,
        [edit("Disabled")],
        probe,
        "Enabled",
        "Disabled",
        CARRIED if clock.data.get("carried") else "suspend the rule",
        undo=[edit("Enabled")],
    )

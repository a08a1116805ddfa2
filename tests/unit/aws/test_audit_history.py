"""The event history: what is asked, what counts as read, and what is a gap. Requests and answers are checked by AWS's own model."""

import datetime
import itertools
import json
import threading
import types

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import audit_files, audit_history
from ansible_collections.evict.cloud.plugins.module_utils.common.events import collect, formats, parts, spans
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store
from tests.unit.aws.modelled_cloud import ModelledCloud
from tests.unit.events.logs_made import cloudtrail

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
START = datetime.datetime(2026, 11, 22, 6)  # noqa: DTZ001 - the tables hold UTC without saying so
ACCOUNT = "111122223333"


class Cloud(ModelledCloud):
    """Events each minute since 06:00 in two regions; ``fail``: after how many pages LookupEvents fails in eu-west-1."""

    def __init__(self, fail=10**6):
        super().__init__(DescribeRegions={"Regions": [{"RegionName": "eu-west-1"}, {"RegionName": "us-east-1"}]})
        self.fail, self.pages, self.moment, self.lock = fail, 0, NOW, threading.Lock()

    def now(self):
        return self.moment

    def call(self, call, parameters=None):
        with self.lock:  # regions are read side by side
            self.answers["LookupEvents"] = lambda asked: self._events(asked, call.target.region)
            return super().call(call, parameters)

    def _events(self, asked, region):
        if region == "eu-west-1":
            self.pages += 1
            if self.pages > self.fail:
                return "AccessDenied"
        # Newest first, 50 a page, both ends included: as AWS does it.
        first, last = (datetime.datetime.fromisoformat(asked[name]).replace(tzinfo=None) for name in ("StartTime", "EndTime"))
        minutes = [m for m in range(int((self.moment.replace(tzinfo=None) - START).total_seconds() // 60), -1, -1)
                   if first <= START + datetime.timedelta(minutes=m) <= last]  # fmt: skip
        skip = int(asked.get("NextToken", "0"))
        page = minutes[skip : skip + 50]
        number = {"eu-west-1": 10_000, "us-east-1": 20_000}[region]
        events = [self._event(number + m, START + datetime.timedelta(minutes=m), region) for m in page]
        return {"Events": events} | ({"NextToken": str(skip + 50)} if skip + 50 < len(minutes) else {})

    def _event(self, number, at, region):
        record = cloudtrail(number, eventTime=f"{at:%Y-%m-%dT%H:%M:%SZ}", awsRegion=region)
        return {"EventId": record["eventID"], "EventTime": record["eventTime"], "CloudTrailEvent": json.dumps(record, indent=1)}


def _read(case, cloud, seconds=60, **more):
    stub = types.SimpleNamespace(
        store=open_store(str(case)), check=False, stopped=lambda: "", note=lambda *_: None, incident=types.SimpleNamespace(id="IR-1")
    )
    collection = collect.Collection(stub, {"memory": "1GB", "loading_threads": 1}, [formats.FORMATS["cloudtrail"]])
    options = {"start": START, "end": None, "seconds": seconds, "threads": 2} | more
    audit_history.History(cloud, collection, **options).read([ACCOUNT], [])
    return collection.result()


def _asked(cloud, region="eu-west-1"):
    return [
        (c.parameters["StartTime"], c.parameters["EndTime"])
        for c in cloud.asked("LookupEvents")
        if c.target.region == region and "NextToken" not in c.parameters
    ]


def test_only_what_was_not_read_is_asked(tmp_path):
    first = Cloud()
    told = _read(tmp_path, first)
    assert told["loaded"] == {"cloudtrail": 2 * 361} and told["duplicates"] == 0
    assert _asked(first) == [("2026-11-22T06:00:00Z", "2026-11-22T12:00:00Z")]
    assert [gap["why"] for gap in told["gaps"]] == ["the event history has management events only: no data events"]
    second = Cloud()
    second.moment += datetime.timedelta(minutes=30)
    told = _read(tmp_path, second)
    # What was there at noon may have been late.
    assert _asked(second) == [("2026-11-22T11:45:00Z", "2026-11-22T12:30:00Z")]
    assert told["loaded"] == {"cloudtrail": 2 * 30} and told["duplicates"] == 2 * 16
    earlier = Cloud()
    told = _read(tmp_path, earlier, start=START - datetime.timedelta(hours=2), end=START + datetime.timedelta(hours=1))
    assert _asked(earlier) == [("2026-11-22T04:00:00Z", "2026-11-22T06:00:00Z")]
    old = Cloud()
    told = _read(tmp_path, old, start=START - datetime.timedelta(days=200))
    assert any("90 days" in gap["why"] and gap["end"].startswith("2026-08-24") for gap in told["gaps"])


def test_what_time_cuts_off_is_a_gap_that_the_next_run_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_history, "_PAGES", 2)
    cloud = Cloud(fail=5)
    told = _read(tmp_path, cloud)
    (gap,) = [gap for gap in told["gaps"] if gap["region"]]
    assert gap["region"] == "eu-west-1" and "AccessDenied" in gap["why"] and gap["start"] == "2026-11-22T06:00:00Z"
    assert gap["end"] == "2026-11-22T07:51:01Z"  # five pages of fifty, newest first; of the oldest second there may be more
    assert told["loaded"] == {"cloudtrail": 361 + 250}
    with parts.open_case(open_store(str(tmp_path))) as database:
        assert database.rows('SELECT region, "end" FROM gaps WHERE region IS NOT NULL') == [
            {"region": "eu-west-1", "end": START + datetime.timedelta(minutes=111, seconds=1)}
        ]
    again = Cloud()
    told = _read(tmp_path, again)
    assert ("2026-11-22T06:00:00Z", "2026-11-22T07:51:01Z") in _asked(again) and not [gap for gap in told["gaps"] if gap["region"]]
    assert told["kept"]["cloudtrail"]["events"] == 2 * 361
    late = _read(tmp_path / "late", Cloud(), seconds=0)
    assert {gap["region"] for gap in late["gaps"] if gap["region"]} == {"eu-west-1", "us-east-1"} and late["loaded"] == {}


def test_an_older_span_that_was_read_closes_no_gap_of_a_newer_one(tmp_path):
    noon = START + datetime.timedelta(hours=2)
    _read(tmp_path, Cloud(), start=noon, end=noon + datetime.timedelta(hours=1))
    cloud, failing = Cloud(), iter([True])
    page = cloud._events
    cloud._events = lambda asked, region: "Throttled" if region == "eu-west-1" and next(failing, False) else page(asked, region)
    told = _read(tmp_path, cloud)  # newest first: what comes after the span that is known fails, what lies before it is read
    (gap,) = [gap for gap in told["gaps"] if gap["region"]]
    assert (
        (gap["start"], gap["end"]) == ("2026-11-22T09:00:00Z", "2026-11-22T12:00:00Z")
        and "Throttled" in gap["why"]
        and not told["complete"]
    )
    refused = Cloud(fail=0)
    refused.moment += datetime.timedelta(minutes=30)
    told = _read(tmp_path, refused)
    assert [(g["start"], g["end"]) for g in told["gaps"] if g["region"]] == [
        ("2026-11-22T09:00:00Z", "2026-11-22T12:30:00Z")
    ]  # one, not one a run
    assert not [gap for gap in _read(tmp_path, Cloud(), end=None)["gaps"] if gap["region"] and gap["start"] < "2026-11-22T12"]


@pytest.mark.parametrize(
    ("have", "left"),
    [([], [(0, 10)]), ([(0, 10)], []), ([(2, 4)], [(0, 2), (4, 10)]), ([(0, 4), (6, 20)], [(4, 6)]), ([(-5, -1), (10, 12)], [(0, 10)]), ([(3, 5), (4, 9)], [(0, 3), (9, 10)])],
)  # fmt: skip
def test_spans(have, left):
    def at(minute):
        return START + datetime.timedelta(minutes=minute)

    kept: list[list[str]] = []
    for start, end in have:
        kept = spans.joined(kept, (at(start), at(end)))
    assert all(a[1] < b[0] for a, b in itertools.pairwise(kept))
    assert spans.missing((at(0), at(10)), kept) == [(at(a), at(b)) for a, b in left]


def test_only_days_of_the_window_are_listed():
    days = audit_files._days("p/", START, START + datetime.timedelta(days=1))
    assert days == ["p/2026/11/22/", "p/2026/11/23/", "p/2026/11/24/"] and audit_files._days("p/", None, START) == ["p/"]


def test_a_bucket_in_which_nothing_of_a_trail_lies_is_a_gap_until_something_does(tmp_path):
    def listed(asked):
        inner = {
            "logs/AWSLogs/": f"logs/AWSLogs/{ACCOUNT}/",
            f"logs/AWSLogs/{ACCOUNT}/CloudTrail/": f"logs/AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/",
        }
        return {"CommonPrefixes": [{"Prefix": inner[asked["Prefix"]]}]} if asked["Prefix"] in inner else {}

    def read(url, accounts=(), answer=listed):
        stub = types.SimpleNamespace(
            store=open_store(str(tmp_path)),
            check=False,
            stopped=lambda: "",
            note=lambda *_: None,
            incident=types.SimpleNamespace(id="IR-1"),
        )
        collection = collect.Collection(stub, {"memory": "1GB", "loading_threads": 1}, [formats.FORMATS["cloudtrail"]])
        cloud = ModelledCloud(ListObjectsV2=answer)
        audit_files.Bucket(cloud, collection, url, "").read(list(accounts), [], START, START)
        return [(gap["account"], gap["object"]) for gap in collection.result()["gaps"]]

    assert read("s3://company-trail") == [(None, "CloudTrail of any account in s3://company-trail/AWSLogs/")]
    other = ("444455556666", "CloudTrail of 444455556666 in s3://company-trail/logs/AWSLogs/")
    assert other in read("s3://company-trail/logs", [ACCOUNT, "444455556666"])
    assert read("s3://company-trail/logs") == [other]  # the wrong prefix is forgotten
    refused = read("s3://company-trail/x", answer=lambda _asked: "AccessDenied")
    assert refused[-1] == (None, "s3://company-trail/x/AWSLogs/") and len(refused) == 2  # what could not be listed is not said to be empty

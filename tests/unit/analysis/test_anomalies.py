# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anomalies: what a principal had never done before, told only where there is a past to compare with, and never more than a reason to look."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import anomalies, taint
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis.anomalies import failures, first_seen, spikes
from ansible_collections.evict.cloud.plugins.module_utils.common.suspect import only
from tests.unit.analysis.events_made import EVIL, HOME, database, event, moment, user
from tests.unit.analysis.maxmind import write

KEY = "AKIAIOSFODNN7EXAMPLE"
CI: dict[str, Any] = user("ci", key=KEY)
ARN = CI["actor_arn"]
START = moment("10:00")


def find(*rows: Any, geo: tuple[str, ...] = ()) -> anomalies.Asked:
    with database(rows) as made:
        taint.trace(made, [only(KEY)], start=START)
        return anomalies.find(made, START, geo)


def past(hours: int = 30, **more: Any) -> list[Any]:
    """Its usual work: two calls an hour in the days before."""
    given = {"service": "s3", "operation": "ListBuckets", "src_ip": HOME, **more}
    return [event(**CI, **given, at=f"-{1 + h // 24} {h % 24:02}:{m:02}") for h in range(hours) for m in (5, 35)]


def test_what_is_new_for_a_principal_is_named_with_its_evidence_and_what_is_usual_is_not() -> None:
    theft = event(
        **CI,
        at="10:05",
        src_ip=EVIL,
        region="ap-southeast-1",
        service="iam",
        operation="ListUsers",
        user_agent="python-requests/2",
        event_uid="e-1",
    )
    usual = event(**CI, at="10:06", src_ip=HOME, service="s3", operation="ListBuckets")
    found = find(*past(), theft, usual)
    assert {f["note"].split(" for the first")[0] for f in found.findings} == {
        "network 203.0.113.0/24", "user agent python-requests", "region ap-southeast-1", "service iam",
    }  # fmt: skip
    assert all(
        f["object"] == ARN and f["evidence"] == ["e-1"] and f["verdict"] == "review" and f["rule"] == "first_seen" for f in found.findings
    )


def test_without_a_past_nothing_is_unusual_and_that_is_said() -> None:
    found = find(event(**CI, at="10:05", src_ip=EVIL))
    assert (
        found.findings == []
        and {"object": ARN, "why": "nothing of before the incident is in the logs: what is usual for it is not known"} in found.unknown
    )


def test_failures_and_then_success() -> None:
    denied = [event(**CI, at=f"10:{m:02}", src_ip=EVIL, service="iam", operation="CreateUser", error="AccessDenied") for m in range(6)]
    found = find(
        *past(service="iam", operation="GetUser"),
        *denied,
        event(**CI, at="10:10", src_ip=EVIL, service="iam", operation="CreateUser", event_uid="e-ok"),
    )
    said = [f for f in found.findings if f["rule"] == "failures_then_success"]
    assert [(f["note"], f["evidence"]) for f in said] == [("iam:CreateUser succeeded after 6 failures within an hour", ["e-ok"])]
    later = find(*past(service="iam"), *denied, event(**CI, at="14:00", src_ip=EVIL, service="iam", operation="CreateUser"))
    assert [f for f in later.findings if f["rule"] == "failures_then_success"] == []


def test_a_spike_against_its_own_busiest_hour() -> None:
    burst = [event(**CI, at=f"11:{n // 60:02}:{n % 60:02}", src_ip=EVIL, service="s3", operation="ListBuckets") for n in range(150)]
    assert [f["object"] for f in find(*past(), *burst).findings if f["rule"] == "spike"] == [ARN]
    busy = [event(**CI, at=f"-1 05:{n // 60:02}:{n % 60:02}", service="s3", operation="ListBuckets") for n in range(60)]
    assert [f for f in find(*past(), *busy, *burst).findings if f["rule"] == "spike"] == []
    assert [f for f in find(*past(hours=3), *burst).findings if f["rule"] == "spike"] == []  # too short a past


@pytest.fixture
def city(tmp_path: Path) -> str:
    """A MaxMind City file of three networks."""
    pytest.importorskip("maxminddb")
    path = tmp_path / "city.mmdb"
    places = {HOME: ("DE", 52.5, 13.4), EVIL: ("BR", -23.5, -46.6), "192.0.2.9": ("DE", 53.5, 10.0)}
    write(path, "Test-City", {
        ipaddress.ip_network(f"{ip}/32"): {"country": {"iso_code": c}, "location": {"latitude": a, "longitude": o}} for ip, (c, a, o) in places.items()
    })  # fmt: skip
    return str(path)


def test_a_country_and_a_speed_that_nobody_travels_at(city: str) -> None:
    rows = [
        *past(),
        event(**CI, at="10:05", src_ip=HOME),
        event(**CI, at="10:20", src_ip=EVIL, event_uid="e-far"),
        event(**CI, at="14:00", src_ip="192.0.2.9"),
    ]
    found = find(*rows, geo=(city,))
    assert "country BR for the first time" in {f["note"] for f in found.findings} and "country DE for the first time" not in {
        f["note"] for f in found.findings
    }
    travel = [f for f in found.findings if f["rule"] == "impossible_travel"]
    assert len(travel) == 2 and travel[0]["evidence"][1] == "e-far" and "within 15 minutes" in travel[0]["note"]
    near = [*past(), event(**CI, at="10:05", src_ip=HOME), event(**CI, at="10:20", src_ip="192.0.2.9")]
    assert [f for f in find(*near, geo=(city,)).findings if f["rule"] == "impossible_travel"] == []


def test_a_file_that_is_none_is_named_and_nothing_fails(tmp_path: Path) -> None:
    pytest.importorskip("maxminddb")
    (tmp_path / "x.mmdb").write_bytes(b"no")
    found = find(*past(), event(**CI, at="10:05", src_ip="AWS Internal"), geo=(str(tmp_path / "x.mmdb"), str(tmp_path / "gone.mmdb")))
    assert [u["object"] for u in found.unknown] == [str(tmp_path / "x.mmdb"), str(tmp_path / "gone.mmdb"), "impossible_travel"]


def test_a_file_that_is_damaged_further_in_is_said_and_nothing_fails(city: str) -> None:
    whole = bytearray(Path(city).read_bytes())
    data = whole.index(bytes(16)) + 16
    whole[data : data + 5] = b"\x38\xff\xff\xff\xff"  # a pointer to far behind the end
    for at in range(data + 5, whole.index(b"\xab\xcd\xef")):
        whole[at] = 0x38
    Path(city).write_bytes(whole)
    found = find(*past(), event(**CI, at="10:05", src_ip=EVIL), geo=(city,))
    assert [u["object"] for u in found.unknown if "read" in u["why"]] == [city]


def test_the_same_log_in_any_order_gives_the_same_evidence() -> None:
    rows = [event(**CI, at="10:05", src_ip=EVIL, region="sa-east-1", event_uid=f"e-{n:03}") for n in range(200)]
    rows += past()
    one, two = find(*rows), find(*reversed(rows))
    assert one.findings and one.findings == two.findings


def test_hostile_values_stay_values() -> None:
    names = ["'); DROP TABLE events; --", "{{ 1 }}", "\u202e", "x" * 10_000, "1.2.3.4.5", "999.1.1.1"]
    found = find(*past(), *(event(**CI, at="10:05", src_ip=n, user_agent=n, region=n, service=n) for n in names))
    assert len(found.findings) > 10


def test_calls_from_no_address_hide_no_travel(city: str) -> None:
    between = [event(**CI, at="10:10", src_ip="AWS Internal"), event(**CI, at="10:12", src_ip="10.0.0.5")]
    rows = [*past(), event(**CI, at="10:05", src_ip=HOME), *between, event(**CI, at="10:20", src_ip=EVIL, event_uid="e-far")]
    travel = [f for f in find(*rows, geo=(city,)).findings if f["rule"] == "impossible_travel"]
    assert [f["evidence"][1] for f in travel] == ["e-far"] and "within 15 minutes" in travel[0]["note"]


def test_that_a_call_began_is_no_success_between_failures() -> None:
    """Azure's Activity Log has a record of the begin of a call beside that of its end."""
    call = {"src_ip": EVIL, "service": "Microsoft.KeyVault", "operation": "Microsoft.KeyVault/vaults/write"}
    tries = [
        row
        for minute in range(0, 12, 2)
        for row in (
            event(**CI, **call, at=f"10:{minute:02}", status=None),
            event(**CI, **call, at=f"10:{minute + 1:02}", error="Forbidden"),
        )
    ]
    end = [event(**CI, **call, at="10:20", status=None), event(**CI, **call, at="10:21", event_uid="e-ok")]
    found = [f for f in find(*past(), *tries, *end).findings if f["rule"] == "failures_then_success"]
    assert [f["evidence"] for f in found] == [["e-ok"]] and "after 6 failures" in found[0]["note"]


def test_what_there_is_too_much_of_to_list_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_seen, "_MOST", 3)
    monkeypatch.setattr(failures, "_MOST", 2)
    monkeypatch.setattr(spikes, "_MOST", 1)
    new = [event(**CI, at=f"10:0{n}", src_ip=f"203.0.{n}.1", service="s3", operation="ListBuckets") for n in range(5)]
    denied = [event(**CI, at=f"11:{n:02}", service="iam", operation=f"Create{n % 3}", error="AccessDenied") for n in range(30)]
    allowed = [event(**CI, at="11:40", service="iam", operation=f"Create{n}") for n in range(3)]
    burst = [event(**CI, at=f"{h}:{n // 60:02}:{n % 60:02}", service="s3", operation="ListBuckets") for h in (13, 14) for n in range(120)]
    found = find(*past(), *new, *denied, *allowed, *burst)
    count = {rule: len([f for f in found.findings if f["rule"] == rule]) for rule in ("first_seen", "failures_then_success", "spike")}
    assert count["failures_then_success"] == 2 and count["spike"] == 1
    assert len([f for f in found.findings if f["note"].startswith("network")]) == 3
    said = {one["object"]: one["why"] for one in found.unknown}
    assert all(f"only the first {most}" in said[rule] for rule, most in (("first_seen", 3), ("failures_then_success", 2), ("spike", 1)))

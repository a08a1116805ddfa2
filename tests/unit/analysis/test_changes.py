# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the attacker changed, read, tried and blinded: every act of a tainted identity under its technique, none of anybody else's."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import exposure
from ansible_collections.evict.cloud.plugins.module_utils.aws.catalogue import CATALOGUE
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import changes, taint
from ansible_collections.evict.cloud.plugins.module_utils.common.suspect import only
from tests.unit.analysis.events_made import ACCOUNT, EVIL, database, event, key_made, moment, user, user_made

KEY = "AKIAIOSFODNN7EXAMPLE"
THIEF: dict[str, Any] = {**user("ci", key=KEY), "src_ip": EVIL}
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:db-AbCdEf"


def find(*rows: Any) -> changes.Changes:
    with database(rows) as made:
        taint.trace(made, [only(KEY)], start=moment("0:00"))
        return changes.find(made, {"aws": CATALOGUE})


def names(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["technique"], row["object"]) for row in rows]


def test_what_was_changed_stands_under_its_technique_with_a_name_to_evict_it_by() -> None:
    found = find(
        event(**THIEF, at="10:00", service="iam", operation="CreateUser", response=user_made("backup"), event_uid="e-1"),
        event(
            **THIEF,
            at="10:01",
            service="iam",
            operation="CreateAccessKey",
            request={"userName": "backup"},
            response=key_made("AKIANEW0000000000001", "backup"),
        ),
        event(**THIEF, at="10:02", service="iam", operation="UpdateAssumeRolePolicy", request={"roleName": "deploy"}, event_uid="e-2"),
        event(**THIEF, at="10:03", service="iam", operation="UpdateAssumeRolePolicy", request={"roleName": "deploy"}, event_uid="e-3"),
        event(**THIEF, at="10:04", service="quantum", operation="StartJob", request={"x": 1}, read_only=False),
        event(
            **user("admin", key="AKIAADMIN00000000001"),
            at="10:05",
            service="iam",
            operation="UpdateAssumeRolePolicy",
            request={"roleName": "deploy"},
        ),
        event(**THIEF, at="10:06", service="iam", operation="CreateRole", request={"roleName": "x"}, error="AccessDenied"),
    )
    assert names(found.changed) == [
        ("AWS-02", f"arn:aws:iam::{ACCOUNT}:user/backup"),
        ("AWS-01", f"AKIANEW0000000000001 of arn:aws:iam::{ACCOUNT}:user/backup"),
        ("AWS-09", f"arn:aws:iam::{ACCOUNT}:role/deploy"),
        ("", "quantum:StartJob"),
    ]
    trust = found.changed[2]
    assert (trust["count"], trust["evidence"], trust["first"], trust["last"]) == (
        2,
        ["e-2", "e-3"],
        "2026-11-20T10:02:00Z",
        "2026-11-20T10:03:00Z",
    )
    assert (trust["verdict"], trust["by"], trust["operations"], trust["mitre"]) == (
        "rogue",
        [KEY],
        ["iam:UpdateAssumeRolePolicy"],
        ["T1098.003", "T1484.002"],
    )
    assert [(row["object"], row["error"], row["count"]) for row in found.tried] == [("iam:CreateRole", "AccessDenied", 1)]


def test_only_reads_that_succeeded_count_and_a_loop_is_one_row() -> None:
    get = {"service": "secretsmanager", "operation": "GetSecretValue"}
    found = find(
        *(event(**THIEF, **get, at=f"10:{m:02}", request={"secretId": SECRET}) for m in range(30)),
        event(**THIEF, **get, at="11:00", request={"secretId": "other"}, error="AccessDenied"),
        event(**user("app", key="AKIAAPP0000000000001"), **get, at="11:01", request={"secretId": "mine"}),
        event(**THIEF, at="11:02", service="ssm", operation="GetParameters", request={"names": ["/a", "/b"]}),
        event(**THIEF, at="11:03", service="s3", operation="GetObject", category="data", request={"bucketName": "data", "key": "k.csv"}),
    )
    assert [(row["kind"], row["object"], row["count"]) for row in found.read] == [
        ("secret", SECRET, 30),
        ("parameter", f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter//a", 1),
        ("parameter", f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter//b", 1),
        ("object", "arn:aws:s3:::data/k.csv", 1),
    ]
    assert (
        found.read[0]["first"] == "2026-11-20T10:00:00Z"
        and found.read[0]["last"] == "2026-11-20T10:29:00Z"
        and len(found.read[0]["evidence"]) == 30
    )
    assert set(exposure.SECRETS) >= {row["kind"] for row in found.read[:3]}
    assert f"objects of S3 in {ACCOUNT}" not in {row["object"] for row in found.unlogged}


def test_what_no_trail_has_is_said_and_not_taken_for_clean() -> None:
    found = find(event(**THIEF, at="10:00", service="s3", operation="ListBuckets"))
    assert {row["object"] for row in found.unlogged} == {f"{what} in {ACCOUNT}" for what in exposure.DATA_EVENTS.values()}
    assert all("not known" in row["why"] for row in found.unlogged)


def test_logging_that_was_switched_off_leaves_a_gap_until_somebody_else_switches_it_on() -> None:
    trail = {"service": "cloudtrail", "request": {"name": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main"}}
    stop = event(**THIEF, **trail, at="10:00", operation="StopLogging")
    own = event(**THIEF, **trail, at="10:30", operation="StartLogging", read_only=False)
    back = event(**user("admin", key="AKIAADMIN00000000001"), **trail, at="12:00", operation="StartLogging", read_only=False)
    blinded = find(stop, own, back).blinded
    assert [(row["technique"], row["from"], row["to"]) for row in blinded] == [("AWS-62", "2026-11-20T10:00:00Z", "2026-11-20T12:00:00Z")]
    assert find(stop, own).blinded[0]["to"] == ""


def test_records_that_strangers_filled_do_no_harm() -> None:
    hostile = ["{{ 7 * 7 }}", "'; DROP TABLE events; --", "<script>", "=cmd()", "\u202e", None, 7, [], {"a": 1}]
    rows = [
        event(**THIEF, at="10:00", service="iam", operation="CreateUser", request={"userName": h}, response={"user": {"arn": h}})
        for h in hostile
    ]
    rows += [event(**THIEF, at="10:01", service=h or "x", operation=h or "x", read_only=False) for h in hostile if isinstance(h, str)]
    found = find(*rows)
    assert {"{{ 7 * 7 }}", "'; DROP TABLE events; --"} <= {row["object"] for row in found.changed}


def test_a_flood_hides_neither_a_secret_that_was_read_later_nor_a_user_that_was_made_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST", 3)
    objects = {"service": "s3", "operation": "GetObject", "category": "data"}
    found = find(
        *(event(**THIEF, **objects, at=f"10:{m:02}", request={"bucketName": "data", "key": f"{m}"}) for m in range(5)),
        *(event(**THIEF, service="x", operation="PutNoise", read_only=False, at=f"10:{m:02}", resources=[f"noise-{m}"]) for m in range(5)),
        event(**THIEF, at="11:00", service="secretsmanager", operation="GetSecretValue", request={"secretId": SECRET}),
        event(**THIEF, at="11:01", service="iam", operation="CreateUser", response=user_made("backup")),
    )
    assert SECRET in {row["object"] for row in found.read} and ("AWS-02", f"arn:aws:iam::{ACCOUNT}:user/backup") in names(found.changed)
    assert found.left_out == 4  # two of each flood


def test_the_same_log_in_any_order_gives_the_same_rows() -> None:
    get = {"service": "secretsmanager", "operation": "GetSecretValue", "at": "10:00"}
    rows = [event(**THIEF, **get, request={"secretId": SECRET}, response={"name": f"n{n}"}, event_uid=f"e-{n:03}") for n in range(60)]
    rows += [
        event(**THIEF, at="10:00", service="iam", operation="CreateUser", error="AccessDenied", event_uid=f"f-{n:03}") for n in range(60)
    ]
    one, two = find(*rows), find(*reversed(rows))
    assert (one.read, one.tried, one.changed) == (two.read, two.tried, two.changed)


def test_data_events_of_some_are_not_taken_for_data_events_of_all() -> None:
    found = find(
        event(**THIEF, at="10:00", service="s3", operation="GetObject", category="data", request={"bucketName": "data", "key": "k"})
    )
    why = {row["object"]: row["why"] for row in found.unlogged}[f"objects of S3 in {ACCOUNT}, beyond those in the logs"]
    assert "not known" in why and "1 " in why


def test_another_trail_that_is_switched_on_does_not_give_the_sight_of_this_one_back() -> None:
    trail = {"service": "cloudtrail", "request": {"name": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main"}}
    stop = event(**THIEF, **trail, at="10:00", operation="StopLogging")
    admin = {**user("admin", key="AKIAADMIN00000000001"), "service": "cloudtrail", "operation": "StartLogging", "read_only": False}
    other = event(**admin, at="11:00", request={"name": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/maintenance"})
    assert find(stop, other).blinded[0]["to"] == ""
    short = event(**admin, at="12:00", request={"name": "main"})
    assert find(stop, other, short).blinded[0]["to"] == "2026-11-20T12:00:00Z"

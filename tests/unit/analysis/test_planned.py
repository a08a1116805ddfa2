# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that an analysis proposes: what is to be contained, fenced, evicted and rotated, and that it is accepted by those who take it."""

from __future__ import annotations

from typing import Any

from ansible_collections.evict.cloud.plugins.module_utils.aws.catalogue import CATALOGUE
from ansible_collections.evict.cloud.plugins.module_utils.common import planning, response_plan
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import changes, planned, taint
from ansible_collections.evict.cloud.plugins.module_utils.common.response_plan import Plan
from ansible_collections.evict.cloud.plugins.module_utils.common.suspect import only
from tests.unit.analysis.events_made import (
    ACCOUNT,
    EVIL,
    assume,
    assumed,
    database,
    event,
    key_made,
    moment,
    session,
    token,
    user,
    user_made,
)

KEY = "AKIAIOSFODNN7EXAMPLE"
THIEF: dict[str, Any] = {**user("ci", key=KEY), "src_ip": EVIL}
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:db-AbCdEf"


def propose(*rows: Any) -> list[dict[str, Any]]:
    with database(rows) as made:
        taint.trace(made, [only(KEY)], start=moment("0:00"))
        return planned.items(made, changes.find(made, {"aws": CATALOGUE}))


def test_each_part_of_an_attack_becomes_the_item_of_its_kind() -> None:
    found = propose(
        event(**THIEF, at="10:00", service="iam", operation="CreateUser", response=user_made("backup")),
        event(**THIEF, at="10:01", service="iam", operation="CreateAccessKey", request={"userName": "backup"}, response=key_made("AKIANEW0000000000001", "backup")),
        event(**THIEF, at="10:02", service="sts", operation="AssumeRole", request=assume("deploy", "x"), response=assumed("deploy", "x", "ASIASESSION000000001")),
        event(**session("deploy", "x", key="ASIASESSION000000001", created="10:02"), src_ip=EVIL, at="10:03", service="secretsmanager",
              operation="GetSecretValue", request={"secretId": SECRET}),
        event(**THIEF, at="10:04", service="s3", operation="GetObject", category="data", request={"bucketName": "customer-data", "key": "k"}),
        event(**THIEF, at="10:05", service="iam", operation="DeleteUser", request={"userName": "auditor"}),
        event(**user("bob", key="AKIABOB0000000000001"), at="10:06", service="iam", operation="CreateUser", response=user_made("carol")),
    )  # fmt: skip
    said = [(i["kind"], i["object"], i["verdict"]) for i in found]
    assert ("principal", f"arn:aws:iam::{ACCOUNT}:user/backup", "rogue") in said
    assert ("principal", KEY, "rogue") in said and ("rotate", KEY, "rogue") in said
    assert ("session", f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/x", "rogue") in said
    assert {("resource", "arn:aws:s3:::customer-data", "rogue"), ("resource", SECRET, "rogue"), ("rotate", SECRET, "rogue")} <= set(said)
    assert ("evict", f"arn:aws:iam::{ACCOUNT}:user/backup", "rogue") in said
    assert not any("carol" in what or "bob" in what or "auditor" in what for _k, what, _v in said)
    assert ("rotate", "AKIANEW0000000000001", "rogue") not in said  # the attacker's own: it goes, nothing takes its place
    assert all(i["evidence"] and i["id"] == response_plan.item_id(i["kind"], i["target"], i["object"]) for i in found)
    plan = response_plan.merge(Plan("IR-1"), found)
    assert response_plan.validate(plan.as_dict(), "x") == plan


def test_a_session_is_named_by_what_can_be_cut_also_when_its_key_made_no_call() -> None:
    found = propose(
        event(**THIEF, at="10:00", service="sts", operation="AssumeRole", request=assume("deploy", "x"), response=assumed("deploy", "x", "ASIAUNUSED0000000001")),
        event(**THIEF, at="10:01", service="sts", operation="AssumeRole", request=assume("deploy", "x"), response=assumed("deploy", "x", "ASIAUNUSED0000000002")),
        event(**THIEF, at="10:02", service="sts", operation="GetSessionToken", response=token("ASIATOKEN00000000001")),
    )  # fmt: skip
    sessions = {i["object"]: len(i["evidence"]) for i in found if i["kind"] == "session"}
    assert sessions == {
        f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/x": 2,
        "ASIATOKEN00000000001": 1,
    }  # of a user its ARN would be all of him


def test_the_same_object_is_one_item_with_all_the_evidence() -> None:
    found = propose(
        event(
            **THIEF,
            at="10:00",
            service="s3",
            operation="GetObject",
            category="data",
            request={"bucketName": "data", "key": "a"},
            event_uid="e-1",
        ),
        event(
            **THIEF,
            at="10:01",
            service="s3",
            operation="GetObject",
            category="data",
            request={"bucketName": "data", "key": "b"},
            event_uid="e-2",
        ),
        event(**THIEF, at="10:02", service="s3", operation="PutBucketPolicy", request={"bucketName": "data"}, event_uid="e-3"),
    )
    bucket = [i for i in found if i["object"] == "arn:aws:s3:::data"]
    assert [(i["kind"], sorted(i["evidence"])) for i in bucket] == [("resource", ["e-1", "e-2", "e-3"]), ("evict", ["e-3"])]


def test_every_identity_that_is_proposed_can_be_contained() -> None:
    """A console session is the session's ARN, the same one after the next sign-in; people and credentials that the attacker made are there too."""
    login = {"service": "signin", "operation": "ConsoleLogin", "response": {"ConsoleLogin": "Success"}}
    found = propose(
        event(**THIEF, at="10:01", service="sts", operation="AssumeRole", request=assume("deploy", "worm"), response=assumed("deploy", "worm", "ASIASESSION000000001")),
        event(**session("deploy", "worm", key="ASIASESSION000000001", created="10:01"), src_ip=EVIL, at="10:02", **login),
        event(**session("deploy", "worm", key="ASIASESSION000000001", created="10:01"), src_ip=EVIL, at="11:02", **login),
        event(**THIEF, at="10:05", service="identitystore", operation="CreateUser", request={"userName": "helper"},
              response={"userId": "9067aa0000-11111111-2222-3333-4444-555555555555"}),
        event(**THIEF, at="10:06", service="iam", operation="CreateServiceSpecificCredential", request={"userName": "ci"},
              response={"serviceSpecificCredential": {"serviceSpecificCredentialId": "ACCAEXAMPLEEXAMPLE12", "userName": "ci"}}),
    )  # fmt: skip
    people = [i for i in found if i["kind"] in ("principal", "session")]
    assert not [(i["object"], why) for i in people if (why := planning._suspect(i)[1])]
    said = [(i["kind"], i["object"]) for i in people]
    assert said.count(("session", f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/worm")) == 1
    assert {("principal", "9067aa0000-11111111-2222-3333-4444-555555555555"), ("principal", "ACCAEXAMPLEEXAMPLE12")} <= set(said)


def test_what_somebody_decided_holds_when_more_of_the_log_comes() -> None:
    """The id of an item does not depend on where the first call about its object was made."""
    where: dict[str, Any] = {"service": "s3", "operation": "PutBucketPolicy", "request": {"bucketName": "data"}}
    user_: dict[str, Any] = {"service": "iam", "operation": "CreateUser", "response": user_made("backup")}
    late = [event(**THIEF, at="10:02", region="eu-west-1", **where), event(**THIEF, at="10:03", region="us-east-1", **user_)]
    early = [event(**THIEF, at="10:00", region="eu-north-1", **where), event(**THIEF, at="10:01", region="eu-north-1", **user_)]
    one, two = propose(*late), propose(*early, *late)
    assert {i["id"] for i in one} == {i["id"] for i in two}

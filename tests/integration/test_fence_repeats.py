"""The fences above the account and on resources, by their own modules: they repeat what stands on a user, and nothing else, on the enforcing bed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.helpers import DEAD, Desk, works
from tests.integration.test_account_fence import BOB, USER, A, attached, content, fill_inline, there

pytestmark = pytest.mark.bed


def whole(statements: list[dict[str, Any]]) -> str:
    """Those of ours that deny everything to somebody, whatever the request, as text."""
    narrow = ("DateLessThan", "StringEquals", "NotIpAddressIfExists")
    mine = [s for s in statements if s["Sid"].startswith("Evict") and s["Sid"][-1] not in "WOZ"]
    return json.dumps([s for s in mine if not set(s["Condition"]) & {*narrow}])


def on_bucket(desk: Desk) -> list[dict[str, Any]]:
    """The statements of the policy of the company's first bucket, after aws_resource_fence, by its defaults."""
    bucket = desk.company.production.buckets[0]
    done = desk.run("aws_resource_fence", resources=[f"arn:aws:s3:::{bucket}"])
    assert done["problems"] == [] and [r["state"] for r in done["resource_fences"]] == ["fenced"], done
    policy = desk.bed.client("s3", desk.company.production.root).get_bucket_policy(Bucket=bucket)["Policy"]
    return list(json.loads(policy)["Statement"])


def test_no_resource_denies_a_user_of_whom_only_a_planted_key_was_cut(desk: Desk) -> None:
    bed = desk.bed
    bed.client("iam", desk.company.leaked).create_access_key(UserName="bob")
    desk.incident(desk.company.leaked.access_key)
    assert BOB in [row["arn"] for row in desk.contain_below(scope=20)["principals"]]
    assert works(bed, desk.company.production.keys["bob"]) == "ok"
    said = whole(on_bucket(desk))
    assert USER in said and BOB not in said, said


def test_no_resource_denies_a_released_user_again(desk: Desk) -> None:
    desk.incident({"arn": BOB}, desk.company.leaked.access_key)
    desk.contain_below()
    assert desk.restore(only=[BOB])["problems"] == []
    found = on_bucket(desk)
    assert BOB not in whole(found) and USER in whole(found)
    assert BOB in json.dumps(found)  # its cutoff stands, and is repeated


def test_a_fence_that_is_gone_is_said_and_not_passed_over(desk: Desk) -> None:
    """Nobody has released it: somebody took it away."""
    desk.incident(BOB)
    desk.contain_below()
    iam = desk.bed.client("iam", desk.company.production.root)
    for purpose in ("quarantine", "session"):
        iam.delete_user_policy(UserName="bob", PolicyName=f"evict-{purpose}-IR-1")
    done = desk.run("aws_resource_fence", resources=[f"arn:aws:s3:::{desk.company.production.buckets[0]}"])
    assert [p["object"] for p in done["problems"] if "not fenced by this incident" in p["message"]] == [BOB], done


def test_nobody_is_denied_above_the_account_who_is_not_denied_below(desk: Desk) -> None:
    bed, bobs = desk.bed, desk.company.production.keys["bob"]
    desk.incident(desk.company.leaked.access_key)
    done = desk.run("aws_account_fence", principals=[BOB])
    assert "not fenced by this incident" in json.dumps(done["problems"]) and there(bed) == [] and works(bed, bobs) == "ok"
    desk.run("aws_session", principals=[BOB])
    assert desk.run("aws_account_fence", principals=[BOB])["problems"] == []
    (name,) = attached(bed)
    assert BOB in json.dumps(content(bed, name)) and BOB not in whole(content(bed, name)["Statement"])
    assert works(bed, bobs) == "ok"


def test_awsdenyall_of_this_incident_is_repeated_like_its_own_deny(desk: Desk) -> None:
    bed = desk.bed
    fill_inline(bed.client("iam", desk.company.production.root))
    desk.incident(USER)
    assert desk.contain_below()["principals"][0]["controls"] == ["AWSDenyAll", "boundary"]
    assert desk.run("aws_account_fence", principals=[USER])["problems"] == []
    assert USER in whole(content(bed, f"evict-IR-1-{A}-1")["Statement"]) and works(bed, desk.company.leaked) in DEAD

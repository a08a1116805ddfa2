"""CloudTrail into a case, on the enforcing bed and with the investigation's policy alone: the event history, and a trail's bucket."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ansible_collections.evict.cloud.plugins.module_utils.common.events import parts
from tests.bench import cloudtrail_made
from tests.integration.helpers import Desk
from tests.tools import permissions

pytestmark = pytest.mark.bed
MODULE = "aws_audit_event_info"
HOSTILE = "x{{ lookup('pipe', 'touch /tmp/evict-pwned') }}"


def _rows(desk: Desk, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    with parts.open_case(desk.store) as database:
        return database.rows(sql, parameters)


def _rights(desk: Desk) -> None:
    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=json.dumps(permissions.investigation_policy()))


def test_the_history_and_a_trails_bucket_become_one_table(desk: Desk) -> None:
    company, account = desk.company, desk.company.production
    thief = {"credentials": company.leaked, "source_ip": "198.51.100.7", "user_agent": HOSTILE}
    for service, region, call in (
        ("iam", "us-east-1", "list_users"),
        ("ec2", "eu-west-1", "describe_instances"),
        ("sts", "eu-central-1", "get_caller_identity"),
    ):
        with contextlib.suppress(ClientError):
            getattr(desk.bed.client(service, region=region, **thief), call)()
    _rights(desk)
    desk.incident(
        company.leaked.access_key,
        window={"start": (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)).isoformat(), "end": None},
    )
    did = [e for e in desk.bed.events() if e["userIdentity"].get("accessKeyId") == company.leaked.access_key]
    assert len(did) == 3

    preview = desk.run(MODULE, check=True, accounts=[account.id])
    assert not preview.get("failed"), preview
    assert preview["loaded"] == {} and not desk.case.exists()
    first = desk.run(MODULE, accounts=[account.id])
    assert not first.get("failed") and not first["changed"] and first["loaded"]["cloudtrail"] >= 3, first
    found = _rows(desk, "SELECT * FROM events WHERE credential_uid = ? ORDER BY operation", company.leaked.access_key)
    assert sorted(row["event_uid"] for row in found) == sorted(event["eventID"] for event in did)
    assert {(row["operation"], row["region"], row["src_ip"], row["user_agent"].rsplit(" ", 1)[0]) for row in found} == {
        ("DescribeInstances", "eu-west-1", "198.51.100.7", HOSTILE), ("GetCallerIdentity", "eu-central-1", "198.51.100.7", HOSTILE),
        ("ListUsers", "us-east-1", "198.51.100.7", HOSTILE)}  # fmt: skip
    # That the history has no data events is said, and nothing else is missing.
    assert [gap["why"] for gap in first["gaps"]] == ["the event history has management events only: no data events"] and first["odd"][
        "markup"
    ] >= 3
    # The newest quarter of an hour is asked again, since events come late; the rest is not.
    since = desk.bed.calls()
    some = {"accounts": [account.id], "regions": ["us-east-1", "eu-west-1", "eu-central-1", "us-west-2"]}
    second = desk.run(MODULE, **some)
    asked = [c for c in desk.bed.calls()[len(since) :] if c["operation"] == "LookupEvents"]
    assert second["duplicates"] >= 3 and second["kept"]["cloudtrail"]["events"] == first["kept"]["cloudtrail"]["events"] + sum(
        second["loaded"].values()
    )
    assert len(asked) == len({c["region"] for c in asked}) == 4

    # A region that cannot be read is a gap until it can.
    desk.bed.rule(
        "fail",
        service="cloudtrail",
        operation="LookupEvents",
        times=1,
        status=400,
        code="AccessDenied",
        message="no",
        mutating=False,
    )
    third = desk.run(MODULE, **some)
    assert [("AccessDenied" in g["why"], g["object"]) for g in third["gaps"] if g["region"]] == [
        (True, f"LookupEvents {account.id} {third['gaps'][-1]['region']}")
    ]
    assert not third["complete"]
    desk.bed.clear_rules()
    assert desk.run(MODULE, **some)["gap_count"] == 1

    # The bucket of an organization's trail.
    bucket = desk.bed.client("s3", account.root, direct=True)
    bucket.create_bucket(Bucket="company-trail")
    made = list(cloudtrail_made.files(3000, seed=7, accounts=2, principals=10))
    owners = sorted({path.split("/")[1] for path, _text in made})
    for path, text in made:
        bucket.put_object(
            Bucket="company-trail", Key=f"logs/{path.replace('AWSLogs/', 'AWSLogs/o-abcdefghij/')}", Body=gzip.compress(text.encode())
        )
    bucket.put_object(
        Bucket="company-trail", Key=f"logs/AWSLogs/o-abcdefghij/{owners[0]}/CloudTrail-Digest/us-east-1/2026/11/20/d.json.gz", Body=b"x"
    )
    options = {
        "bucket": "s3://company-trail/logs",
        "bucket_account": account.id,
        "accounts": owners[:1],
        "start": "2026-11-20T00:00:00Z",
        "end": "2026-11-23T00:00:00Z",
    }
    desk.bed.rule("fail", service="s3", times=1, status=403, code="AccessDenied", message="no", mutating=False)
    refused = desk.run(MODULE, **options)
    assert refused["loaded"] == {} and [gap["object"] for gap in refused["gaps"]][-1] == "s3://company-trail/logs/AWSLogs/"
    desk.bed.clear_rules()
    before = len(desk.bed.calls())
    files = desk.run(MODULE, **options)
    calls = [c for c in desk.bed.calls()[before:] if c["service"] == "s3"]
    wanted = [(path, text) for path, text in made if path.split("/")[1] == owners[0]]
    assert (
        not files.get("failed")
        and files["files"]["read"] == len(wanted)
        and sum(c["operation"] == "GetObject" for c in calls) == len(wanted)
    )
    assert files["loaded"] == {"cloudtrail": sum(len(json.loads(text)["Records"]) for _path, text in wanted)}
    assert files["gap_count"] == 1  # the history's own
    assert _rows(desk, "SELECT DISTINCT account FROM events WHERE account <> ?", account.id) == [{"account": owners[0]}]
    before = len(desk.bed.calls())
    again = desk.run(MODULE, **options)
    assert again["loaded"] == {} and again["files"]["known"] == len(wanted)
    assert not [c for c in desk.bed.calls()[before:] if c["operation"] == "GetObject"]
    both = desk.run(MODULE, **{**options, "accounts": []})
    assert sum(both["loaded"].values()) == 3000 - sum(files["loaded"].values())

    calls = [c for c in desk.bed.calls() if "incident-responder" in c["principal"]]
    assert {f"{c['service']}:{c['operation']}" for c in calls} <= {
        "cloudtrail:LookupEvents",
        "ec2:DescribeRegions",
        "s3:ListObjects",
        "s3:GetObject",
    }
    assert desk.verified() and desk.leaks() == []

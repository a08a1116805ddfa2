"""The logs in Athena: asked with the responder's own rights, loaded, followed to the end; a ceiling, a cancelled query, a second run that asks for nothing."""

from __future__ import annotations

import contextlib
import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ansible_collections.evict.cloud.plugins.module_utils.common.events import parts
from tests.bench import cloudtrail_made
from tests.integration.helpers import Desk
from tests.tools import permissions
from tests.unit.warehouse.made import COLUMNS

pytestmark = pytest.mark.bed
MODULE = "aws_audit_event_info"
BUCKET = "company-logs"
TEMPLATE = f"s3://{BUCKET}/AWSLogs/${{account}}/CloudTrail/${{region}}/${{timestamp}}"
PROJECTION = {
    "projection.enabled": "true", "projection.timestamp.type": "date", "projection.timestamp.format": "yyyy/MM/dd", "projection.timestamp.range": "2020/01/01,NOW",
    "projection.region.type": "enum", "projection.region.values": ",".join(cloudtrail_made.REGIONS), "projection.account.type": "injected",
    "storage.location.template": TEMPLATE,
}  # fmt: skip
EVENTS, END = 3000, "2026-11-23T12:00:00Z"


def _rights(desk: Desk) -> None:
    """Nothing but the two documents of the investigation."""
    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    documents = (permissions.investigation_policy(), permissions.warehouse_policy())
    work = {
        "Version": "2012-10-17",
        "Statement": [{**one, "Sid": f"{one['Sid']}{n}"} for n, d in enumerate(documents) for one in d["Statement"]],
    }
    iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=json.dumps(work))


def _logs(desk: Desk) -> tuple[dict[str, Any], dict[str, int]]:
    """(the truth of the planted incident, {key: bytes})."""
    truth = cloudtrail_made.write(desk.folder / "logs", EVENTS, plant=True, level=1, accounts=2, principals=20)["truth"]
    s3 = desk.bed.client("s3", desk.company.production.root, direct=True)
    sizes = {}
    for name in (BUCKET, "company-answers"):
        with contextlib.suppress(ClientError):  # left by the test before
            s3.create_bucket(Bucket=name)
    places: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((desk.folder / "logs").rglob("*.json.gz")):
        for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]:
            day = record["eventTime"][:10].replace("-", "/")
            places.setdefault(f"AWSLogs/{record['recipientAccountId']}/CloudTrail/{record['awsRegion']}/{day}/log.json.gz", []).append(
                record
            )
    for key, records in places.items():
        body = gzip.compress(json.dumps({"Records": records}).encode())
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        sizes[key] = len(body)
    return truth, sizes


def _table(desk: Desk) -> None:
    glue = desk.bed.client("glue", desk.company.production.root, direct=True)
    keys = [{"Name": name, "Type": "string"} for name in ("account", "region", "timestamp")]
    storage = {"Columns": [{"Name": name, "Type": kind} for name, kind in COLUMNS.items()], "Location": f"s3://{BUCKET}/AWSLogs/",
               "InputFormat": "com.amazon.emr.cloudtrail.CloudTrailInputFormat", "SerdeInfo": {"SerializationLibrary": "org.apache.hive.hcatalog.data.JsonSerDe"}}  # fmt: skip
    with contextlib.suppress(ClientError):
        glue.create_database(DatabaseInput={"Name": "logs"})
    with contextlib.suppress(ClientError):
        glue.create_table(DatabaseName="logs", TableInput={"Name": "cloudtrail", "TableType": "EXTERNAL_TABLE", "PartitionKeys": keys, "Parameters": PROJECTION,
                                                           "StorageDescriptor": storage})  # fmt: skip


def _options(desk: Desk, **more: Any) -> dict[str, Any]:
    athena = {
        "database": "logs",
        "table": "cloudtrail",
        "output": "s3://company-answers/evict/",
        "account": desk.company.production.id,
        "region": "us-east-1",
    }
    return {"athena": {**athena, **more.pop("athena", {})}, "loading_threads": 1, **more}


def _asked(desk: Desk, *operations: str) -> list[dict[str, Any]]:
    return [call for call in desk.bed.calls() if call["operation"] in operations]


def test_the_logs_in_athena(desk: Desk) -> None:
    _rights(desk)
    truth, sizes = _logs(desk)
    _table(desk)
    desk.incident(truth["suspect"], window={"start": truth["start"], "end": END})

    # What it would read is known before anything runs.
    shown = desk.run(MODULE, check=True, **_options(desk))
    assert not shown.get("failed"), shown
    assert shown["warehouse"]["queries"] == 1 and shown["warehouse"]["scanned"] == sum(sizes.values()) and not desk.case.exists()
    assert f"sizes of {len(sizes)} objects" in shown["warehouse"]["how"]
    refused = desk.run(MODULE, **_options(desk, ceiling=str(sum(sizes.values()) - 1)))
    assert refused["failed"] and str(sum(sizes.values())) in refused["msg"] and "narrow accounts" in refused["msg"], refused
    assert not _asked(desk, "StartQueryExecution")

    # Nobody waits for it any longer: it is cancelled.
    desk.bed.cloud("config", {"athena": {"pause": 20}})
    late = desk.run(MODULE, **_options(desk, athena={"seconds": 1}))
    assert not late.get("failed") and "longer than 1 s" in late["gaps"][0]["why"], late
    assert len(_asked(desk, "StartQueryExecution")) == len(_asked(desk, "StopQueryExecution")) == 1
    athena = desk.bed.client("athena", desk.company.production.root, direct=True)
    (execution,) = athena.list_query_executions()["QueryExecutionIds"]
    assert athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Status"]["State"] == "CANCELLED"
    desk.bed.cloud("config", {"athena": {"pause": 0}})

    # All of it: far fewer events than there are, and everybody of the lineage among them.
    first = desk.run(MODULE, **_options(desk))
    assert not first.get("failed") and first["complete"], first
    took = first["warehouse"]
    assert took["queries"] == took["rounds"] >= 3 and took["scanned"] <= took["queries"] * sum(sizes.values())
    assert first["loaded"]["cloudtrail"] < EVENTS / 3
    with parts.open_case(desk.store) as database:
        held = {row["event_uid"] for row in database.rows("SELECT event_uid FROM events")}
    assert set(truth["writes"]) | set(truth["reads"]) | set(truth["denied"]) <= held
    notes = json.dumps(desk.records())
    assert "reads at most" in notes and "handles from" in notes, "what a query reads is said before it runs"
    found = desk.run("case_analysis", case=str(desk.case))
    rogue = {name for row in found["tainted"] if row["verdict"] == "rogue" for name in (row["id"], row["arn"])}
    assert set(truth["principals"]) <= rogue, set(truth["principals"]) - rogue

    # Values are parameters, partitions are plain comparisons.
    starts = [
        athena.get_query_execution(QueryExecutionId=one)["QueryExecution"]["Query"]
        for one in athena.list_query_executions()["QueryExecutionIds"]
    ]
    assert all('"timestamp" >= \'20' in sql and '"account" IN (' in sql for sql in starts)

    # A second run asks for nothing; the listing alone tells the accounts.
    before = len(_asked(desk, "StartQueryExecution"))
    again = desk.run(MODULE, **_options(desk))
    assert again["loaded"] == {} and again["warehouse"]["queries"] == 0 and len(_asked(desk, "StartQueryExecution")) == before

    calls = {f"{c['service']}:{c['operation']}" for c in desk.bed.calls() if "incident-responder" in c["principal"]}
    assert calls <= {"athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults", "athena:StopQueryExecution", "glue:GetTable",
                     "s3:ListObjects", "s3:ListObjectsV2"}, calls  # fmt: skip
    assert desk.verified() and desk.leaks() == []


def test_regions_and_days_are_pruned(desk: Desk) -> None:
    _rights(desk)
    truth, sizes = _logs(desk)
    _table(desk)
    desk.incident(truth["suspect"], window={"start": truth["start"], "end": END})
    some = {key: size for key, size in sizes.items() if "/us-east-1/" in key}
    owner = min(sizes).split("/")[1]
    shown = desk.run(MODULE, check=True, **_options(desk, regions=["us-east-1"]))
    assert shown["warehouse"]["scanned"] == sum(some.values()) < sum(sizes.values())
    shown = desk.run(MODULE, check=True, **_options(desk, regions=["us-east-1"], accounts=[owner]))
    assert shown["warehouse"]["scanned"] == sum(size for key, size in some.items() if f"/{owner}/" in key)
    late = desk.run(MODULE, check=True, **_options(desk, start="2026-11-17T00:00:00Z", end="2026-11-18T00:00:00Z", baseline=1))
    assert late["warehouse"]["scanned"] == 0
    refused = desk.run(MODULE, **_options(desk, regions=["us-east-1' OR '1"], accounts=["x"]))
    assert refused["failed"] and "regions" in refused["msg"] and "accounts" in refused["msg"]
    refused = desk.run(MODULE, **_options(desk, athena={"table": "elsewhere"}))
    assert refused["failed"] and "logs.elsewhere is not in Glue's catalog" in refused["msg"]
    for rule, word in (("StartQueryExecution", "athena:StartQueryExecution"), ("GetQueryResults", "athena:GetQueryResults")):
        desk.bed.rule(
            "fail", service="athena", operation=rule, times=1, status=400, code="AccessDeniedException", message="no", mutating=False
        )
        gaps = desk.run(MODULE, **_options(desk, regions=["us-east-1"]))["gaps"]
        assert any("AccessDenied" in gap["why"] and word in gap["why"] for gap in gaps), gaps
        desk.bed.clear_rules()
    assert desk.leaks() == []


def test_the_playbook_asks_athena(desk: Desk) -> None:
    _rights(desk)
    truth, sizes = _logs(desk)
    _table(desk)
    file = desk.incident(truth["suspect"], window={"start": truth["start"], "end": END})
    asked = json.dumps({"athena": _options(desk)["athena"]})
    code, printed = desk.play("investigate", "-e", f"incident={file}", "-e", asked, "-e", "ceiling=1K")
    assert code == 2 and "not started" in printed and "the ceiling is 1024" in printed and str(sum(sizes.values())) in printed, printed
    code, printed = desk.play("investigate", "-e", f"incident={file}", "-e", asked, "-e", "ceiling=1GB")
    assert code == 0 and "queries in" in printed and "reads at most" in printed, printed
    report = json.loads(desk.store.get("report/investigation.json"))
    rogue = {name for row in report["lineage"] if row["verdict"] == "rogue" for name in (row["id"], row["arn"])}
    assert set(truth["principals"]) <= rogue
    assert any(one["object"] == "spikes in athena logs.cloudtrail" for one in report["unknown"])
    assert desk.leaks() == []

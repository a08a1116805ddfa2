# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Athena as an engine: which objects a query reads, that it ends whatever happens, and what a refusal means. Requests and answers are checked by AWS's model."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import athena
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError, InvalidInput
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.engine import Query
from tests.unit.analysis.events_made import moment
from tests.unit.aws.modelled_cloud import ModelledCloud
from tests.unit.warehouse.made import COLUMNS

LOCATION = "s3://trail/AWSLogs"
OPTIONS = {"database": "logs", "table": "cloudtrail", "workgroup": "primary", "output": "s3://results/evict/", "account": "", "region": "", "partitions": {},
           "date_format": "", "seconds": 1800}  # fmt: skip
QUERY = Query("SELECT ? WHERE b = ?", (("a_1", "o'brien"), ("b_1", 7)), moment("2026-11-20T10:00:00"), moment("2026-11-21T23:00:00"))
PROJECTED = {
    "projection.enabled": "true", "projection.timestamp.type": "date", "projection.timestamp.format": "yyyy/MM/dd", "projection.region.type": "enum",
    "projection.region.values": "eu-west-1, us-east-1", "projection.account.type": "injected",
    "storage.location.template": LOCATION + "/${account}/CloudTrail/${region}/${timestamp}",
}  # fmt: skip


def table(keys: tuple[str, ...] = (), location: str = LOCATION, **parameters: str) -> dict[str, t.Any]:
    return {"Table": {"Name": "cloudtrail", "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys], "Parameters": parameters,
                      "StorageDescriptor": {"Location": location, "Columns": [{"Name": name, "Type": kind} for name, kind in COLUMNS.items()]}}}  # fmt: skip


class Bucket:
    """Objects by key; answers as ListObjectsV2 does."""

    def __init__(self, *keys: str, size: int = 100) -> None:
        self.keys, self.size = keys, size
        self.prefixes: list[str] = []

    def __call__(self, asked: dict[str, t.Any]) -> dict[str, t.Any]:
        prefix = asked["Prefix"]
        self.prefixes.append(prefix)
        here = [key for key in self.keys if key.startswith(prefix)]
        if "Delimiter" in asked:
            return {
                "CommonPrefixes": [{"Prefix": one} for one in sorted({prefix + key[len(prefix) :].split("/")[0] + "/" for key in here})]
            }
        return {"Contents": [{"Key": key, "Size": self.size} for key in here]}


class Cloud(ModelledCloud):
    region = "eu-central-1"


def engine(cloud: Cloud, **options: t.Any) -> athena.Athena:
    return athena.Athena(cloud, {**OPTIONS, **options})  # type: ignore[arg-type]


def key(account: str, region: str, day: int, number: int = 0) -> str:
    return f"AWSLogs/{account}/CloudTrail/{region}/2026/11/{day:02d}/{number}.json.gz"


def test_of_a_projection_the_objects_of_the_pruned_days_accounts_and_regions_are_counted() -> None:
    bucket = Bucket(*(key(account, region, day, n) for account in ("111122223333", "444455556666") for region in ("eu-west-1", "us-east-1", "eu-north-1")
                      for day in range(1, 30) for n in range(2)))  # fmt: skip
    cloud = Cloud(GetTable=table(("account", "region", "timestamp"), **PROJECTED), ListObjectsV2=bucket)
    one = engine(cloud)
    everything = one.estimate(QUERY)  # two accounts, the two regions of the projection, the 20th to the 22nd
    assert (everything.scanned, everything.how) == (2 * 2 * 3 * 2 * 100, "sizes of 24 objects in 12 partitions")
    asked = len(bucket.prefixes)
    assert one.estimate(QUERY) == everything and len(bucket.prefixes) == asked, "what was listed is known"
    narrow = Query(QUERY.sql, (), QUERY.since, QUERY.since, ("111122223333",), ("eu-west-1",))
    assert one.estimate(narrow).scanned == 2 * 2 * 100
    assert (
        one.table.accounts(QUERY) == ["111122223333", "444455556666"] and one.table.injected("account") and not one.table.injected("region")
    )
    assert {call.target.region for call in cloud.calls} == {""}


def test_of_partitions_in_glue_those_that_the_comparisons_leave_are_counted() -> None:
    listed = [{"Values": [region, "2026", "11", f"{day:02d}"], "StorageDescriptor": {"Location": f"{LOCATION}/1/CloudTrail/{region}/2026/11/{day:02d}"}}
              for region in ("eu-west-1", "us-east-1") for day in range(1, 30)]  # fmt: skip
    bucket = Bucket(*(key("1", region, day) for region in ("eu-west-1", "us-east-1") for day in range(1, 30)))
    cloud = Cloud(GetTable=table(("region", "year", "month", "day")), GetPartitions={"Partitions": listed}, ListObjectsV2=bucket)
    one = engine(cloud)
    assert one.estimate(QUERY) == athena.Estimate(600, "sizes of 6 objects in 6 of 58 partitions")
    assert one.estimate(Query("", (), QUERY.since, QUERY.until, (), ("eu-west-1",))).scanned == 300
    assert one.table.layout().prune(QUERY.since, QUERY.until, [], ["eu-west-1"])[0] == "\"region\" IN ('eu-west-1')"


def test_of_a_projection_by_numbers_the_places_have_its_digits() -> None:
    """``month=1`` where the projection pads nothing, and ``01`` where it says two digits."""
    said = {
        "projection.enabled": "true",
        **{f"projection.{one}.type": "integer" for one in ("year", "month", "day")},
        "projection.day.digits": "2",
    }
    bucket = Bucket("AWSLogs/year=2026/month=1/day=05/x.gz", "AWSLogs/year=2026/month=01/day=05/x.gz")
    one = engine(Cloud(GetTable=table(("year", "month", "day"), **said), ListObjectsV2=bucket))
    january = Query("", (), moment("2026-01-05T00:00:00"), moment("2026-01-05T01:00:00"))
    assert one.estimate(january).scanned == 100 and bucket.prefixes == [
        "AWSLogs/year=2026/month=1/day=05/",
        "AWSLogs/year=2026/month=1/day=06/",
    ]


def test_a_table_without_partitions_is_read_whole() -> None:
    place = "s3://trail/AWSLogs/111122223333/CloudTrail/eu-west-1/"
    one = engine(
        Cloud(GetTable=table(location=place), ListObjectsV2=Bucket(*(key("111122223333", "eu-west-1", day) for day in range(1, 30))))
    )
    assert one.estimate(QUERY).scanned == 2900 and one.table.accounts(QUERY) == ["111122223333"]


def test_what_is_no_table_of_cloudtrail_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not in Glue's catalog"):
        engine(Cloud(GetTable="EntityNotFoundException"))
    with pytest.raises(InvalidInput, match="letters, digits"):
        engine(Cloud(), table='x"; DROP')
    with pytest.raises(InvalidInput, match="only yyyy, MM and dd"):
        engine(Cloud(GetTable=table(("dt",))), partitions={"date": "dt"}, date_format="yyyy-MM-dd-HH")
    with pytest.raises(InvalidInput, match="does not lie in S3"):
        engine(Cloud(GetTable=table(location="hdfs://x")))


def answers(*states: str, reason: str = "") -> dict[str, t.Any]:
    """Of a query that goes through ``states``, one a look."""
    left = list(states)

    def status(_asked: dict[str, t.Any]) -> dict[str, t.Any]:
        return {
            "QueryExecution": {
                "QueryExecutionId": "q-1",
                "Status": {"State": left.pop(0) if len(left) > 1 else left[0], "StateChangeReason": reason},
            }
        }

    def page(asked: dict[str, t.Any]) -> dict[str, t.Any]:
        number = int(asked.get("NextToken", "0"))
        cells = [["a", "b"]] if number == 0 else []  # the names stand before the first row of all
        cells += [["a", "b"], [f"x{number}", None], ["", "{x=1}"]]
        rows = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in cells]
        columns = [{"Name": name, "Type": "varchar"} for name in ("a", "b")]
        return {
            "ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": columns}},
            **({"NextToken": str(number + 1)} if number < 2 else {}),
        }

    return {"GetTable": table(), "StartQueryExecution": {"QueryExecutionId": "q-1"}, "GetQueryExecution": status, "GetQueryResults": page}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(athena.time, "sleep", lambda _seconds: None)


def test_a_query_is_started_waited_for_and_read_to_its_last_page() -> None:
    cloud = Cloud(**answers("QUEUED", "RUNNING", "SUCCEEDED"))
    rows = list(engine(cloud).rows(QUERY))
    assert rows == [row for number in range(3) for row in ({"a": "a", "b": "b"}, {"a": f"x{number}", "b": None}, {"a": "", "b": "{x=1}"})]
    (start,) = cloud.asked("StartQueryExecution")
    assert start.parameters["ExecutionParameters"] == ["'o''brien'", "7"] and start.parameters["QueryString"] == QUERY.sql
    assert start.parameters["ResultConfiguration"] == {"OutputLocation": "s3://results/evict/"}
    assert len(cloud.asked("GetQueryExecution")) == 3 and len(cloud.asked("GetQueryResults")) == 3 and not cloud.asked("StopQueryExecution")


def test_a_page_that_leads_back_to_itself_is_no_end() -> None:
    said = answers("SUCCEEDED")
    whole = said["GetQueryResults"]
    with pytest.raises(CloudError, match="leads back to itself") as caught:
        list(engine(Cloud(**said | {"GetQueryResults": lambda asked: whole(asked) | {"NextToken": "1"}})).rows(QUERY))
    assert caught.value.object == "q-1" and caught.value.remedy


def test_whatever_happens_while_it_runs_ends_it() -> None:
    def interrupted(_asked: t.Any) -> t.Any:
        raise KeyboardInterrupt

    for broken in (interrupted, "ThrottlingException"):
        cloud = Cloud(**answers("RUNNING") | {"GetQueryExecution": broken})
        with pytest.raises((KeyboardInterrupt, CloudError)):
            list(engine(cloud).rows(QUERY))
        assert [call.parameters for call in cloud.asked("StopQueryExecution")] == [{"QueryExecutionId": "q-1"}]


def test_a_query_that_takes_too_long_is_stopped() -> None:
    cloud = Cloud(**answers("RUNNING") | {"StopQueryExecution": "InternalServerException"})
    with pytest.raises(CloudError, match="longer than 0 s and was stopped") as error:
        list(engine(cloud, seconds=0).rows(QUERY))
    assert cloud.asked("StopQueryExecution") and "narrow" in error.value.remedy


@pytest.mark.parametrize(("said", "remedy"), [
    ("Bytes scanned limit was exceeded", "workgroup's own limit"),
    ("Access Denied (Service: Amazon S3; Status Code: 403)", "s3:GetObject on the log's bucket"),
    ("HIVE_CURSOR_ERROR: the operation is not valid for the object's storage class", "restore it if it is archived"),
    ("Query exhausted resources at this scale factor", "narrow accounts"),
])  # fmt: skip
def test_a_query_that_failed_says_why_and_what_to_do(said: str, remedy: str) -> None:
    for state in ("FAILED", "CANCELLED"):
        cloud = Cloud(**answers("RUNNING", state, reason=said))
        with pytest.raises(CloudError) as error:
            list(engine(cloud).rows(QUERY))
        assert said in error.value.message and state.lower() in error.value.message and remedy in error.value.remedy
        assert not cloud.asked("StopQueryExecution") and not cloud.asked("GetQueryResults")


def test_a_start_that_is_refused_says_what_is_missing() -> None:
    class Refusing(Cloud):
        def call(self, call: t.Any, parameters: t.Any = None) -> dict[str, t.Any]:
            if call.operation == "StartQueryExecution":
                raise CloudError("InvalidRequestException: No output location provided.", code="InvalidRequestException")
            return super().call(call, parameters)

    with pytest.raises(CloudError) as error:
        list(engine(Refusing(GetTable=table()), output="").rows(QUERY))
    assert "athena.output" in error.value.remedy


def test_times_are_naive_in_a_literal() -> None:
    assert athena.dialect.literal(dt.datetime(2026, 11, 20, 10), "athena") == "'2026-11-20 10:00:00'"  # noqa: DTZ001

"""How long one suspect takes among many events, and whether the lineage is exactly the planted one.

    python -m tests.bench.lineage 10000000          the noise is made in SQL, straight into Parquet parts
    python -m tests.bench.lineage 1000000 --logs    files as AWS delivers them, loaded by the loader

The incident is that of the unit tests; one call in six of the noise opens a session. Printed: seconds (of the analysis; of the load with --logs), processor
seconds, what was found.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.evict.cloud.plugins.module_utils.common import store, suspect
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import taint
from ansible_collections.evict.cloud.plugins.module_utils.common.events import columns, folder, formats, parts
from ansible_collections.evict.cloud.plugins.module_utils.common.events.database import Database
from tests.unit.analysis import as_logs, events_made, story

PART = 500_000
NOISE = """
INSERT INTO events SELECT printf('n%012d', i), TIMESTAMP '2026-11-20 00:00:00' + INTERVAL (i * 518400000 // ?) MILLISECOND, 'aws',
  CASE WHEN who % 9 = 0 THEN '444455556666' ELSE '111122223333' END, 'eu-west-1', 'cloudtrail', 'management',
  CASE WHEN kind = 0 THEN 'sts' WHEN kind < 4 THEN 's3' ELSE 'ec2' END,
  CASE kind WHEN 0 THEN 'AssumeRole' WHEN 1 THEN 'PutObject' WHEN 2 THEN 'GetObject' WHEN 3 THEN 'ListObjects' WHEN 4 THEN 'DescribeInstances'
    ELSE 'StartInstances' END,
  kind NOT IN (1, 5), CASE WHEN h % 41 = 0 THEN 'failure' ELSE 'success' END, CASE WHEN h % 41 = 0 THEN 'AccessDenied' END, NULL,
  CASE WHEN kind IN (0, 2) THEN 'IAMUser' ELSE 'AssumedRole' END,
  CASE WHEN kind IN (0, 2) THEN 'arn:aws:iam::111122223333:user/user' || who
    ELSE 'arn:aws:sts::111122223333:assumed-role/' || role || '/user' || who END,
  CASE WHEN kind IN (0, 2) THEN printf('AIDA%016d', who) ELSE printf('AROA%016d:user%d', h % 40, who) END,
  'user' || who, '111122223333',
  CASE WHEN kind IN (0, 2) THEN printf('AKIANOISE%011d', who) ELSE printf('ASIANOISE%011d', i // 40) END,
  CASE WHEN kind IN (0, 2) THEN NULL ELSE 'arn:aws:iam::111122223333:role/' || role END,
  CASE WHEN kind IN (0, 2) THEN NULL ELSE printf('AROA%016d', h % 40) END, NULL, NULL, NULL, NULL,
  printf('198.51.%d.%d', who % 200, who % 250), 'aws-sdk-go/1.' || (h % 50), NULL,
  CASE WHEN kind = 0 THEN '{"roleArn":"arn:aws:iam::111122223333:role/' || role || '","roleSessionName":"user' || who || '"}'
    ELSE '{"bucketName":"bucket-' || (h % 900) || '","key":"' || md5(CAST(i AS VARCHAR)) || '"}' END,
  CASE WHEN kind = 0 THEN printf('{"credentials":{"accessKeyId":"ASIANOISE%011d"},"assumedRoleUser":{"arn":"x"}}', i // 40) END,
  NULL, NULL, '{"eventVersion":"1.11","eventID":"' || md5(CAST(i AS VARCHAR)) || '","additional":"' || repeat(md5(CAST(h AS VARCHAR)), 12) || '"}'
FROM (SELECT i, h, h % 2000 AS who, (h // 2000) % 6 AS kind,
        list_extract(['deploy', 'ops', 'web', 'audit', 'read', 'shop'], CAST(h % 6 AS INTEGER) + 1) AS role
      FROM (SELECT range AS i, hash(range) % 1000000007 AS h FROM range(?, ?)))
"""

# The session that the suspect opened, over all the time there is.
LONG = """
UPDATE events SET credential_uid = 'ASIAEVIL000000000001', src_ip = '203.0.113.66', user_agent = 'attacker',
  response = replace(response, 'ASIANOISE', 'ASIALONG')
WHERE CAST(substr(event_uid, 2) AS BIGINT) % 500 = 7
"""


@contextlib.contextmanager
def by_sql(home: Path, count: int, long: bool) -> Iterator[Database]:
    """The noise as parts of Parquet, and a view over them as the case's database has it."""
    with Database.memory(reads=[home], threads=2) as database:
        database.empty()
        for number, begin in enumerate(range(0, count, PART)):
            database.empty()
            database.run(NOISE, [count, begin, min(begin + PART, count)])
            if long:
                database.run(LONG)
            database.run(f"COPY events TO '{home}/{number:06d}.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
        database.empty()
        planted = [*story.everyday(0), *story.attack()]
        database.table("events", columns.EVENTS, ([row[c] for c in columns.names(columns.EVENTS)] for row in planted))
        database.run(f"COPY events TO '{home}/planted.parquet' (FORMAT parquet)")
        database.run("DROP TABLE events")
        database.run(f"CREATE VIEW events AS SELECT * FROM read_parquet('{home}/*.parquet')")  # noqa: S608 - our own folder
        yield database


@contextlib.contextmanager
def by_logs(home: Path, count: int, long: bool) -> Iterator[Database]:
    """Files as AWS delivers them, through the loader; ``long`` is for the other way. The incident lies in the last day of the noise."""
    from tests.bench import cloudtrail_made

    planted = [json.loads(json.dumps(record)) for record in as_logs.records([*story.everyday(0), *story.attack()])["cloudtrail"]]
    for record in planted:  # five days and more are what the noise has in three
        record["eventTime"] = _moved(record["eventTime"])
        created = record["userIdentity"].get("sessionContext", {}).get("attributes", {})
        if "creationDate" in created:
            created["creationDate"] = _moved(created["creationDate"])
    random.Random(1).shuffle(planted)
    began = time.monotonic()
    import gzip

    for path, text in cloudtrail_made.files(count, planted=planted):
        (home / "logs" / path).parent.mkdir(parents=True, exist_ok=True)
        (home / "logs" / path).write_bytes(gzip.compress(text.encode(), 1))
    made = time.monotonic() - began
    case = store.open_store(str(home / "case"))
    summary = folder.load(case, [formats.FORMATS["cloudtrail"]], home / "logs", now="2026-12-01T00:00:00", threads=2)
    print(json.dumps({"made_seconds": round(made, 1), "load_seconds": round(time.monotonic() - began - made, 1), "loaded": summary.events}))
    with parts.open_case(case, threads=2) as database:
        yield database


MOVE = dt.timedelta(days=3)


def _moved(text: str) -> str:
    return (dt.datetime.fromisoformat(text) - MOVE).strftime("%Y-%m-%dT%H:%M:%SZ")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--logs", action="store_true")
    parser.add_argument(
        "--long",
        action="store_true",
        help="one call in 500 is the attacker's, over all the time there is, and one in six of these opens a session",
    )
    options = parser.parse_args()
    Path("build").mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir="build") as home,
        (by_logs if options.logs else by_sql)(Path(home).absolute(), options.count, options.long) as database,
    ):
        start, expected = events_made.moment(story.START), set(story.EXPECTED)
        if options.logs:
            start, expected = start - MOVE, {_id(one) for one in expected}
        began, cpu = time.monotonic(), time.process_time()
        taint.trace(database, suspect.classify(story.SUSPECT), start=start)
        said: dict[str, Any] = {"seconds": round(time.monotonic() - began, 2), "processor_seconds": round(time.process_time() - cpu, 2)}
        found = {row["id"] for row in database.rows("SELECT id FROM tainted WHERE verdict = 'rogue'")}
        calls = database.rows(
            "SELECT count(*) AS n, count(*) FILTER (user_agent = 'attacker') AS theirs FROM acts WHERE verdict = 'rogue'"
        )[0]
        said |= {"events": database.rows("SELECT count(*) AS n FROM events")[0]["n"], "principals_found": len(found & expected),
                 "principals_expected": len(expected), "false_principals": len(found - expected), "calls": calls["n"], "calls_of_the_attacker": calls["theirs"],
                 "calls_expected": sum(row["user_agent"] == "attacker" for row in story.attack()), **taint.counts(database),
                 "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}  # fmt: skip
        print(json.dumps(said))


def _id(one: str) -> str:
    """Of what is named after its moment."""
    name, at, moment = one.rpartition("@")
    return f"{name}@{_moved(moment)}" if at else one


if __name__ == "__main__":
    main()

"""How long one suspect takes among many events: `python -m tests.bench.lineage 10000000`.

The noise is made in SQL (look-alike principals, one call in six opens a session), the incident is that of the unit tests. Printed: seconds, and whether
the lineage was exactly the planted one.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from ansible_collections.evict.cloud.plugins.module_utils.common import suspect
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import taint
from ansible_collections.evict.cloud.plugins.module_utils.common.events import columns
from ansible_collections.evict.cloud.plugins.module_utils.common.events.database import Database
from tests.unit.analysis import events_made, story

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
      FROM (SELECT range AS i, hash(range) % 1000000007 AS h FROM range(?)))
"""


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(dir="build") as folder, Database.open(Path(folder), threads=2) as database:
        database.empty()
        database.run(NOISE, [count, count])
        planted = [*story.everyday(0), *story.attack()]
        database.table("events", columns.EVENTS, ([row[c] for c in columns.names(columns.EVENTS)] for row in planted), append=True)
        database.run("CHECKPOINT")
        began = time.monotonic()
        taint.trace(database, suspect.classify(story.SUSPECT), start=events_made.moment(story.START))
        seconds = time.monotonic() - began
        found = {row["id"] for row in database.rows("SELECT id FROM tainted WHERE verdict = 'rogue'")}
        said = {"events": count + len(planted), "seconds": round(seconds, 2), "principals_found": len(found & story.EXPECTED),
                "principals_expected": len(story.EXPECTED), "false_principals": len(found - story.EXPECTED), **taint.counts(database),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}  # fmt: skip
        print(json.dumps(said))


if __name__ == "__main__":
    main()

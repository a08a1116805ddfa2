#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_audit_event_info
short_description: Load CloudTrail into a case
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Reads CloudTrail from the event history of every enabled region, from a trail's bucket, or from a folder, and keeps the events in the case, where
    they are analysed.
  - Logs that are too large for this machine are asked in Athena (O(athena)), which selects what the lineage of the incident's suspects leads to.
  - A second run reads only what is new. An event is kept once, wherever it came from. Digest and Insight files are skipped and counted.
  - The event history has 90 days of management events. Who read which object or invoked which function is only in the files of a trail that logs data events.

extends_documentation_fragment:
  - evict.cloud.case
  - evict.cloud.events
  - evict.cloud.aws
  - evict.cloud.warehouse
options:
  athena:
    description:
      - A table of CloudTrail in Athena, laid out as AWS documents it (C(useridentity) a structure, C(requestparameters) text). Its partitions are pruned by
        O(accounts), O(regions) and the time.
      - It needs a beginning, of the incident's window or O(start). In check mode the result says what the first query would read.
    type: dict
    suboptions:
      database:
        description: Of the table, in Glue's catalog.
        type: str
        required: true
      table:
        description: Its name.
        type: str
        required: true
      workgroup:
        description: Which runs the queries. A limit of bytes of its own holds as well.
        type: str
        default: primary
      output:
        description: Where Athena puts its answers, C(s3://bucket/evict/). The default is that of the workgroup.
        type: str
      account:
        description: The account as whose responder it is asked. The default is the caller itself.
        type: str
      region:
        description: Of Athena and Glue. The default is that of the connection.
        type: str
      partitions:
        description:
          - What the partition columns mean, from V(account), V(region), V(date), V(year), V(month) and V(day) to the name of the column.
          - Usual names are known (C(account), C(region), C(timestamp), C(date), C(dt), C(year), C(month), C(day)).
        type: dict
        default: {}
      date_format:
        description: How V(date) is written, with C(yyyy), C(MM) and C(dd). The default is that of the projection, else C(yyyy/MM/dd).
        type: str
      seconds:
        description: After which a query is stopped.
        type: int
        default: 1800
  bucket:
    description:
      - A trail's bucket, C(s3://bucket) or C(s3://bucket/prefix), with the prefix of the trail. Trails of an organization are understood.
      - Only what O(accounts), O(regions), O(start) and O(end) leave is listed, and of that only what is new is fetched.
    type: str
  bucket_account:
    description: The account as whose responder the bucket is read. The default is the caller itself.
    type: str
  history:
    description: Read the event history too. The default is to read it when none of O(folder), O(bucket) and O(athena) is given.
    type: bool
  accounts:
    description: Which accounts. Of the history, the default is those of the suspects and of what the case knows by now; of a bucket, all.
      A suspect whose account nobody can tell is a gap, and is looked for in the caller's.
    type: list
    elements: str
  regions:
    description: Which regions. The default is all that are enabled, or that the bucket has.
    type: list
    elements: str
  start:
    description: From when (RFC 3339). The default is that of the incident's window; without one, all that there is. Files of a folder are read whole.
    type: str
  end:
    description: Until when. The default is that of the incident's window, else now.
    type: str
  seconds:
    description: After which the event history is not asked further. What was not read by then is a gap, which the next run reads.
    type: int
    default: 900
  threads:
    description: Regions whose history is read side by side, each at two requests a second.
    type: int
    default: 16
"""

EXAMPLES = r"""
- name: The event history of the suspects' accounts
  evict.cloud.aws_audit_event_info:
    case: ./cases/IR-2026-0042

- name: The organization's trail, two accounts of it, since the window of the incident began
  evict.cloud.aws_audit_event_info:
    case: ./cases/IR-2026-0042
    bucket: s3://company-trail
    accounts: ["111122223333", "444455556666"]

- name: What the lineage leads to, of a table with years of all accounts, for at most 200 GB
  evict.cloud.aws_audit_event_info:
    case: ./cases/IR-2026-0042
    athena: {database: logs, table: cloudtrail, output: "s3://company-answers/evict/", account: "999988887777"}
    ceiling: 200GB

- name: Files that somebody copied
  evict.cloud.aws_audit_event_info:
    case: ./cases/IR-2026-0042
    folder: /srv/evidence/cloudtrail
"""

RETURN = r"""
incident:
  description: Id of the incident.
  returned: success
  type: str
  sample: IR-2026-0042
loaded:
  description: How many events are new, by their log.
  returned: success
  type: dict
  sample: {cloudtrail: 120400}
duplicates:
  description: Records that were there already, or twice.
  returned: success
  type: int
  sample: 812
files:
  description: How many files there are (C(files)), were dealt with by an earlier run (C(known)), were C(read), were read by the C(tolerant) reader, are
    C(unreadable), and in check mode would be looked at (C(waiting)).
  returned: success
  type: dict
  sample: {files: 96, known: 12, waiting: 0, read: 82, tolerant: 1, unreadable: 1}
skipped_files:
  description: Files that are no logs of events, by what they are - V(digest), V(insight), V(empty), V(other).
  returned: success
  type: dict
  sample: {digest: 24}
left_out:
  description: Records that are no events of these logs, by what they are.
  returned: success
  type: dict
  sample: {other: 3}
lost:
  description: Records that the tolerant reader could not read. Their files are gaps.
  returned: success
  type: int
  sample: 0
shortened:
  description: Records out of which it left what was nested too deep.
  returned: success
  type: int
  sample: 0
odd:
  description:
    - New events with something odd, by what it is - C(no_time), C(no_id), C(future), C(odd_region), C(odd_address) (hidden or no address), C(markup) (text
      that is meant for templates, pages or spreadsheets), C(deep), C(large), and C(out_of_order) of all records. They are loaded like all others.
  returned: success
  type: dict
  sample: {odd_address: 2}
kept:
  description: What the case holds now, by log - C(parts), C(events), C(bytes), C(start), C(end).
  returned: success
  type: dict
  sample:
    cloudtrail: {parts: 2, events: 240800, bytes: 19120004, start: "2026-11-20T00:00:00Z", end: "2026-11-22T23:59:58Z"}
gaps:
  description: The first 50 of what could not be read or is not logged, with C(account), C(region), C(start), C(end), C(object) and C(why).
  returned: success
  type: list
  elements: dict
  sample:
    - cloud: aws
      account: "111122223333"
      region: null
      source: cloudtrail
      start: null
      end: null
      object: /logs/broken.json
      why: "not read: Permission denied"
gap_count:
  description: How many gaps the case has of these logs.
  returned: success
  type: int
  sample: 1
complete:
  description: Whether there is none.
  returned: success
  type: bool
  sample: false
calls:
  description: Requests that were sent to the cloud.
  returned: success
  type: int
  sample: 340
warehouse:
  description:
    - What was asked of a warehouse - C(engine), C(queries), the C(handles) that they asked for, C(rounds), C(rows), and how many bytes they read at most
      (C(scanned)), C(how) that is known, and the C(ceiling). In check mode, of the first round.
  returned: when a warehouse was asked
  type: dict
  sample:
    {engine: athena, queries: 5, handles: 28, rounds: 5, rows: 4120, scanned: 61203283968, ceiling: 1099511627776,
     how: "sizes of 41200 objects in 1020 partitions"}
head:
  description: The ledger's hash after this run.
  returned: success
  type: str
  sample: 9f2c…
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import audit
from ansible_collections.evict.cloud.plugins.module_utils.common.events import collect, formats


def main() -> None:
    module = AnsibleModule(argument_spec=audit.ARGUMENTS, required_one_of=[("case", "incident", "incident_data")], supports_check_mode=True)
    collect.run(module, formats.OF_CLOUD["aws"], audit.read)


if __name__ == "__main__":
    main()

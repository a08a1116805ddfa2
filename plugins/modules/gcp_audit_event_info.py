#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: gcp_audit_event_info
short_description: Load Google Cloud's audit logs into a case
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Reads Cloud Audit Logs from files in a folder, and keeps the events in the case, where they are analysed.
  - Understood are the answers of the Logging API (also C(gcloud logging read --format=json)), and what a sink writes to a bucket (JSON lines).
  - A second run reads only what is new. An event is kept once, wherever it came from.
  - Logs that a sink sends to BigQuery are asked there (O(bigquery)), which selects what the lineage of the incident's suspects leads to.
  - The calls that fetch other logs from Google Cloud come with the rest of that cloud. Until then somebody has to export them.

extends_documentation_fragment:
  - evict.cloud.case
  - evict.cloud.events
  - evict.cloud.warehouse
options:
  bigquery:
    description:
      - Tables that a sink of Cloud Logging writes, partitioned by time (not one table for each day).
      - It needs a beginning, of the incident's window or O(start). Credentials are those of the incident's C(connection.gcp), else of Google's own chain.
    type: dict
    suboptions:
      project:
        description: Of the dataset.
        type: str
        required: true
      dataset:
        description: Which the sink writes into.
        type: str
        required: true
      location:
        description: Of the dataset, V(EU), V(US) or a region.
        type: str
        required: true
      tables:
        description: One that is not there is a gap.
        type: list
        elements: str
        default: [cloudaudit_googleapis_com_activity, cloudaudit_googleapis_com_data_access]
      job_project:
        description: The project that runs the queries and pays. The default is O(bigquery.project).
        type: str
  start:
    description: From when (RFC 3339). The default is that of the incident's window. Files of a folder are read whole.
    type: str
  end:
    description: Until when. The default is that of the incident's window, else now.
    type: str
"""

EXAMPLES = r"""
- name: Files that were exported
  evict.cloud.gcp_audit_event_info:
    case: ./cases/IR-2026-0042
    folder: /srv/evidence/gcp

- name: What the lineage leads to, of the organization's sink
  evict.cloud.gcp_audit_event_info:
    case: ./cases/IR-2026-0042
    bigquery: {project: company-logs, dataset: audit, location: EU}
    ceiling: 200GB
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
  sample: {gcp_audit: 120400}
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
  description: Files that are no logs of events here, by what they are - V(cloudtrail) (as AWS delivers it), V(digest), V(insight), V(empty), V(other).
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
    gcp_audit: {parts: 2, events: 240800, bytes: 19120004, start: "2026-11-20T00:00:00Z", end: "2026-11-22T23:59:58Z"}
gaps:
  description: The first 50 of what could not be read or is not logged, with C(account), C(region), C(start), C(end), C(object) and C(why).
  returned: success
  type: list
  elements: dict
  sample:
    - cloud: gcp
      account: "111122223333"
      region: null
      source: gcp_audit
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
    {engine: bigquery, queries: 5, handles: 28, rounds: 5, rows: 4120, scanned: 61203283968, ceiling: 1099511627776,
     how: "dry run"}
head:
  description: The ledger's hash after this run.
  returned: success
  type: str
  sample: 9f2c…
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.common.events import collect, formats
from ansible_collections.evict.cloud.plugins.module_utils.outside import bigquery_audit


def main() -> None:
    module = AnsibleModule(
        argument_spec=bigquery_audit.ARGUMENTS, required_one_of=[("case", "incident", "incident_data")], supports_check_mode=True
    )
    collect.run(module, formats.OF_CLOUD["gcp"], bigquery_audit.read)


if __name__ == "__main__":
    main()

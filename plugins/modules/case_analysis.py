#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: case_analysis
short_description: Tell from the logs of a case who and what is in wrong hands, and what was done
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict-cloud)
description:
  - Follows the suspects of the incident through the audit logs that were loaded into the case - what each of their successful calls opened (sessions, roles,
    users, keys, console sign-ins, machines and functions that were given a role, service accounts, credentials of applications), what these opened in turn,
    and so on, over accounts, regions and clouds, until nothing new comes.
  - Whose a credential is that the attacker and its owner both use is decided call by call, by actor, window, lineage, network and result together. What a
    legitimate principal may have done is V(review), never V(rogue), and nothing is V(rogue) for its name or its address alone. Failed calls open nothing.
  - Where a conclusion rests on a log that is missing, or on an answer that a log does not hold, the report says so (C(doubts)). Nothing is called clean.
  - What was changed stands under its technique of the catalogue, with the name by which it is evicted; what was read, what was denied, and from when to when
    the logs are blind stand beside it.
  - Proposes a plan (M(evict.cloud.case_plan)) - whom to contain, what to fence, to evict and to rotate. What people decided in an earlier revision stays.
  - The result is small. Everything is in C(report/investigation.json) of the case, and for people in C(report/investigation.html) with pictures
    (if C(matplotlib) is installed); C(report/attack-layer.json) is a layer for the ATT&CK Navigator.
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
  diff_mode:
    description: Shows what has changed.
    support: none
  idempotent:
    description: A second run on the same case changes nothing.
    support: full
options:
  case:
    description: The open case, C(<store>/<id>). Its own C(incident.json) is what counts.
    type: str
  incident:
    description: Path of an incident file, instead of O(case).
    type: path
  incident_data:
    description: The incident as M(evict.cloud.case) returned it. Used when the case is not there yet.
    type: dict
  store:
    description: How to reach the store of O(case), when its URL is not enough - C(profile), C(region), C(role_arn), C(endpoint_url).
    type: dict
  since:
    description:
      - When the attacker may have begun, RFC 3339. The default is C(window.start) of the incident.
      - What a credential was used from before counts as its owner's networks, so a moment that lies too late makes the attacker look like the owner; the
        report says so when it can tell. Without any, a network that was in use for a day before the newest one came counts as the owner's.
    type: str
  until:
    description: When the suspects were out of the attacker's hands. It does not bound what the attacker made. The default is C(window.end) of the incident.
    type: str
  limit:
    description: Rows of each list in the report.
    type: int
    default: 5000
  memory:
    description: What the database may use.
    type: str
    default: 4GB
  threads:
    description: Threads of the database. V(0) is one for each processor.
    type: int
    default: 0
  geo:
    description:
      - MaxMind DB files (City or Country, ASN) on this machine. With them countries and providers that are new for a principal are told, and travel that nobody
        makes. Needs C(maxminddb).
    type: list
    elements: path
  sigma:
    description:
      - Files with Sigma rules, and folders in which all files that end with C(.yml) or C(.yaml) are such, on this machine.
      - Rules of the log sources C(aws/cloudtrail), C(azure/activitylogs), C(azure/auditlogs), C(azure/signinlogs) and C(gcp/gcp.audit) are asked of all events
        of the window. What they find stands among the anomalies - nothing becomes V(rogue) by a rule. Needs C(pysigma).
      - A rule that cannot be read, is about another log or uses what is not supported is named with the reason, and the others are asked.
    type: list
    elements: path
requirements:
  - obstore
  - duckdb
notes:
  - The module takes no lease, so it can run beside a containment. The ledger is told of a new revision of the plan, and of nothing else.
  - The database, C(case.duckdb), is made anew from the parts of the case. It lies in the case if that is a directory, else in the user's cache.
seealso:
  - module: evict.cloud.case
"""

EXAMPLES = r"""
- name: What came of the leaked key?
  evict.cloud.case_analysis:
    case: /srv/cases/IR-2026-0042
  register: analysis

- name: The same, from an earlier moment on
  evict.cloud.case_analysis:
    case: /srv/cases/IR-2026-0042
    since: "2026-11-18T00:00:00Z"
    limit: 50000

- name: With the team's own detections
  evict.cloud.case_analysis:
    case: /srv/cases/IR-2026-0042
    sigma: [/srv/detections/cloud]
"""

RETURN = r"""
incident:
  description: Id of the incident.
  returned: success
  type: str
  sample: IR-2026-0042
events:
  description: Events in the case's database.
  returned: success
  type: int
  sample: 1048576
covers:
  description: The C(first) and the C(last) moment of which there is an event.
  returned: success
  type: dict
  sample: {first: "2026-11-01T00:00:00Z", last: "2026-11-22T09:00:00Z"}
window:
  description: The C(start) and C(end) that were used.
  returned: success
  type: dict
  sample: {start: "2026-11-20T00:00:00Z", end: null}
counts:
  description: How many identities and credentials are C(tainted), and how many calls they made (C(acts)), by verdict.
  returned: success
  type: dict
  sample: {tainted: {rogue: 16, review: 1}, acts: {rogue: 28, review: 15}}
principals:
  description: Users, roles and accounts as which the attacker acted.
  returned: success
  type: int
  sample: 7
tainted:
  description:
    - Identities and credentials in wrong hands, V(rogue) ones first, at most 200. C(via) is the call that opened it, C(parent) the id of who made the call.
    - Text of logs as it was written there.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: session
      id: ASIAIOSFODNN7EXAMPLE
      arn: "arn:aws:sts::111122223333:assumed-role/deploy/x"
      cloud: aws
      account: "111122223333"
      verdict: rogue
      confidence: 100
      via: AssumeRole
      parent: AKIAIOSFODNN7EXAMPLE
      since: "2026-11-20T10:02:00Z"
      until: null
gaps:
  description: What could not be loaded, in entries.
  returned: success
  type: int
  sample: 2
doubts:
  description: Conclusions that rest on something that could not be seen, in entries. The report has them.
  returned: success
  type: int
  sample: 3
unknown:
  description: Those of them that are about the lineage as a whole.
  returned: success
  type: list
  elements: str
  sample: []
done:
  description: How many objects were C(changed) and C(read), calls C(denied), logs C(blinded), and how many C(anomalies) there are.
  returned: success
  type: dict
  sample: {changed: 12, read: 3, denied: 4, blinded: 1, anomalies: 6}
sigma:
  description: How many Sigma C(rules) were asked, how many C(findings) they made, and how many entries of C(unknown) in the report are about them.
  returned: when O(sigma) is given
  type: dict
  sample: {rules: 40, findings: 3, unknown: 2}
plan:
  description: The plan as M(evict.cloud.case_plan) sums it up, and its C(file).
  returned: success
  type: dict
  sample: {revision: 1, executable: 9, waiting: 2, decided: 0, file: /srv/cases/IR-2026-0042/plan/0001.yml}
page:
  description: The page for people.
  returned: success
  type: str
  sample: /srv/cases/IR-2026-0042/report/investigation.html
report:
  description: Where the whole of it is.
  returned: success
  type: str
  sample: /srv/cases/IR-2026-0042/report/investigation.json
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import catalogue
from ansible_collections.evict.cloud.plugins.module_utils.common import errors
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import investigate


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "case": {"type": "str"},
            "incident": {"type": "path"},
            "incident_data": {"type": "dict"},
            "store": {"type": "dict"},
            "since": {"type": "str"},
            "until": {"type": "str"},
            "limit": {"type": "int", "default": 5000},
            "memory": {"type": "str", "default": "4GB"},
            "threads": {"type": "int", "default": 0},
            "geo": {"type": "list", "elements": "path"},
            "sigma": {"type": "list", "elements": "path"},
        },
        required_one_of=[("case", "incident", "incident_data")],
        supports_check_mode=True,
    )
    result: dict[str, object] = {}
    with errors.handler(module):
        result = investigate.run(module.params, check=module.check_mode, catalogues={"aws": catalogue.CATALOGUE})
    module.exit_json(**result)


if __name__ == "__main__":
    main()

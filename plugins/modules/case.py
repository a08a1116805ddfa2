#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: case
short_description: Validate an incident, open its case, close it
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Reads an incident file, checks all of it before anything else is done, and keeps its canonical form as C(incident.json) in the case.
  - One indicator (O(suspect)) is enough - the rest gets defaults, and an incident file to edit is written where the command was started.
  - The incident is data. Nothing in it is ever templated, whoever chose the names and titles in it.
  - When the task passes none of O(incident), O(suspect) and O(case), the variables of these names are taken as they were written,
    without templating. A mapping (C(-e @incident.yml)) is taken too, unless a string in it holds a template.
options:
  state:
    description:
      - V(open) validates the incident, opens its case or brings the case up to date with it.
      - V(closed) notes in the ledger that the case is closed. It is refused while a run is at work in the case.
    type: str
    choices: [open, closed]
    default: open
  incident:
    description: Path of an incident file, YAML or JSON.
    type: path
  suspect:
    description:
      - One indicator - an access key id, an ARN, a user name, an e-mail, an instance id or a pasted log line. Of a log line only the identity is kept.
      - An open case in C(./cases) that has this suspect is used again. Else a new incident gets defaults, and its file C(incident-<id>.yml) is written.
      - A text that names several identities is refused with the list of them. A text that holds a secret is refused without showing it.
      - Beside O(incident) or O(data), that file is a template (what M(evict.cloud.aws_readiness_info) looks at), and this its suspect. Without an
        C(id) of its own the incident gets one that follows from the suspect, so that the same job leads to the same case again.
    type: str
  case:
    description: An existing case, C(<store>/<id>).
    type: str
  store:
    description: How to reach the store of O(case), when its URL is not enough - C(profile), C(region), C(role_arn), C(endpoint_url).
    type: dict
  data:
    description: The incident as a mapping. Filled by the action plugin from C(-e @incident.yml).
    type: dict
  directory:
    description: Where the command was started. Relative paths and stores are resolved against it. The default is the current directory.
    type: path
  reason:
    description:
      - Why the case is closed. Needed while the ledger holds intents without an outcome, or a second look at a containment is not made yet.
      - No reason closes a case in which a change gives somebody access and nobody knows who made it. A later look explains it, or somebody says with
        M(evict.cloud.case_confirm) that they have dealt with it.
      - With O(state=open), why a closed case is opened again, or why the incident names fewer suspects than its open case; the latter are printed, and
        kept in the ledger. Who was judged a false positive, or whom the O(plan) skips, needs none.
    type: str
  by:
    description: Who closes the case, or opens it again. The default is the name of the system's user.
    type: str
  allow_local_store:
    description: Accept a directory in a container's own layer as the store of a new case. It is lost with the container.
    type: bool
    default: false
  notify_file:
    description:
      - A YAML file with the keys C(notify), C(escalation), C(severity_matrix), C(legal) and C(production), for an incident that does not have them.
      - So people are told also when a case is opened from one indicator. Of a case that was opened before it does not count; a note says so.
    type: path
  plan:
    description:
      - A reviewed plan (M(evict.cloud.case_plan)). What it says is to be contained (principals and sessions become suspects, resources are to be fenced)
        is added to the incident.
      - That is what a person decided (C(decision) V(do)), and what is C(rogue) with at least O(min_confidence), unless they said V(skip).
      - Must be the last revision of the case, as the case has it. Of a file in the case's own folder C(plan) the case need not be named.
    type: path
  min_confidence:
    description: How sure an investigation must have been of what nobody decided on. More of these than C(limits.principals) are refused.
    type: int
    default: 80
attributes:
  check_mode:
    description: Can run in check mode, where nothing is written anywhere, and the store need not exist.
    support: full
  diff_mode:
    description: Shows C(incident.json) before and after.
    support: full
  idempotent:
    description: A second run with the same incident changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Open the case of an incident file
  evict.cloud.case:
    incident: incident.yml

- name: Open a case from a leaked access key
  evict.cloud.case:
    suspect: AKIAIOSFODNN7EXAMPLE

- name: Add what a reviewed plan says is to be contained
  evict.cloud.case:
    case: ./cases/IR-2026-0042
    plan: ./cases/IR-2026-0042/plan/0003.yml

- name: Close a case
  evict.cloud.case:
    case: ./cases/IR-2026-0042
    state: closed
    by: Ada Lovelace
    reason: keys rotated, drift re-check clean for four weeks
"""

RETURN = r"""
case:
  description: The case, C(<store>/<id>); a directory is absolute.
  returned: success
  type: str
  sample: /srv/ir/cases/IR-2026-0042
incident:
  description: Id of the incident.
  returned: success
  type: str
  sample: IR-2026-0042
incident_file:
  description: The incident file that was read or written; empty when there is none.
  returned: success
  type: str
  sample: /srv/ir/incident.yml
suspects:
  description: The suspects, in words.
  returned: success
  type: list
  elements: str
  sample: [access key AKIAIOSFODNN7EXAMPLE in 111122223333]
store:
  description: How to reach the case's store, when its URL is not enough.
  returned: success
  type: dict
  sample: {}
incident_data:
  description:
    - The incident in its canonical form. In check mode there may be no case to read it from.
    - In an emergency the store may fail before the next task.
  returned: success, in check mode and for an emergency in a bucket
  type: dict
  sample: {}
notifiers:
  description: Names of the channels that are told of the case.
  returned: success
  type: list
  elements: str
  sample: [ops]
severity:
  description: Severity of the incident.
  returned: success
  type: str
  sample: critical
mode:
  description: Mode of the response.
  returned: success
  type: str
  sample: emergency
state:
  description: Whether the case is V(open) or V(closed).
  returned: success
  type: str
  sample: open
notes:
  description: What a person should know, such as that an open case of the same suspect is used again.
  returned: success
  type: list
  elements: str
  sample: []
diff:
  description: The canonical incident before and after.
  returned: success
  type: dict
  sample: {before_header: incident.json, after_header: incident.json, before: "", after: "{}"}
problems:
  description: What is wrong with the incident; each entry has a C(path) and a C(message).
  returned: when the incident or another option was refused
  type: list
  elements: dict
  sample: [{path: "incident.suspects[1].arn", message: "not an ARN: 'x'"}]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, opening

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "choices": ["open", "closed"], "default": "open"},
    "incident": {"type": "path"},
    "suspect": {"type": "str"},
    "case": {"type": "str"},
    "store": {"type": "dict"},
    "data": {"type": "dict"},
    "directory": {"type": "path"},
    "reason": {"type": "str"},
    "by": {"type": "str"},
    "allow_local_store": {"type": "bool", "default": False},
    "notify_file": {"type": "path"},
    "plan": {"type": "path"},
    "min_confidence": {"type": "int", "default": 80},
}


def main() -> None:
    sources = ["incident", "suspect", "case", "data", "plan"]
    apart = [["incident", "case", "data"], ["suspect", "case"]]
    module = AnsibleModule(argument_spec=ARGUMENTS, mutually_exclusive=apart, required_one_of=[sources], supports_check_mode=True)
    result: dict[str, t.Any] = {}
    with errors.handler(module):
        result = opening.run(module.params, check=module.check_mode)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

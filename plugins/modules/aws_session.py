#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_session
short_description: Revoke the sessions of AWS users and roles
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Denies sessions that were issued before now, by AWS's own clock. Sessions issued later work. Of a user it is what is issued in the next ten seconds, too,
    for which the policy spreads.
  - For a user it reaches credentials of GetSessionToken and GetFederationToken.

extends_documentation_fragment:
  - evict.cloud.attributes
  - evict.cloud.aws
  - evict.cloud.case
  - evict.cloud.run
options:
  state:
    description: V(revoked) denies the sessions issued so far. A cutoff that stands is kept, so a second run changes nothing.
    type: str
    choices: [revoked]
    default: revoked
  principals:
    description: ARNs of users and roles, key ids, or user names.
    type: list
    elements: str
    required: true
  sessions:
    description: Deny only these session names of the roles, whenever they were issued; other sessions go on.
    type: list
    elements: str
  revoke_again:
    description: Move a cutoff that stands to now.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: End what was issued so far
  evict.cloud.aws_session:
    incident: incident.yml
    principals: ["arn:aws:iam::111122223333:role/deploy"]

- name: End one session of a shared role
  evict.cloud.aws_session:
    incident: incident.yml
    principals: ["arn:aws:iam::111122223333:role/deploy"]
    sessions: [build-4711]
"""

RETURN = r"""
changed_count:
  description: How many objects were changed, or would be in check mode.
  returned: when the case could be opened
  type: int
  sample: 5
status:
  description: V(ok), V(partial), V(open), V(refused) or V(error). Anything but V(ok) fails the task.
  returned: when the case could be opened
  type: str
  sample: ok
steps:
  description: What was done to which object, at most 500 of them; the ledger holds all.
  returned: when the case could be opened
  type: list
  elements: dict
  sample:
    - principal: "arn:aws:iam::111122223333:user/ci"
      resource: "arn:aws:iam::111122223333:user/ci access key AKIAIOSFODNN7EXAMPLE"
      action: deactivate
      status: done
problems:
  description: What failed or was refused, each with C(object), C(operation), C(message) and C(remedy).
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
recovered:
  description: What became of the intents that an interrupted run had left without an outcome.
  returned: when the case could be opened
  type: list
  elements: str
  sample: []
head:
  description: Hash of the case's ledger after this run.
  returned: when the case could be opened
  type: str
  sample: 9f2c...
calls:
  description: Requests that were sent to AWS.
  returned: when the case could be opened
  type: int
  sample: 23
incident:
  description: Id of the incident.
  returned: when the case could be opened
  type: str
  sample: IR-2026-0042
principals:
  description: The principals, as C({cloud, account, kind, id, arn, name, suspect, state, reason}).
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
open:
  description: What stays open, with C(object), C(why) and C(due).
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
residual:
  description: What could still act, until when and why.
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import entry, verbs


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **entry.ARGUMENTS,
            "state": {"type": "str", "choices": ["revoked"], "default": "revoked"},
            "principals": {"type": "list", "elements": "str", "required": True},
            "sessions": {"type": "list", "elements": "str"},
            "revoke_again": {"type": "bool", "default": False},
        },
        required_one_of=[("case", "incident", "incident_data")],
        supports_check_mode=True,
    )
    entry.change(module, lambda aws, case, runner: verbs.session_state(aws, case, runner, module.params))


if __name__ == "__main__":
    main()

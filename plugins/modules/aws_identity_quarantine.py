#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_identity_quarantine
short_description: Fence AWS users and roles, or lift the fence
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Gives users and roles an inline deny policy of this incident, or takes it away again.
  - For a role the action follows a rule, since a deny on a workload's role stops production; see O(action).

extends_documentation_fragment:
  - evict.cloud.attributes
  - evict.cloud.aws
  - evict.cloud.case
  - evict.cloud.run
options:
  state:
    description:
      - V(present) puts the deny policy on the principals.
      - V(absent) lifts what this incident put there, only where a session cutoff stands in its place, so that no token comes back to life.
    type: str
    choices: [present, absent]
    default: present
  principals:
    description: ARNs of users and roles, key ids, or user names.
    type: list
    elements: str
    required: true
  action:
    description:
      - What is done to a role. V(session) denies the suspect sessions, V(revoke) denies sessions issued before now, V(clamp) denies from outside
        the trusted networks of the incident, V(deny) denies everything.
      - V(auto) is V(deny) for a role that nobody has used in 90 days, V(clamp) when trusted networks are known, else V(revoke). The role of a service
        is only ever revoked. The default is C(role_action) of the incident.
    type: str
    choices: [auto, session, revoke, clamp, deny]
"""

EXAMPLES = r"""
- name: Fence a user
  evict.cloud.aws_identity_quarantine:
    incident: incident.yml
    principals: ["arn:aws:iam::111122223333:user/ci-deploy"]

- name: Lift the fence again
  evict.cloud.aws_identity_quarantine:
    incident: incident.yml
    principals: ["arn:aws:iam::111122223333:user/ci-deploy"]
    state: absent
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
open:
  description: What was not lifted, and why.
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
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
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "principals": {"type": "list", "elements": "str", "required": True},
            "action": {"type": "str", "choices": ["auto", "session", "revoke", "clamp", "deny"]},
        },
        required_one_of=[("case", "incident", "incident_data")],
        supports_check_mode=True,
    )
    entry.change(module, lambda aws, case, runner: verbs.quarantine_state(aws, case, runner, module.params))


if __name__ == "__main__":
    main()

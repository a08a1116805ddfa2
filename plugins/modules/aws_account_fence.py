#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_account_fence
short_description: Fence AWS users and roles from above their account, or lift that fence
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Attaches a service control policy to the account of contained users and roles, or takes it away again. Nobody in the account can remove it.
  - It repeats the denies that this incident has put on the users and roles themselves, denies the federation sessions of the account, and denies changes to
    those users and roles to everybody but the responder and what the incident protects. Who is exempt cannot be changed or made anew by others.
  - Needs a caller in the management account, a delegated policy administrator, or O(management_role_arn). No account is moved, no policy type enabled.
  - AWS exempts the management account and service-linked roles from service control policies.
  - M(evict.cloud.aws_contain) does this by itself.

extends_documentation_fragment:
  - evict.cloud.attributes
  - evict.cloud.aws
  - evict.cloud.case
options:
  state:
    description:
      - V(present) attaches the policy, or extends the one that is there.
      - V(absent) takes the principals out of it, and detaches and deletes it when it holds nobody any more; only where the identity's own fence or a session
        cutoff stands, so that no token comes back to life.
    type: str
    choices: [present, absent]
    default: present
  principals:
    description: ARNs of users and roles, key ids, or user names that this incident has fenced. With O(state=absent) the default is all.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Fence a user from above its account
  evict.cloud.aws_account_fence:
    incident: incident.yml
    principals: ["arn:aws:iam::111122223333:user/ci-deploy"]
    management_role_arn: "arn:aws:iam::999988887777:role/incident-policies"

- name: Lift it
  evict.cloud.aws_account_fence:
    case: ./cases/IR-2026-0042
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
  description: The principals, as C({cloud, account, kind, id, arn, name, suspect, state, reason, controls}).
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
fences:
  description:
    - For each account, whether a service control policy holds its principals (C(control) is V(scp) or V(none)), its names, what holds C(instead), why, and what to
      do about it.
  returned: when the case could be opened
  type: list
  elements: dict
  sample: [{account: "111122223333", control: scp, policies: [evict-IR-2026-0042-111122223333-1], instead: [], why: AWS exempts service-linked roles from it,
            remedy: ""}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import entry, verbs


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **entry.ARGUMENTS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "principals": {"type": "list", "elements": "str"},
        },
        required_one_of=[("case", "incident", "incident_data")],
        supports_check_mode=True,
    )
    entry.change(module, lambda aws, case, runner: verbs.account_fence_state(aws, case, runner, module.params))


if __name__ == "__main__":
    main()

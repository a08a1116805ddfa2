#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_resource
short_description: Isolate compute of a case, and give it back
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - "EC2 instances: snapshots of their EBS volumes are started and stay; termination protection goes on and C(DeleteOnTermination) off; they leave auto-scaling
    group (which replaces them) and target groups; their interfaces go through a security group that allows everything, so that nothing is tracked any more,
    into one that allows nothing; their instance profile is taken away."
  - "Lambda functions: reserved concurrency 0, function URLs ask for a signature, event source mappings are switched off."
  - "ECS tasks: kept from deployments and scaling for 48 hours, out of their target groups, and their session of the role is denied. AWS lets nobody change
    their network."
  - Nothing is ever terminated. What is not there any more is named and no failure.
  - M(evict.cloud.aws_contain) does the same for what a suspect started and for what the incident file names.

extends_documentation_fragment:
  - evict.cloud.attributes
  - evict.cloud.aws
  - evict.cloud.case
  - evict.cloud.run
options:
  state:
    description: V(absent) gives back what this case did, except snapshots, which are evidence. What a suspect started stays isolated.
    type: str
    choices: [present, absent]
    default: present
  action:
    description: V(stop) also stops instances that mine or destroy data now, and only those that a suspect of this case started; others are refused by name.
    type: str
    choices: [isolate, stop]
    default: isolate
  resources:
    description: ARNs of EC2 instances, Lambda functions (without version) and ECS tasks, or ids of instances.
    type: list
    elements: str
    required: true
  account:
    description: Of instances that are given by their id; the caller's own if left out.
    type: str
"""

EXAMPLES = r"""
- name: Take a machine out of production and out of the network, as evidence
  evict.cloud.aws_resource:
    incident: incident.yml
    resources: ["arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0"]

- name: Stop what the attacker runs
  evict.cloud.aws_resource:
    case: ./cases/IR-2026-0042
    action: stop
    resources: [i-0fedcba9876543210]
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
isolated:
  description:
    - What became of each, with C(object), C(text), C(state), C(how) it came to be chosen, and C(why).
    - C(state) is V(isolated), V(stopped), V(would be isolated), V(partly), V(gone), V(refused) or V(unknown).
  returned: when the case could be opened
  type: list
  elements: dict
  sample: [{object: "arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0", text: EC2 instance i-0123456789abcdef0 in eu-west-1,
            state: isolated, how: named in the task, why: ""}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import entry, resource


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **entry.ARGUMENTS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "action": {"type": "str", "choices": ["isolate", "stop"], "default": "isolate"},
            "resources": {"type": "list", "elements": "str", "required": True},
            "account": {"type": "str"},
        },
        required_one_of=[("case", "incident", "incident_data")],
        supports_check_mode=True,
    )
    entry.change(module, lambda aws, case, runner: resource.resource_state(aws, case, runner, module.params))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_resource_fence
short_description: Deny contained AWS users and roles in the policies of sensitive resources, or lift that deny
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Merges statements of this incident into the policy of S3 buckets, KMS keys, Secrets Manager secrets, SQS queues, SNS topics, Lambda functions and ECR
    repositories, or takes them out again. What others have in the policy stays as it is.
  - They repeat the denies that this incident has put on the users and roles themselves, so a role that others share keeps working for them, and deny the
    federation sessions of the users' accounts except those under C(trusted.principals). Log delivery, backups, the responder and what the incident
    protects are never denied.
  - Before each write a local evaluation of the policy shows that the responder, and whoever is protected, can still change it afterwards. A policy that
    holds what is not understood, is no valid JSON, or would get too long is left alone and named. The lock-out check of KMS is never bypassed.
  - Functions need a boto3 that knows C(PutResourcePolicy) of Lambda (July 2026). C(AddPermission) cannot deny.
  - M(evict.cloud.aws_contain) does this by itself.

extends_documentation_fragment:
  - evict.cloud.attributes
  - evict.cloud.aws
  - evict.cloud.case
  - evict.cloud.run
options:
  state:
    description:
      - V(present) writes the deny, or extends the one that is there.
      - V(absent) takes the principals out of it, only where the identity's own fence or a session cutoff stands, so that no token comes back to life. A policy
        that nobody else has changed is afterwards what it was, to the byte. Block Public Access stays as long as the bucket would be open to everybody.
    type: str
    choices: [present, absent]
    default: present
  resources:
    description: ARNs of resources. The default is those that the incident names under C(resources.fence), and those that this case has fenced.
    type: list
    elements: str
  principals:
    description: ARNs of users and roles, key ids, or user names that this incident has fenced. The default is all that this case has contained.
      Whom the incident has not fenced, or has released, is not denied by any resource; a fence that somebody took away is a failure.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Fence a bucket and a key from what the case has contained
  evict.cloud.aws_resource_fence:
    case: ./cases/IR-2026-0042
    resources:
      - "arn:aws:s3:::customer-data"
      - "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

- name: Lift it
  evict.cloud.aws_resource_fence:
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
resource_fences:
  description:
    - Each resource that was looked at, with C(object), C(resource), C(state), why and what to do about it, and of a bucket that a suspect may have opened
      to everybody (C(public)) what became of that.
    - C(state) is V(fenced), V(would be fenced), V(failed), V(exempt), V(refused), V(gone), V(unknown), V(left), or V(spared) for a contained identity that
      no resource denies.
  returned: when the case could be opened
  type: list
  elements: dict
  sample: [{object: "arn:aws:s3:::customer-data", resource: bucket customer-data, state: fenced, why: declared, remedy: "", public: ""}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import entry, verbs


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **entry.ARGUMENTS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "resources": {"type": "list", "elements": "str"},
            "principals": {"type": "list", "elements": "str"},
        },
        required_one_of=[("case", "incident", "incident_data")],
        supports_check_mode=True,
    )
    entry.change(module, lambda aws, case, runner: verbs.resource_fence_state(aws, case, runner, module.params))


if __name__ == "__main__":
    main()

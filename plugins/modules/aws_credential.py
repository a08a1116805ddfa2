#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_credential
short_description: Disable, enable or delete the credentials of AWS users
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Acts on every credential of the named kinds that the users hold.
  - A credential that the case names as compromised is never enabled again.

extends_documentation_fragment:
  - evict.cloud.attributes
  - evict.cloud.aws
  - evict.cloud.case
  - evict.cloud.run
options:
  state:
    description:
      - V(disabled) can be undone, except for a console password and an MFA device, of which AWS keeps nothing. V(absent) cannot be undone.
      - MFA devices are removed when they were enrolled in the incident's window, or when O(ids) names them.
    type: str
    choices: [disabled, enabled, absent]
    default: disabled
  principals:
    description: ARNs of users, key ids, or user names.
    type: list
    elements: str
    required: true
  kinds:
    description:
      - Kinds of credential. C(service_specific_credential) is for CodeCommit, Keyspaces, CloudWatch Logs, Bedrock and the Claude Platform.
    type: list
    elements: str
    choices: [access_key, login_profile, mfa_device, service_specific_credential, signing_certificate, ssh_public_key]
    default: [access_key, login_profile, mfa_device, service_specific_credential, signing_certificate, ssh_public_key]
  ids:
    description: Only these credentials - their ids, serial numbers of MFA devices, or V(password).
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Switch every access key of a user off
  evict.cloud.aws_credential:
    incident: incident.yml
    principals: ["arn:aws:iam::111122223333:user/ci-deploy"]
    kinds: [access_key]
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

from ansible_collections.evict.cloud.plugins.module_utils.aws import credentials, entry, verbs


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **entry.ARGUMENTS,
            "state": {"type": "str", "choices": ["disabled", "enabled", "absent"], "default": "disabled"},
            "principals": {"type": "list", "elements": "str", "required": True},
            "kinds": {"type": "list", "elements": "str", "choices": sorted(credentials.KINDS), "default": sorted(credentials.KINDS)},
            "ids": {"type": "list", "elements": "str"},
        },
        required_one_of=[("case", "incident", "incident_data")],
        supports_check_mode=True,
    )
    entry.change(module, lambda aws, case, runner: verbs.credential_state(aws, case, runner, module.params))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_principal_info
short_description: Tell what a suspect is in AWS, and what it holds
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Resolves suspects to users and roles, and reads their credentials of every kind with status and dates, policies, trust and tags.
  - A read that failed is shown as unknown, with the reason, never as empty. Ambiguity is answered with the candidates.

extends_documentation_fragment:
  - evict.cloud.info
  - evict.cloud.aws
options:
  suspects:
    description: Access key ids, session key ids, ARNs, user names, e-mail addresses, instance ids, or pasted log lines. The default is those of the incident.
    type: list
    elements: str
  incident:
    description: Path of an incident file; its suspects and its connection are used.
    type: path
  account:
    description: Account in which names are looked up. The default is the caller's.
    type: str
  detail:
    description: V(ids) returns ids and states, V(full) the documents too.
    type: str
    choices: [ids, full]
    default: ids
  threads:
    description: Requests that may be under way at once.
    type: int
    default: 16
"""

EXAMPLES = r"""
- name: Whose key is this?
  evict.cloud.aws_principal_info:
    suspects: [AKIAIOSFODNN7EXAMPLE]

- name: All of a role
  evict.cloud.aws_principal_info:
    suspects: ["arn:aws:iam::111122223333:role/deploy"]
    detail: full
"""

RETURN = r"""
principals:
  description:
    - One entry for each suspect. C(credentials) holds every kind, each a list or C(unknown) with a reason; C(server_certificates) are the account's.
    - With O(detail=full) also C(documents), each its value or C(unknown) with a reason.
  returned: always
  type: list
  elements: dict
  sample:
    - cloud: aws
      account: "111122223333"
      kind: user
      id: AIDACKCEVSQ6C2EXAMPLE
      arn: "arn:aws:iam::111122223333:user/ci"
      name: ci
      suspect: AKIAIOSFODNN7EXAMPLE
      state: resolved
      reason: ""
      credentials: {access_key: [{id: AKIAIOSFODNN7EXAMPLE, status: Active, created: "2024-01-01T00:00:00Z"}], login_profile: []}
problems:
  description: Suspects that could not be resolved, each with C(object), C(operation), C(message) and C(remedy).
  returned: always
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import entry, session, verbs
from ansible_collections.evict.cloud.plugins.module_utils.common import errors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **session.ARGUMENTS,
            "suspects": {"type": "list", "elements": "str"},
            "incident": {"type": "path"},
            "account": {"type": "str"},
            "detail": {"type": "str", "choices": ["ids", "full"], "default": "ids"},
            "threads": {"type": "int", "default": 16},
        },
        required_one_of=[("suspects", "incident")],
        supports_check_mode=True,
    )
    with errors.handler(module):
        result = verbs.describe(module.params, entry.connect)
    if result["problems"]:
        module.fail_json(msg="; ".join(f"{p['object']}: {p['message']}" for p in result["problems"]), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: case_plan
short_description: Show the reviewed plan of a case, import an edited copy of it
version_added: 0.2.0
author:
  - evict.cloud contributors (@evict)
description:
  - An investigation (M(evict.cloud.case_analysis)) writes what is to be contained, fenced, evicted and rotated as a plan, C(plan/<revision>.yml) in the case.
    A revision is never replaced.
  - Copy the last one, write C(decision) (V(do) or V(skip)) with C(decided_by), and C(note), and import the copy. Nothing else of an item is a person's
    to change.
    Items of one's own may be added, with C(kind), C(target), C(object), C(decision) and C(decided_by).
  - What an edited copy leaves out stays in the plan. What two people decided differently is refused by name.
  - What the task leaves out is taken from the variable V(plan) as it was written, without templating.
extends_documentation_fragment:
  - evict.cloud.attributes
options:
  case:
    description: The case, C(<store>/<id>).
    type: str
    required: true
  store:
    description: How to reach the store of O(case), when its URL is not enough - C(profile), C(region), C(role_arn), C(endpoint_url).
    type: dict
  plan:
    description: An edited copy of a revision, YAML or JSON. Without it the last revision is shown.
    type: path
  directory:
    description: Where the command was started. A relative O(plan) is taken from there. The default is the current directory.
    type: path
  min_confidence:
    description: How sure an investigation must be for what nobody decided on to count as C(executable).
    type: int
    default: 80
"""

EXAMPLES = r"""
- name: What does the plan say
  evict.cloud.case_plan:
    case: ./cases/IR-2026-0042

- name: Import what was decided
  evict.cloud.case_plan:
    case: ./cases/IR-2026-0042
    plan: reviewed.yml
"""

RETURN = r"""
incident:
  description: Id of the incident.
  returned: success
  type: str
  sample: IR-2026-0042
plan:
  description: The last revision's file; empty when there is none.
  returned: success
  type: str
  sample: /srv/ir/cases/IR-2026-0042/plan/0002.yml
revision:
  description: Its number.
  returned: success
  type: int
  sample: 2
hash:
  description: SHA-256 of its canonical JSON without C(hash).
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
kinds:
  description: How many items there are, by kind and verdict.
  returned: success
  type: dict
  sample: {principal: {rogue: 3, review: 1}}
decided:
  description: How many items somebody decided on.
  returned: success
  type: int
  sample: 2
waiting:
  description: How many items are to be reviewed by a person.
  returned: success
  type: int
  sample: 1
executable:
  description: How many items would be executed now.
  returned: success
  type: int
  sample: 4
diff:
  description: What the imported copy changes, a line for each item.
  returned: success
  type: dict
  sample: {before_header: revision 1, after_header: revision 2, before: "", after: "~ principal arn:aws:iam::111122223333:user/ci  decision: None -> 'do'"}
problems:
  description: What is wrong with the copy; each entry has a C(path) and a C(message).
  returned: when it was refused
  type: list
  elements: dict
  sample: [{path: "plan.items[1].decided_by", message: "is missing: who decided?"}]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, planning


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "case": {"type": "str", "required": True},
            "store": {"type": "dict"},
            "plan": {"type": "path"},
            "directory": {"type": "path"},
            "min_confidence": {"type": "int", "default": 80},
        },
        supports_check_mode=True,
    )
    result: dict[str, t.Any] = {}
    with errors.handler(module):
        result = planning.run(module.params, check=module.check_mode)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

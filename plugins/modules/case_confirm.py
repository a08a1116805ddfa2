#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: case_confirm
short_description: Record what a named person says of a case
version_added: 0.2.0
author:
  - evict.cloud contributors (@evict)
description:
  - Records in the ledger that a person has taken the incident on (which ends its escalation), that a manual step is done, that a legal duty is met,
    or how severe the incident is. Only this lowers a severity.
  - What the task leaves out is taken from the variables V(item), V(by), V(reason) and V(level) as they were written, without templating.
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
  item:
    description: V(incident), V(severity), C(legal/<id of a clock>), or the C(id) of a manual step in the last result. Anything else is refused with
      a list of what there is.
    type: str
  by:
    description: Who says so. Must be given.
    type: str
  note:
    description: What there is to say about it. Must be given for V(severity).
    type: str
  level:
    description: How severe the incident is, for the item V(severity). It holds until there are reasons that its author did not know.
    type: str
"""

EXAMPLES = r"""
- name: Somebody has taken the incident on
  evict.cloud.case_confirm:
    case: ./cases/IR-2026-0042
    item: incident
    by: Ada Lovelace

- name: It is less severe than it looked
  evict.cloud.case_confirm:
    case: ./cases/IR-2026-0042
    item: severity
    level: medium
    by: Ada Lovelace
    note: a sandbox account, no data in it
"""

RETURN = r"""
incident:
  description: Id of the incident.
  returned: success
  type: str
  sample: IR-2026-0042
item:
  description: What is confirmed.
  returned: success
  type: str
  sample: incident
by:
  description: Who confirmed it; of what was confirmed before, who did so first.
  returned: success
  type: str
  sample: Ada Lovelace
at:
  description: When, of what was confirmed before; else empty.
  returned: success
  type: str
  sample: "2026-11-22T09:16:04.120Z"
known:
  description: What can be confirmed.
  returned: success
  type: list
  elements: str
  sample: [incident, severity]
diff:
  description: What is said of the item before and after.
  returned: success
  type: dict
  sample: {before_header: incident, after_header: incident, before: "", after: "confirmed by Ada Lovelace"}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.common import confirming, errors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "case": {"type": "str", "required": True},
            "store": {"type": "dict"},
            "item": {"type": "str"},
            "by": {"type": "str"},
            "note": {"type": "str"},
            "level": {"type": "str"},
        },
        supports_check_mode=True,
    )
    result: dict[str, t.Any] = {}
    with errors.handler(module):
        result = confirming.run(module.params, check=module.check_mode)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_baseline
short_description: Keep what the identities of AWS accounts are, on a good day
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Reads users, roles, groups, managed policies, keys, passwords and identity providers of whole accounts and keeps them in the store of the cases, as
    C(baseline/<account>/<time>.json), so that later it can be told what an attacker made. Nothing in AWS is changed.
  - What is as it was is not kept again.

extends_documentation_fragment:
  - evict.cloud.aws
options:
  incident:
    description: Path of an incident file, which needs no suspects yet.
    type: path
  incident_data:
    description: The same as a mapping.
    type: dict
  directory:
    description: Where the command was started. A relative store is resolved against it. The default is the current directory.
    type: path
  accounts:
    description: Which accounts. The default is C(accounts) of the file, else those of the organization, else the caller's own.
    type: list
    elements: str
  keep:
    description: V(false) reads the file, asks nothing of AWS and keeps nothing. What is returned tells the role C(readiness) whom to try.
    type: bool
    default: true
  allow_local_store:
    description: Accept a directory in a container's own layer as the store. It is lost with the container.
    type: bool
    default: false
  threads:
    description: Accounts that may be read at once.
    type: int
    default: 16
requirements:
  - obstore
attributes:
  check_mode:
    description: Can run in check mode, where it reads, writes nothing anywhere, and says what it would keep.
    support: full
  diff_mode:
    description: There is no difference to show; what is kept is a file of its own.
    support: none
  idempotent:
    description: A second run keeps nothing more, unless an identity has changed.
    support: full
"""

EXAMPLES = r"""
- name: Keep what the accounts are
  evict.cloud.aws_baseline:
    incident: readiness.yml
"""

RETURN = r"""
baselines:
  description:
    - One entry for each account. C(state) is V(kept) (as it was), V(written), V(would write), or V(unknown), when not all of it could be read;
      with an empty C(account), when none could, as without a store.
  returned: when the file was accepted
  type: list
  elements: dict
  sample: [{account: "111122223333", state: written, path: "/srv/ir/cases/baseline/111122223333/20261122T090000Z.json", identities: 41, unknown: [],
            why: "", remedy: ""}]
problems:
  description: Accounts that could not be read, each with C(object), C(operation), C(message) and C(remedy).
  returned: always
  type: list
  elements: dict
  sample: []
notify:
  description: How many notifiers the file names.
  returned: when the file was accepted
  type: int
  sample: 2
incident_data:
  description: The file in its canonical form, complete, for the role C(notify) in its mode V(test). Empty without notifiers.
  returned: when the file was accepted
  type: dict
  sample: {}
incident:
  description: Id of the incident that the file will be, V(readiness) if it has none yet.
  returned: when the file was accepted
  type: str
  sample: readiness
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import baseline, entry, session
from ansible_collections.evict.cloud.plugins.module_utils.common import errors, schema


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **session.ARGUMENTS,
            "incident": {"type": "path"},
            "incident_data": {"type": "dict"},
            "directory": {"type": "path"},
            "accounts": {"type": "list", "elements": "str"},
            "keep": {"type": "bool", "default": True},
            "allow_local_store": {"type": "bool", "default": False},
            "threads": {"type": "int", "default": 16},
        },
        mutually_exclusive=[("incident", "incident_data")],
        required_one_of=[("incident", "incident_data")],
        supports_check_mode=True,
    )
    with errors.handler(module):
        result = baseline.run(module.params, entry.connect, check=module.check_mode)
    if result["problems"]:
        module.fail_json(msg=schema.printable("; ".join(f"{p['object']}: {p['message']}" for p in result["problems"]), 4000), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

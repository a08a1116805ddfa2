#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_readiness_info
short_description: Prove before the bad day that containment would work
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Looks at each account as containment would - whether the responder's role can be assumed and may do what is done with it, whether fences can be put above
    the account, whether the logs answer, whether break-glass is there - and at the organization and the store once.
  - Each answer is V(ok), V(missing) or V(unknown), with what C(aws_contain) could not do today and what to do about it. A read that failed is unknown.
  - Nothing in AWS is changed. With O(probe_store) an object is put into the store of the cases, and taken away again where that is allowed.
  - The permissions are those that AWS's policy simulator sees. It does not look at service control policies with conditions, nor at resource control policies.

extends_documentation_fragment:
  - evict.cloud.info
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
    description:
      - Which accounts. The default is C(accounts) of the file, else those of the organization, else the caller's own. Those that are suspended are named and
        not looked at.
    type: list
    elements: str
  checks:
    description: What is looked at. The default is everything.
    type: list
    elements: str
    choices: [baseline, break_glass, exempt_names, identity_center, notifiers, organization, permissions, regions, responder, slots, standing_fence, store,
              trail, trail_bucket]
  probe_store:
    description: Put an object into the store, C(readiness/probe-<time>-<random>.json), which is the only way to know that it can be written.
    type: bool
    default: false
  allow_local_store:
    description: Accept a directory in a container's own layer as the store. It is lost with the container.
    type: bool
    default: false
  notifiers:
    description: What the role C(notify) said when it tried them, each with C(name), C(kind), C(ok) and C(why).
    type: list
    elements: dict
  baselines:
    description: What M(evict.cloud.aws_baseline) returned as RV(evict.cloud.aws_baseline#module:baselines).
    type: list
    elements: dict
  threads:
    description: Checks that may be under way at once.
    type: int
    default: 16
requirements:
  - obstore
"""

EXAMPLES = r"""
- name: What could we not do today?
  evict.cloud.aws_readiness_info:
    incident: readiness.yml
    probe_store: true

- name: Only two questions, about one account
  evict.cloud.aws_readiness_info:
    incident: readiness.yml
    accounts: ["111122223333"]
    checks: [responder, permissions]
"""

RETURN = r"""
status:
  description: V(ok), or V(open) when a row is not; then the task fails.
  returned: when the file was accepted
  type: str
  sample: ok
rows:
  description:
    - Every answer, with C(check), C(account) (empty for what is asked once), C(state) (V(ok), V(missing), V(unknown)), C(object), C(why), C(loss) (what
      containment could not do), C(remedy) and C(note).
  returned: when the file was accepted
  type: list
  elements: dict
  sample: [{check: trail, account: "111122223333", state: missing, object: "arn:aws:cloudtrail:eu-west-1:111122223333:trail/all", why: the trail is stopped,
            loss: "follow what the suspects did (quick scope), or show it later", remedy: aws cloudtrail start-logging, note: ""}]
accounts:
  description: The accounts that were looked at.
  returned: when the file was accepted
  type: list
  elements: str
  sample: ["111122223333"]
ready:
  description: Those of RV(accounts) of which everything is ok. None, when something that is asked once is not.
  returned: when the file was accepted
  type: list
  elements: str
  sample: ["111122223333"]
at:
  description: When, by AWS's clock.
  returned: when the file was accepted
  type: str
  sample: "2026-11-22T09:01:04Z"
caller:
  description: Who asked.
  returned: when the file was accepted
  type: str
  sample: "arn:aws:iam::999988887777:user/responder"
incident:
  description: Id of the incident that the file will be, V(readiness) if it has none yet.
  returned: when the file was accepted
  type: str
  sample: readiness
calls:
  description: Requests that were sent to AWS.
  returned: when the file was accepted
  type: int
  sample: 57
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import entry, readiness, ready, session
from ansible_collections.evict.cloud.plugins.module_utils.common import errors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **session.ARGUMENTS,
            "incident": {"type": "path"},
            "incident_data": {"type": "dict"},
            "directory": {"type": "path"},
            "accounts": {"type": "list", "elements": "str"},
            "checks": {"type": "list", "elements": "str", "choices": sorted(readiness.CHECKS)},
            "probe_store": {"type": "bool", "default": False},
            "allow_local_store": {"type": "bool", "default": False},
            "notifiers": {"type": "list", "elements": "dict"},
            "baselines": {"type": "list", "elements": "dict"},
            "threads": {"type": "int", "default": 16},
        },
        mutually_exclusive=[("incident", "incident_data")],
        required_one_of=[("incident", "incident_data")],
        supports_check_mode=True,
    )
    with errors.handler(module):
        result = ready.check(module.params, entry.connect, checking=module.check_mode)
    ready.leave(module, result)


if __name__ == "__main__":
    main()

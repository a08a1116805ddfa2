#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: case_result
short_description: Put the results of several account hosts together
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Writes C(result.json) of a case that was contained by several hosts, one for each account, and fails unless all of it is done.
  - An account that has suspects and no host is named.
extends_documentation_fragment:
  - evict.cloud.attributes
options:
  case:
    description: The case, C(<store>/<id>).
    type: str
    required: true
  store:
    description: How to reach the store of O(case), when its URL is not enough.
    type: dict
  first:
    description: What M(evict.cloud.aws_contain) with C(phase=resolve) returned.
    type: dict
    required: true
  hosts:
    description: The hosts of the target. What each of them registered as C(contain_result) for its C(evict_account) is taken when O(results) is not given.
    type: list
    elements: str
    default: []
  results:
    description: What M(evict.cloud.aws_contain) returned for each account.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: One result for the case
  evict.cloud.case_result:
    case: ./cases/IR-2026-0042
    first: "{{ evict_shares }}"
    hosts: "{{ groups.aws_accounts }}"
"""

RETURN = r"""
recovered:
  description: What became of the intents that interrupted runs had left without an outcome.
  returned: success
  type: list
  elements: str
  sample: []
isolated:
  description:
    - Compute that was isolated, or was not, with C(object), C(text), C(state), C(how) it came to be looked at, and C(why).
    - C(state) is V(isolated), V(stopped), V(would be isolated), V(partly), V(gone), V(spared), V(refused), V(left), V(unknown), V(serves) or V(proposed).
  returned: success
  type: list
  elements: dict
  sample: [{object: "arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0", text: EC2 instance i-0123456789abcdef0 in eu-west-1,
            state: isolated, how: it is named as a suspect, why: ""}]
rotation:
  description: For each user whose dependents are moved to a new key, C({user, old, new, mode, state, deadline, places}).
  returned: success
  type: list
  elements: dict
  sample: []
clocks:
  description:
    - What runs out by itself or was switched off, the earliest deadline first, each with C(object), C(what), C(deadline), C(state) and C(why).
    - C(state) is V(stopped), V(running), V(unknown) or V(failed).
  returned: success
  type: list
  elements: dict
  sample: [{object: "KMS key arn:aws:kms:eu-west-1:111122223333:key/1234abcd", what: "deletion, scheduled by arn:aws:iam::111122223333:user/ci",
            deadline: "2026-11-29T09:01:04Z", state: stopped, why: it is disabled until somebody enables it}]
status:
  description: The worst status of all hosts.
  returned: always
  type: str
  sample: ok
incident:
  description: Id of the incident.
  returned: always
  type: str
  sample: IR-2026-0042
principals:
  description: The principals of all accounts.
  returned: always
  type: list
  elements: dict
  sample: []
problems:
  description: What failed or was refused in any account.
  returned: always
  type: list
  elements: dict
  sample: []
open:
  description: What stays open.
  returned: always
  type: list
  elements: dict
  sample: []
residual:
  description: What could still act, until when and why.
  returned: always
  type: list
  elements: dict
  sample: []
idle:
  description: Accounts whose host had nothing to do.
  returned: always
  type: list
  elements: str
  sample: []
changed_count:
  description: How many objects the hosts changed.
  returned: always
  type: int
  sample: 5
head:
  description: Hash of the case's ledger.
  returned: always
  type: str
  sample: 9f2c...
suggested:
  description: Principals that the logs name and that no host touched, as entries for C(suspects).
  returned: always
  type: list
  elements: dict
  sample: []
lifted:
  description: Guards that the incident file lifts and that would have refused.
  returned: always
  type: list
  elements: dict
  sample: []
left:
  description: Suspects that a named person judged to be false positives, and that were therefore left alone.
  returned: always
  type: list
  elements: dict
  sample: []
fences:
  description: What stands above each account, as of M(evict.cloud.aws_contain).
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
manual:
  description: Steps that no API does, as M(evict.cloud.aws_contain) says them.
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
watch:
  description: What somebody changed meanwhile, and nothing says yet who.
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
workloads:
  description: What runs as a role whose sessions were revoked, as of M(evict.cloud.aws_contain).
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
resource_fences:
  description: What denies the contained by its own policy, and what does not, as of M(evict.cloud.aws_contain).
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
looks:
  description: When the accounts are to be looked at again with V(phase=hold).
  returned: when the case could be opened
  type: list
  elements: str
  sample: ["2026-11-22T09:16:04Z"]
not_compared:
  description: What of the accounts could not be compared with what it was before.
  returned: when the case could be opened
  type: list
  elements: str
  sample: []
severity:
  description:
    - How severe the incident is - as C(set) in the incident file, as C(proposed) from what was seen (C(why)), and the C(level) that counts, with who
      lowered it (C(by)).
  returned: when the case could be opened
  type: dict
  sample: {set: high, proposed: critical, level: critical, why: ["privilege: arn:aws:iam::111122223333:user/ci has AdministratorAccess"], by: ""}
legal:
  description: The legal clocks that run from C(aware_at), with C(law), C(duty), C(to), C(deadline), C(state) and C(cites). Not legal advice.
  returned: when the case could be opened
  type: list
  elements: dict
  sample: [{id: gdpr, law: GDPR, duty: notification of a personal data breach, to: supervisory authority, deadline: "2026-11-25T09:00:00Z",
            state: running, by: "", cites: "Regulation (EU) 2016/679 Art. 33(1)"}]
events:
  description: How many log events all hosts saw, and up to which time.
  returned: always
  type: dict
  sample: {asked: true, seen: 41, until: "2026-11-22T08:58:11Z"}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "case": {"type": "str", "required": True},
            "store": {"type": "dict"},
            "first": {"type": "dict", "required": True},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "results": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    with errors.handler(module):
        merged = result.together(module.params, check=module.check_mode)
    for warning in merged.pop("warnings", []):
        module.warn(warning)
    errors.leave(module, {**merged, "changed": 0}, merged["changed"])


if __name__ == "__main__":
    main()

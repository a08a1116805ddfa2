#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_restore
short_description: Release what was contained, from the ledger
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Brings each object back to what the incident found first, where it is still as this collection left it. What somebody else has changed since
    is listed and left.
  - A credential that the case names as compromised stays inactive, and a session deny stays until the last session that it holds back has run out.

extends_documentation_fragment:
  - evict.cloud.attributes
  - evict.cloud.aws
  - evict.cloud.case
  - evict.cloud.run
options:
  only:
    description: Suspects as they were reported, or ARNs. The default is everything of the case.
    type: list
    elements: str
  verdict:
    description: V(false_positive) undoes everything of the suspects in O(only), the key and the session denies included. What they had changed of
      bystanders' while they were being cut, and was put back, comes back too; where nothing says whose change it was, it stays and is V(open).
    type: str
    choices: [release, false_positive]
    default: release
  reason:
    description: Why. Needed for V(false_positive).
    type: str
  by:
    description: Who says so. Needed for V(false_positive).
    type: str
"""

EXAMPLES = r"""
- name: Release the identities; the leaked key stays dead
  evict.cloud.aws_restore:
    case: ./cases/IR-2026-0042

- name: It was no compromise at all
  evict.cloud.aws_restore:
    case: ./cases/IR-2026-0042
    only: [AKIAIOSFODNN7EXAMPLE]
    verdict: false_positive
    reason: key belongs to a test account that is meant to be public
    by: Ada Lovelace
"""

RETURN = r"""
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
  description: What stays, with C(object), C(kind), C(why) and C(due), the time from which it may be lifted.
  returned: when the case could be opened
  type: list
  elements: dict
  sample:
    - object: "arn:aws:iam::111122223333:user/ci inline policy evict-session-IR-2026-0042"
      kind: due
      why: lifting it earlier would revive sessions that it holds back
      due: "2026-11-23T21:01:14Z"
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
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import entry, verbs


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **entry.ARGUMENTS,
            "only": {"type": "list", "elements": "str"},
            "verdict": {"type": "str", "choices": ["release", "false_positive"], "default": "release"},
            "reason": {"type": "str"},
            "by": {"type": "str"},
        },
        required_one_of=[("case", "incident", "incident_data")],
        required_if=[("verdict", "false_positive", ("only", "reason", "by"))],
        supports_check_mode=True,
    )
    entry.change(module, lambda aws, case, runner: verbs.release(aws, case, runner, module.params))


if __name__ == "__main__":
    main()

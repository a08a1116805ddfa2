#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: case_notify
short_description: Work out who is to be told what of a case, and keep what became of it
version_added: 0.2.0
author:
  - evict.cloud contributors (@evict)
description:
  - Compares what the case calls for (its opening, its outcome, escalations, a raised severity, an acknowledgement) and what the channels of
    C(incident.notify) want with what the ledger says was sent, and returns the messages that are due. It sends nothing itself; the role C(notify) does.
  - Messages hold no secret. What others chose in them (names, titles) is escaped for each kind of notifier.
extends_documentation_fragment:
  - evict.cloud.attributes
options:
  case:
    description: The case, C(<store>/<id>).
    type: str
  incident:
    description: Path of an incident file, for a test of its channels without a case.
    type: path
  incident_data:
    description: The incident as M(evict.cloud.case) returned it. Used while the case is not there, as in check mode.
    type: dict
  store:
    description: How to reach the store of O(case), when its URL is not enough - C(profile), C(region), C(role_arn), C(endpoint_url).
    type: dict
  state:
    description:
      - V(planned) returns the messages that are due.
      - V(recorded) keeps what became of them, from O(sent), in the ledger and in C(result.json).
      - V(tested) checks that each channel is configured and that its server answers. Nothing is sent.
    type: str
    choices: [planned, recorded, tested]
    default: planned
  phase:
    description:
      - V(opening) is only the message that the incident was opened, V(all) everything that is due.
      - V(test) is a test message for each channel, which is not remembered.
    type: str
    choices: [opening, all, test]
    default: all
  sent:
    description: What became of each message. The action plugin makes it of what the sending tasks registered.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Who is to be told
  evict.cloud.case_notify:
    case: ./cases/IR-2026-0042
  register: planned

- name: Whether the channels of an incident file can be used
  evict.cloud.case_notify:
    incident: incident.yml
    state: tested
"""

RETURN = r"""
messages:
  description: The messages that are due, without secrets, each with C(id), C(name), C(kind), C(event), C(by), C(channel) and C(payload).
  returned: success
  type: list
  elements: dict
  sample: [{id: 5d41402abc4b2a76b9719d911017c592, name: ops, kind: slack, event: opened, by: uri, timeout: 10, answers: [200], payload: {}, channel: {}}]
rows:
  description: What is known of channels - those that cannot be used, or what became of each message.
  returned: success
  type: list
  elements: dict
  sample: [{name: ops, kind: slack, event: opened, ok: false, why: the environment variable SLACK_URL is not set or empty}]
due:
  description: Whether there is something to send or to keep.
  returned: success
  type: bool
  sample: true
head:
  description: Hash of the case's ledger.
  returned: with O(state=recorded)
  type: str
  sample: 9f2c...
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, notifying


def _from_store(arn: str) -> str:
    from ansible_collections.evict.cloud.plugins.module_utils.aws import publish  # only where a secret lies there

    return publish.secret(arn)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "case": {"type": "str"},
            "incident": {"type": "path"},
            "incident_data": {"type": "dict"},
            "store": {"type": "dict"},
            "state": {"type": "str", "choices": ["planned", "recorded", "tested"], "default": "planned"},
            "phase": {"type": "str", "choices": ["opening", "all", "test"], "default": "all"},
            "sent": {"type": "list", "elements": "dict", "default": []},
        },
        required_one_of=[("case", "incident", "incident_data")],
        supports_check_mode=True,
    )
    result: dict[str, t.Any] = {}
    with errors.handler(module):
        result = notifying.run(module.params, _from_store, check=module.check_mode)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

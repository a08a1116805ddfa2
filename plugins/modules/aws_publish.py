#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_publish
short_description: Publish a message of a case to an SNS topic
version_added: 0.2.0
author:
  - evict.cloud contributors (@evict)
description:
  - Publishes one message, with the C(profile), C(role_arn) and C(endpoint_url) of the channel, else the SDK's own chain. They are apart from what
    the response works with, so that the topic may lie in an account that the incident does not reach.
attributes:
  check_mode:
    description: Can run in check mode, where nothing is sent.
    support: full
  diff_mode:
    description: There is no state to show.
    support: none
  idempotent:
    description: A message is published each time; M(evict.cloud.case_notify) knows which are due.
    support: none
requirements:
  - boto3
options:
  channel:
    description: An entry of C(incident.notify) of kind V(sns).
    type: dict
    required: true
  payload:
    description: The C(payload) that M(evict.cloud.case_notify) returned.
    type: dict
  state:
    description: V(sent) publishes; V(tested) reads the topic's attributes.
    type: str
    choices: [sent, tested]
    default: sent
"""

EXAMPLES = r"""
- name: Whether the topic can be reached
  evict.cloud.aws_publish:
    channel: {kind: sns, name: siem, topic_arn: "arn:aws:sns:eu-central-1:999988887777:incidents", profile: security}
    state: tested
"""

RETURN = r"""
message_id:
  description: Id of the message in SNS; empty when none was sent.
  returned: success
  type: str
  sample: 1c1ee9c4-5ba0-4a7b-8a4f-1d2a0c1d7b55
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import publish
from ansible_collections.evict.cloud.plugins.module_utils.common import errors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "channel": {"type": "dict", "required": True},
            "payload": {"type": "dict"},
            "state": {"type": "str", "choices": ["sent", "tested"], "default": "sent"},
        },
        required_if=[("state", "sent", ("payload",))],
        supports_check_mode=True,
    )
    result: dict[str, t.Any] = {}
    with errors.handler(module):
        result = publish.run(module.params, check=module.check_mode)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: case_mail
short_description: Send a message of a case by e-mail
version_added: 0.2.0
author:
  - evict.cloud contributors (@evict)
description:
  - Hands one mail of plain text to an SMTP server, with TLS and the server's certificate checked. The password is read where the channel says, and
    is no option.
attributes:
  check_mode:
    description: Can run in check mode, where nothing is sent.
    support: full
  diff_mode:
    description: There is no state to show.
    support: none
  idempotent:
    description: A mail is sent each time; M(evict.cloud.case_notify) knows which are due.
    support: none
options:
  channel:
    description: An entry of C(incident.notify) of kind V(email).
    type: dict
    required: true
  payload:
    description: The C(payload) that M(evict.cloud.case_notify) returned.
    type: dict
  state:
    description: V(sent) sends the mail; V(tested) connects and logs in and sends nothing.
    type: str
    choices: [sent, tested]
    default: sent
"""

EXAMPLES = r"""
- name: Whether the mail server takes the login
  evict.cloud.case_mail:
    channel: {kind: email, name: duty, host: mail.example.com, from: ir@example.com, to: [duty@example.com], user: ir, password_env: SMTP_PASSWORD}
    state: tested
"""

RETURN = r"""
to:
  description: The recipients that the server took.
  returned: success
  type: list
  elements: str
  sample: [duty@example.com]
refused:
  description: The recipients that the server refused, while it took the others. Those are not told again of it.
  returned: success
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, mailing
from ansible_collections.evict.cloud.plugins.module_utils.common.notifiers import secrets


def _from_store(arn: str) -> str:
    from ansible_collections.evict.cloud.plugins.module_utils.aws import publish  # only where a secret lies there

    return publish.secret(arn)


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
        result = mailing.run(module.params, lambda channel: secrets.resolve(channel, _from_store), check=module.check_mode)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: notify_request
short_description: The HTTP request of a message, with its secrets
version_added: 0.2.0
author: evict.cloud contributors (@evict)
description:
  - Reads the secrets of a channel where C(incident.notify) says they are, signs the message, and returns the request for C(ansible.builtin.uri).
  - What it returns holds secrets. Use it in tasks with C(no_log) only.
options:
  _terms:
    description: Messages as M(evict.cloud.case_notify) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Send
  ansible.builtin.uri:
    url: "{{ lookup('evict.cloud.notify_request', message).url }}"
    method: "{{ lookup('evict.cloud.notify_request', message).method }}"
    headers: "{{ lookup('evict.cloud.notify_request', message).headers }}"
    body: "{{ lookup('evict.cloud.notify_request', message).body }}"
    follow_redirects: none
  no_log: true
"""

RETURN = r"""
_raw:
  description: The requests, each with C(url), C(method), C(headers) and C(body).
  type: list
  elements: dict
"""

import dataclasses
import typing as t

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils.common.errors import EvictError
from ..module_utils.common.ledger_record import plain
from ..module_utils.common.notifiers import KINDS
from ..module_utils.common.notifiers.secrets import KEPT, resolve


def _from_store(arn: str) -> str:
    from ..module_utils.aws import publish

    return publish.secret(arn)


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: t.Any, variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        if constants.config.get_config_value("DEFAULT_KEEP_REMOTE_FILES"):
            raise AnsibleLookupError(KEPT)
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [_request(plain(term, "message")) for term in terms]
        except EvictError as error:
            raise AnsibleLookupError(error.message) from None


def _request(message: dict[str, t.Any]) -> dict[str, t.Any]:
    channel = message["channel"]
    return dataclasses.asdict(KINDS[channel["kind"]].request(channel, message["payload"], resolve(channel, _from_store)))

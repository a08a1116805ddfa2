#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: case_ledger_info
short_description: Verify the ledger of a case
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict-cloud)
description:
  - Reads every record of every chain in the ledger of a case and checks that nothing was changed, removed or added.
  - Lists the intents without an outcome, which are the changes that an interrupted run may or may not have made.
  - A ledger whose newest records were removed together looks whole by itself. Keep the head that each playbook prints somewhere else, and
    pass it as O(expected_head).
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
  diff_mode:
    description: Shows what has changed.
    support: none
  idempotent:
    description: A second run on the same case changes nothing.
    support: full
options:
  case:
    description:
      - The case, which is the store with the incident's id, as a directory or a URL (V(file://), V(s3://), V(az://), V(gs://)).
      - A relative directory is taken from where the module runs, which is the playbook's directory when it runs locally.
    type: str
    required: true
  store:
    description: How to reach the store of O(case), when its URL is not enough - C(profile), C(region), C(role_arn), C(endpoint_url).
    type: dict
  expected_head:
    description:
      - The head that a run of a playbook on this case printed, the SHA-256 of a record.
      - The ledger is not verified when no record has it.
    type: str
    default: ""
requirements:
  - obstore
notes:
  - The module does not fail when the ledger is damaged. Look at RV(verified).
  - Credentials of a store in a bucket come from its SDK's own chain - C(s3://) needs boto3, C(az://) azure-identity, C(gs://) google-auth and requests.
"""

EXAMPLES = r"""
- name: Verify the ledger of a case
  evict.cloud.case_ledger_info:
    case: /srv/cases/IR-2026-0042
    expected_head: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
  register: ledger

- name: Stop when it is not whole
  ansible.builtin.assert:
    that: ledger.verified
    fail_msg: "{{ ledger.problems }}"
"""

RETURN = r"""
verified:
  description: Whether every record that was written is there, unchanged, and nothing else is.
  returned: success
  type: bool
  sample: true
records:
  description: How many records were read.
  returned: success
  type: int
  sample: 9
head:
  description: SHA-256 of the latest record that ended a run, the present head of the case; empty when there is none.
  returned: success
  type: str
  sample: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
chains:
  description: The runs, oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    run:
      description: Id of the run, a UUIDv7.
      type: str
    module:
      description: The module that ran.
      type: str
    host:
      description: The machine on which it ran.
      type: str
    caller:
      description: The identity that it used in the cloud, as far as it was known.
      type: str
    started:
      description: When it began (UTC).
      type: str
    ended:
      description: When it ended (UTC); empty when it did not.
      type: str
    records:
      description: The number of its last record.
      type: int
    head:
      description: SHA-256 of its last record.
      type: str
    state:
      description: One of V(ended), V(alive) (still at work) or V(crashed).
      type: str
    status:
      description: The status with which it ended; empty when it did not.
      type: str
  sample:
    - run: 01a208db-510b-70bb-bb45-cd87c84a40b0
      module: aws_contain
      host: desk-7
      caller: arn:aws:sts::111122223333:assumed-role/responder/jo
      started: "2026-11-23T14:42:00.595Z"
      ended: "2026-11-23T14:42:06.112Z"
      records: 9
      head: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
      state: ended
      status: ok
problems:
  description: What is wrong, at most 100 entries. An empty RV(problems[].chain) means the ledger as a whole.
  returned: success
  type: list
  elements: dict
  contains:
    chain:
      description: Id of the run.
      type: str
    seq:
      description: The number of the record.
      type: int
    why:
      description: What was found.
      type: str
  sample: []
open_intents:
  description: Changes that were about to be made by runs that are not at work any more, and whose outcome is not known, oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Id of the step.
      type: str
    resource:
      description: The object.
      type: str
    action:
      description: What was to be done to it.
      type: str
    run:
      description: Id of the run.
      type: str
    time:
      description: When the intent was written (UTC).
      type: str
  sample: []
steps:
  description: How many steps there are by the status of their latest outcome; V(open) stands for those without one.
  returned: success
  type: dict
  sample:
    done: 6
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, ledger_verify, store

SHOWN = 100


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "case": {"type": "str", "required": True},
            "store": {"type": "dict"},
            "expected_head": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    with errors.handler(module):
        result = ledger_verify.verify(
            store.open_store({**(module.params["store"] or {}), "url": module.params["case"]}), module.params["expected_head"]
        )
        more = len(result["problems"]) - SHOWN
        if more > 0:
            result["problems"] = [*result["problems"][: SHOWN - 1], {"chain": "", "seq": 0, "why": f"and {more + 1} more problems"}]
        module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()

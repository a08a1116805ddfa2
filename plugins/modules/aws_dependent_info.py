#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_dependent_info
short_description: Tell what uses an access key in AWS
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Looks for the id of a credential in every enabled region, in secrets, parameters, the environments of functions, tasks, builds, jobs and apps, stacks,
    user data, state machines and connections; then for whatever names a secret or a parameter that holds it.
  - Adds what the incident declares (C(dependents)), and who used it lately by what IAM and CloudTrail say. A use that nothing explains is named.
  - What could not be read is in RV(unknown), never taken for clean. An empty RV(dependents) with RV(complete=false) does not mean that nobody uses it.
  - Values of secrets are compared in memory. Neither a value nor a part of one is returned, logged, or put into an error.
  - It needs permissions that nothing else in this collection needs, above all to read secrets. They are in a policy of their own,
    C(docs/permissions/aws-dependents.json); without them their places are in RV(unknown).

extends_documentation_fragment:
  - evict.cloud.info
  - evict.cloud.aws
options:
  suspects:
    description:
      - Access key ids, users, or ids of service-specific credentials; of a user, all of its lasting credentials. The default is those of the incident.
    type: list
    elements: str
  incident:
    description: Path of an incident file; its suspects, dependents, trusted networks and connection are used.
    type: path
  incident_data:
    description: The incident as a mapping, instead of O(incident).
    type: dict
  case:
    description: The open case, C(<store>/<id>), instead of O(incident).
    type: str
  store:
    description: How to reach the store of O(case), when its URL is not enough - C(profile), C(region), C(role_arn), C(endpoint_url).
    type: dict
  account:
    description: Account in which names are looked up. The default is the caller's.
    type: str
  accounts:
    description: Accounts to search beside the one that the credential belongs to.
    type: list
    elements: str
  regions:
    description: Search these regions only. The others are in RV(unknown).
    type: list
    elements: str
  places:
    description: Search these kinds of place only. The others are in RV(unknown).
    type: list
    elements: str
    choices:
      - amplify
      - app_runner
      - batch_job_definition
      - cloudformation_stack
      - codebuild_project
      - ecs_task_definition
      - elastic_beanstalk
      - eventbridge_connection
      - glue
      - instance_user_data
      - lambda_function
      - launch_template
      - secrets_manager
      - ssm_parameter
      - step_function
  logs:
    description: Seconds for CloudTrail's event history, newest events first; it answers two requests a second and region. 0 leaves it out.
    type: int
    default: 30
  threads:
    description: Requests that may be under way at once.
    type: int
    default: 16
  threads_per_account:
    description: The same for one account, when several accounts have work waiting. An account that is alone may use all.
    type: int
    default: 8
notes:
  - Not looked at are S3 objects, images and disks, code, older versions of parameters, inputs of executions, environments that a client encrypted itself,
    and machines outside AWS. Use of these shows in RV(used), or is declared.
"""

EXAMPLES = r"""
- name: Who breaks when this key is switched off?
  evict.cloud.aws_dependent_info:
    suspects: [AKIAIOSFODNN7EXAMPLE]

- name: In two accounts, without the logs
  evict.cloud.aws_dependent_info:
    incident: incident.yml
    accounts: ["111122223333", "444455556666"]
    logs: 0
"""

RETURN = r"""
dependents:
  description: What holds the credential, what names a place that does, and what is declared, at most once each.
  returned: always
  type: list
  elements: dict
  contains:
    account:
      description: The account.
      type: str
    region:
      description: The region.
      type: str
    kind:
      description: The kind of place, as in O(places); of a declared one also what its entry says.
      type: str
    id:
      description: Its ARN, or the name by which the API takes it.
      type: str
    text:
      description: The same for people.
      type: str
    key:
      description: Id of the credential; empty for what is declared and was not found.
      type: str
    state:
      description:
        - V(current), V(pending), V(previous), V(in use), V(reference) and more, in words.
        - V(declared, unstructured), V(declared, not found in a place that was read) or V(declared, its place could not be read) for what was not found.
      type: str
    version:
      description: The version, revision or RevisionId that was seen, or when it was changed last.
      type: str
    confidence:
      description: 0 to 100, how sure it is that this reads the credential now. 40 is for old versions and what nothing runs with.
      type: int
    used_by:
      description: Services, tasks, aliases or instances that run with it, where that is known.
      type: list
      elements: str
    via:
      description: For a reference, C(kind) and C(id) of the place that it names.
      type: dict
    spots:
      description:
        - Where inside. C(document) is the part of the object in the API's words, C(form) how it is written, C(at) and C(secret) the way to the id and to
          the secret beside it, layer by layer (a JSON pointer, the name of a variable, a line, or another object), C(fields) which of the two are there.
      type: list
      elements: dict
    more_spots:
      description: How many more there are than are listed.
      type: int
    data:
      description: What else is needed to write there, such as names and labels.
      type: dict
    declared:
      description: Whether the incident declares it; then with its C(check), C(networks) and C(note).
      type: bool
  sample:
    - account: "111122223333"
      region: eu-west-1
      kind: secrets_manager
      id: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/ci-a1b2c3"
      text: secret prod/ci in eu-west-1
      key: AKIAIOSFODNN7EXAMPLE
      state: current
      version: EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE
      confidence: 100
      used_by: []
      via: {}
      spots:
        - document: SecretString
          form: json
          at: [{form: json, at: /aws/key}]
          secret: [{form: json, at: /aws/secret}]
          fields: [id, secret]
      more_spots: 0
      data: {name: prod/ci, stages: [AWSCURRENT]}
      declared: false
unknown:
  description:
    - What could not be read, with C(place), C(account), C(regions), C(objects), C(count), C(code), C(why) and C(remedy).
    - With the place V(use), a use that nothing explains.
  returned: always
  type: list
  elements: dict
  sample:
    - place: secrets_manager
      account: "111122223333"
      regions: [eu-west-1]
      objects: ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:payroll-d4e5f6"]
      count: 1
      code: AccessDeniedException
      why: "Secrets Manager secrets: AccessDeniedException: Access to KMS is not allowed"
      remedy: ""
used:
  description: Who used it lately, by address and program, newest first. C(by) are the dependents that explain it, C(basis) says why.
  returned: always
  type: list
  elements: dict
  sample:
    - key: AKIAIOSFODNN7EXAMPLE
      source: 198.51.100.7
      agent: aws-cli/2.15.30
      calls: 12
      refused: 0
      first: "2026-11-22T08:00:00Z"
      last: "2026-11-22T09:00:00Z"
      services: [s3]
      regions: [eu-west-1]
      by: []
      basis: ""
credentials:
  description: What was looked for, with its account, its owner, and the last use by IAM's own account.
  returned: always
  type: list
  elements: dict
  sample:
    - id: AKIAIOSFODNN7EXAMPLE
      account: "111122223333"
      owner: "arn:aws:iam::111122223333:user/ci"
      last_used: {at: "2026-11-22T09:00:00Z", service: s3, region: eu-west-1}
looked:
  description: For each kind of place how many regions were read and how many do not have it (C(absent)), objects looked at, rows found, and failures.
  returned: always
  type: dict
  sample:
    secrets_manager: {regions: 17, absent: 0, objects: 212, found: 1, unknown: 1}
regions:
  description: The regions that were searched.
  returned: always
  type: list
  elements: str
  sample: [eu-west-1, us-east-1]
complete:
  description: Whether everything was read and every use is explained.
  returned: always
  type: bool
  sample: false
problems:
  description: Suspects that could not be resolved, each with C(object), C(operation), C(message) and C(remedy).
  returned: always
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import dependents, entry, places, session
from ansible_collections.evict.cloud.plugins.module_utils.common import errors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **session.ARGUMENTS,
            **entry.RUN,
            "suspects": {"type": "list", "elements": "str"},
            "incident": {"type": "path"},
            "incident_data": {"type": "dict"},
            "case": {"type": "str"},
            "store": {"type": "dict"},
            "account": {"type": "str"},
            "accounts": {"type": "list", "elements": "str"},
            "regions": {"type": "list", "elements": "str"},
            "places": {"type": "list", "elements": "str", "choices": sorted(places.KINDS)},
            "logs": {"type": "int", "default": 30},
        },
        required_one_of=[("suspects", "incident", "incident_data", "case")],
        supports_check_mode=True,
    )
    with errors.handler(module):
        result = dependents.find(module.params, entry.connect)
    if result["problems"]:
        module.fail_json(msg="; ".join(f"{p['object']}: {p['message']}" for p in result["problems"]), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_credential_rotation
short_description: Rotate the compromised access keys of a case without stopping what depends on them
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Makes a new access key, writes it to every dependent, proves that AWS takes it and that the dependents work, and only then switches the old one
    off and, after a while, deletes it.
  - Run it again to go on; what is done is known from the ledger and from what is there. What it waits for is told under RV(open), with a time.
  - The new secret goes from AWS's answer to the dependents, in memory. It is in no result, log or file.
  - Then the other credentials of the same users that the incident names under C(replacements). A console password, a service-specific credential, an
    SSH public key, a signing certificate. What their owner has to know stands under RV(manual), never a secret; C(case_confirm) says that it was done.
  - The states are PLANNED, SLOT_READY, MINTED, STORED, DISTRIBUTED, VERIFIED_NEW, OLD_QUIESCENT, OLD_DISABLED, SOAKED and OLD_DELETED.

extends_documentation_fragment:
  - evict.cloud.attributes
  - evict.cloud.aws
  - evict.cloud.case
  - evict.cloud.run
options:
  mode:
    description:
      - V(graceful) moves the dependents while the old key works, 60 minutes at most. It is refused when the old key was used from a network that is
        not known, when AWS found it in public, when its user may write in IAM or assume roles, or when that is not known.
        A call from elsewhere later on switches the old key off at once.
      - V(bridge) first clamps the user to the networks of its dependents, 24 hours at most. It is refused when a dependent declares neither
        C(networks) nor C(vpcs).
      - V(emergency) switches the old key off first; the dependents are down until they are moved.
      - If left out, the mode of the incident.
    type: str
    choices: [graceful, bridge, emergency]
  dependents:
    description:
      - Where the credential is kept - C({kind, arn or name, region, account, half, check, networks, vpcs, shared_network, readable_by}). If left out, the
        dependents of the incident.
      - C(kind) is V(secrets_manager), V(ssm_parameter), V(lambda_function), V(ecs_task_definition), V(codebuild_project), V(kubernetes_secret),
        V(vault), V(github_actions), V(gitlab_ci), V(azure_key_vault), V(gcp_secret_manager), V(hook) or V(webhook). The value may be
        JSON, lines of NAME=value, or with C(half) one half alone, V(id) or V(secret); halves are declared in pairs. What each kind takes beside is in
        the guide on rotating.
      - C(check) is C({http, status}), C({command}), C({alarm}) or C({lambda}); three good answers in a row are wanted.
    type: list
    elements: dict
  kinds:
    description: Which kinds of credential are handled. Access keys are when one is compromised, the others when the incident replaces them.
    type: list
    elements: str
    choices: [access_key, login_profile, service_specific_credential, ssh_public_key, signing_certificate]
    default: [access_key, login_profile, service_specific_credential, ssh_public_key, signing_certificate]
  quiet:
    description: How long the old key must not have been used, after all dependents were moved, before it is switched off.
    type: str
    default: 15m
  soak:
    description: How long the old key stays inactive before it is deleted.
    type: str
    default: 24h
  valid:
    description: How long AWS is asked whether it takes the new key.
    type: str
    default: 60s
  free_slot:
    description: Id of a key of the user that may be deleted to make room. A user has two.
    type: str
  deadline:
    description: Gives the old key time until then (RFC 3339, with its zone). Needs O(by) and O(reason). The last one given counts.
    type: str
  by:
    description: Who gives it more time.
    type: str
  reason:
    description: Why.
    type: str
"""

EXAMPLES = r"""
- name: Rotate the leaked key of a case
  evict.cloud.aws_credential_rotation:
    case: cases/IR-2026-0042
    mode: bridge
    dependents:
      - {kind: secrets_manager, arn: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/aws-AbCdEf", networks: [198.51.100.0/24]}
      - {kind: lambda_function, name: orders, region: eu-west-1, check: {lambda: orders}}
"""

RETURN = r"""
rotation:
  description: For each user C({user, old, new, mode, state, deadline, places}); C(new) is the id of the new key. A place whose
    value nobody can read has C(proof), which says what is known instead of a read-back.
  returned: when the case could be opened
  type: list
  elements: dict
  sample:
    - user: "arn:aws:iam::111122223333:user/ci"
      old: AKIAIOSFODNN7EXAMPLE
      new: AKIAI44QH8DHBEXAMPLE
      mode: graceful
      state: OLD_DISABLED
      deadline: null
      places: [{place: secret app/aws in eu-west-1, state: new}]
replaced:
  description:
    - For each of the incident's C(replacements) C({user, kind, old, new, mode, state}). C(new) is an id, empty for a password and for what was reset.
  returned: when the case could be opened
  type: list
  elements: dict
  sample:
    - user: "arn:aws:iam::111122223333:user/ci"
      kind: ssh_public_key
      old: [APKAIOSFODNN7EXAMPLE]
      new: APKAI44QH8DHBEXAMPLE
      mode: graceful
      state: MINTED
manual:
  description: What owners have to be told, with the C(id) that C(case_confirm) takes, C(object), C(what), C(why), and who C(confirmed) it.
  returned: when the case could be opened
  type: list
  elements: dict
  sample:
    - id: manual/replaced/ci/ssh_public_key/APKAI44QH8DHBEXAMPLE
      object: "arn:aws:iam::111122223333:user/ci"
      what: "tell its owner: sign in to CodeCommit with the new key: User APKAI44QH8DHBEXAMPLE in ~/.ssh/config"
      why: the SSH public key of before is compromised
      confirmed: null
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
open:
  description: What stays open, with C(object), C(why) and C(due).
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

from ansible_collections.evict.cloud.plugins.module_utils.aws import entry
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import verb

_KINDS = ["access_key", "login_profile", "service_specific_credential", "ssh_public_key", "signing_certificate"]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **entry.ARGUMENTS,
            "mode": {"type": "str", "choices": ["graceful", "bridge", "emergency"]},
            "dependents": {"type": "list", "elements": "dict"},
            "kinds": {"type": "list", "elements": "str", "choices": _KINDS, "default": _KINDS},
            "quiet": {"type": "str", "default": "15m"},
            "soak": {"type": "str", "default": "24h"},
            "valid": {"type": "str", "default": "60s"},
            "free_slot": {"type": "str"},
            "deadline": {"type": "str"},
            "by": {"type": "str"},
            "reason": {"type": "str"},
        },
        required_one_of=[("case", "incident", "incident_data")],
        supports_check_mode=True,
    )
    entry.change(module, lambda aws, case, runner: verb.rotate(aws, case, runner, module.params), read=verb.read)


if __name__ == "__main__":
    main()

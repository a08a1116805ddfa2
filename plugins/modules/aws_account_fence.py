#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_account_fence
short_description: Fence AWS users and roles from above their account, or lift that fence
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Attaches a service control policy to the account of contained users and roles, or takes it away again. Nobody in the account can remove it.
  - It repeats the denies that this incident has put on the users and roles themselves, denies the federation sessions of the account, and denies changes to
    those users and roles to everybody but the responder and what the incident protects. Who is exempt cannot be changed or made anew by others.
  - In the same way it denies whatever would take the policy off the account from inside.
  - Needs a caller in the management account, a delegated policy administrator, or O(management_role_arn). No account is moved, no policy type enabled.
  - AWS exempts the management account and service-linked roles from service control policies.
  - M(evict.cloud.aws_contain) does this by itself.

extends_documentation_fragment:
  - evict.cloud.attributes
  - evict.cloud.aws
  - evict.cloud.case
  - evict.cloud.run
options:
  state:
    description:
      - V(present) attaches the policy, or extends the one that is there.
      - V(rendered) returns the standing fence as RV(document), with the RV(commands) that deploy it, and changes nothing. It is a service control policy that
        an organization keeps attached to its root, or to an organizational unit, and that denies everything to whatever carries the tag C(evict-quarantine).
        Nobody but O(exempt) can set or remove that tag, pass it with a session, change what carries it, detach the quarantine policy and C(AWSDenyAll), or
        take a service or resource control policy off an account, as a delegated administrator of policies or by leaving the organization.
      - V(verified) shows whether that fence bites, with a canary in each of O(accounts), a role that is made, assumed, tagged, seen denied and deleted.
      - V(absent) takes the principals out of it, and detaches and deletes it when it holds nobody any more; only where the identity's own fence or a session
        cutoff stands, so that no token comes back to life.
    type: str
    choices: [present, absent, rendered, verified]
    default: present
  form:
    description:
      - V(on_the_spot) makes a service control policy of this incident.
      - V(pre_deployed) tags the principals to which everything is denied, for the standing fence, and does the other as well unless in this case a canary was
        seen denied.
    type: str
    choices: [on_the_spot, pre_deployed]
    default: on_the_spot
  exempt:
    description:
      - With O(state=rendered), ARNs of users and roles that may lift the fence, exact but for the account, in whose place V(*) may stand. Who deploys those
        roles into new accounts has to be among them, and so has whoever writes control policies in the account of a delegated administrator.
      - The default is the responder's role, O(management_role_arn) and what the incident protects.
    type: list
    elements: str
  accounts:
    description: With O(state=verified), where. The default is the accounts of the incident's suspects, else the caller's.
    type: list
    elements: str
  principals:
    description: ARNs of users and roles, key ids, or user names that this incident has fenced. With O(state=absent) the default is all.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Fence a user from above its account
  evict.cloud.aws_account_fence:
    incident: incident.yml
    principals: ["arn:aws:iam::111122223333:user/ci-deploy"]
    management_role_arn: "arn:aws:iam::999988887777:role/incident-policies"

- name: The policy that an organization deploys beforehand
  evict.cloud.aws_account_fence:
    incident: incident.yml
    state: rendered
    exempt:
      - "arn:aws:iam::*:role/incident-responder"
      - "arn:aws:iam::*:role/break-glass"

- name: Show that it bites
  evict.cloud.aws_account_fence:
    incident: incident.yml
    state: verified
    accounts: ["111122223333"]

- name: Lift it
  evict.cloud.aws_account_fence:
    case: ./cases/IR-2026-0042
    state: absent
"""

RETURN = r"""
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
  description: What was not lifted, and why.
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
incident:
  description: Id of the incident.
  returned: when the case could be opened
  type: str
  sample: IR-2026-0042
principals:
  description: The principals, as C({cloud, account, kind, id, arn, name, suspect, state, reason, controls}).
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
fences:
  description:
    - For each account, whether a service control policy holds its principals (C(control) is V(scp), V(tag) or V(none)), its names, what holds
      C(instead), why, and what to do about it. Where the standing fence was asked about, C(standing) is V(canary) or V(unknown).
  returned: when the case could be opened
  type: list
  elements: dict
  sample: [{account: "111122223333", control: scp, policies: [evict-IR-2026-0042-111122223333-1], instead: [], why: AWS exempts service-linked roles from it,
            remedy: ""}]
document:
  description: The standing fence.
  returned: with O(state=rendered)
  type: dict
  sample: {Version: "2012-10-17", Statement: []}
commands:
  description: How a person deploys it, from the management account.
  returned: with O(state=rendered)
  type: list
  elements: str
  sample: ["aws organizations create-policy --type SERVICE_CONTROL_POLICY ..."]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import entry, verbs


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **entry.ARGUMENTS,
            "state": {"type": "str", "choices": ["present", "absent", "rendered", "verified"], "default": "present"},
            "form": {"type": "str", "choices": ["on_the_spot", "pre_deployed"], "default": "on_the_spot"},
            "exempt": {"type": "list", "elements": "str"},
            "accounts": {"type": "list", "elements": "str"},
            "principals": {"type": "list", "elements": "str"},
        },
        required_one_of=[("case", "incident", "incident_data")],
        supports_check_mode=True,
    )
    entry.change(module, lambda aws, case, runner: verbs.account_fence_state(aws, case, runner, module.params))


if __name__ == "__main__":
    main()

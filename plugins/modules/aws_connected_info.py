#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_connected_info
short_description: Find every way out of an account
version_added: 0.2.0
author:
  - evict.cloud contributors (@evict)
description:
  - Where could somebody who was in this account have gone from there? Lists roles that admit other accounts and rights to take roles elsewhere,
    the organization and Identity Center, SAML and OIDC providers, directories, Roles Anywhere, VPN, Direct Connect, transit gateways and peering,
    hybrid nodes, Storage Gateway, DataSync and Transfer Family, EKS, databases, registries, and what is shared with other accounts - in every
    enabled region.
  - The analysis (M(evict.cloud.case_analysis)) takes it from the case, and says which of these ways was used.
  - A read that failed is unknown, never absent.
extends_documentation_fragment:
  - evict.cloud.attributes
  - evict.cloud.aws
options:
  case:
    description: The open case, C(<store>/<id>).
    type: str
  incident:
    description: Path of an incident file, for a run without a case that is open already.
    type: path
  incident_data:
    description: The incident as M(evict.cloud.case) returned it. Used when the case is not there yet.
    type: dict
  store:
    description: How to reach the store of O(case), when its URL is not enough - C(profile), C(region), C(role_arn), C(endpoint_url).
    type: dict
  accounts:
    description: Which accounts. The default is those of the incident and of what the case knows by now. A suspect whose account nobody can tell is unknown.
    type: list
    elements: str
  regions:
    description: Which regions. The default is all that are enabled; of those that are left out nothing is known.
    type: list
    elements: str
  kinds:
    description: Which ways. The default is all.
    type: list
    elements: str
    choices:
      - database
      - datasync
      - direct_connect
      - directory
      - hybrid_node
      - identity_center
      - kubernetes
      - oidc_provider
      - organization
      - peering
      - registry
      - resource_share
      - role
      - roles_anywhere
      - saml_provider
      - storage_gateway
      - transfer
      - transit_gateway
      - vpn
  limit:
    description: How many ways the result lists. The case has all.
    type: int
    default: 200
  threads:
    description: Requests that may be under way at once.
    type: int
    default: 16
  threads_per_account:
    description: The same of one account, where there are several.
    type: int
    default: 8
"""

EXAMPLES = r"""
- name: Where could they have gone from here?
  evict.cloud.aws_connected_info:
    case: ./cases/IR-2026-0042
"""

RETURN = r"""
accounts:
  description: For each account, how many C(paths) there are and how many kinds were C(looked) at whole.
  returned: success
  type: dict
  sample: {"111122223333": {paths: 12, looked: 19}}
paths:
  description: The ways, each with C(account), C(kind), C(object), C(to), C(how), C(owner), C(region).
  returned: success
  type: list
  elements: dict
  sample: [{account: "111122223333", kind: peering, object: "arn:aws:ec2:eu-west-1:111122223333:vpc-peering-connection/pcx-1", to: vpc-2 in eu-west-1,
            how: active, owner: "444455556666", region: eu-west-1}]
unknown:
  description: What could not be looked at, with C(account), C(kind), C(region), C(why).
  returned: success
  type: list
  elements: dict
  sample: []
complete:
  description: Whether everything was.
  returned: success
  type: bool
  sample: true
file:
  description: Where all of it is.
  returned: success
  type: str
  sample: /srv/ir/cases/IR-2026-0042/report/aws-connected.json
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import connected, connections, entry, session
from ansible_collections.evict.cloud.plugins.module_utils.common import errors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **session.ARGUMENTS,
            **entry.RUN,
            "case": {"type": "str"},
            "incident": {"type": "path"},
            "incident_data": {"type": "dict"},
            "store": {"type": "dict"},
            "accounts": {"type": "list", "elements": "str"},
            "regions": {"type": "list", "elements": "str"},
            "kinds": {"type": "list", "elements": "str", "choices": sorted(connected.KINDS)},
            "limit": {"type": "int", "default": 200},
        },
        required_one_of=[("case", "incident", "incident_data")],
        supports_check_mode=True,
    )
    result: dict[str, object] = {}
    with errors.handler(module):
        result = connections.find(module.params, entry.connect, check=module.check_mode)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()

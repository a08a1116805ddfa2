#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: case_from_finding
short_description: Write an incident file from the findings of a detector
version_added: 0.2.0
author:
  - evict.cloud contributors (@evict)
description:
  - Reads findings of Amazon GuardDuty, AWS Security Hub (ASFF and OCSF), AWS Health (keys that AWS found in public), the CloudTrail record of
    AWS's own key quarantine, Microsoft Defender (alerts of the Graph security API), Microsoft Sentinel and Defender for Cloud, and Google Security
    Command Center.
  - Everything in a finding is checked in form, and nothing of it is run. A finding that names no identity, that is a sample or that is of no known
    form is refused by its path.
  - The incident gets the narrowest identity that a finding names - a key rather than its user, a user rather than a machine.
  - A file that is there already is never written over.
extends_documentation_fragment:
  - evict.cloud.attributes
options:
  finding:
    description: A file with one finding, a list of findings, one on each line, or an event of EventBridge that holds them. JSON.
    type: path
  finding_data:
    description: One finding or event as a mapping, as an event-driven rulebook has it.
    type: dict
  template:
    description: An incident file whose other keys (C(connection), C(store), C(protected), C(trusted), C(notify) and so on) are taken.
    type: path
  dest:
    description: The incident file. The default is C(incident-<id>.yml) where the command was started; the id follows from those of the findings.
    type: path
  directory:
    description: Where the command was started. Relative paths are taken from there. The default is the current directory.
    type: path
"""

EXAMPLES = r"""
- name: An incident out of a GuardDuty finding
  evict.cloud.case_from_finding:
    finding: finding.json
    template: template.yml
"""

RETURN = r"""
incident:
  description: Id of the incident.
  returned: success
  type: str
  sample: IR-9f86d08188
incident_file:
  description: The incident file.
  returned: success
  type: str
  sample: /srv/ir/incident-IR-9f86d08188.yml
title:
  description: Its title.
  returned: success
  type: str
  sample: API DescribeInstances was invoked from a Tor exit node.
severity:
  description: The most severe finding's.
  returned: success
  type: str
  sample: high
suspects:
  description: The suspects, in words.
  returned: success
  type: list
  elements: str
  sample: [access key AKIAIOSFODNN7EXAMPLE in 111122223333]
formats:
  description: What the findings are.
  returned: success
  type: list
  elements: str
  sample: [GuardDuty]
notes:
  description: What a person should know, such as that the file was there already.
  returned: success
  type: list
  elements: str
  sample: []
diff:
  description: The file before and after.
  returned: success
  type: dict
  sample: {before_header: incident.yml, after_header: incident.yml, before: "", after: "incident: {}"}
problems:
  description: What is wrong; each entry has a C(path) in the finding and a C(message).
  returned: when a finding was refused
  type: list
  elements: dict
  sample: [{path: "detail", message: "is a sample that GuardDuty made: its identities do not exist"}]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, from_finding


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "finding": {"type": "path"},
            "finding_data": {"type": "dict"},
            "template": {"type": "path"},
            "dest": {"type": "path"},
            "directory": {"type": "path"},
        },
        mutually_exclusive=[["finding", "finding_data"]],
        required_one_of=[["finding", "finding_data"]],
        supports_check_mode=True,
    )
    result: dict[str, t.Any] = {}
    with errors.handler(module):
        result = from_finding.run(module.params, check=module.check_mode)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""

options:
  profile:
    description: Name of an AWS profile. What no option gives comes from C(connection.aws) of the incident, then from the SDK's own chain.
    type: str
  region:
    description: Region for services that have regions. IAM is global.
    type: str
  role_arn:
    description: Role to assume in each account, with C({account}) in the place of the account, which is replaced literally.
    type: str
  external_id:
    description: External id that the role asks for.
    type: str
  source_identity:
    description:
      - Who runs this, as the source identity of the sessions that are assumed, which AWS keeps in CloudTrail. Without it the name of the caller's session or
        user. Where a role's trust does not allow C(sts:SetSourceIdentity) the role is assumed without it, and a warning says so.
    type: str
  management_role_arn:
    description: Role to assume for what only the management account may do.
    type: str
  identity_center_role_arn:
    description:
      - Role to assume for IAM Identity Center, in the management account or in a delegated administrator's. Without it O(management_role_arn), then the caller.
    type: str
  identity_center_region:
    description: The region of the IAM Identity Center instance. Without it the enabled regions are asked.
    type: str
  assume_own:
    description: Assume O(role_arn) in the caller's own account too.
    type: bool
  endpoint_url:
    description: Endpoint to use instead of AWS's own, for tests.
    type: str
requirements:
  - boto3
"""

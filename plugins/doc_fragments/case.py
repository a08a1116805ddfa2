# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""

options:
  case:
    description: The open case, C(<store>/<id>). Its own C(incident.json) is what counts.
    type: str
  incident:
    description: Path of an incident file, for a run without a case that is open already.
    type: path
  incident_data:
    description: The incident as M(evict.cloud.case) returned it. Used when the case is not there yet, as in check mode.
    type: dict
  store:
    description: How to reach the store of O(case), when its URL is not enough - C(profile), C(region), C(role_arn), C(endpoint_url).
    type: dict
  takeover:
    description:
      - Take the case over from another run that still holds it, which then stops before its next change.
      - M(evict.cloud.aws_contain) stops for this alone; it takes any case over without being told to.
    type: bool
    default: false
requirements:
  - obstore
"""

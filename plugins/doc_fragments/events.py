# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ``*_audit_event_info`` modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""

options:
  case:
    description: The open case, C(<store>/<id>), into which the logs are loaded.
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
    description: Take the case over from another run that still holds it.
    type: bool
    default: false
  folder:
    description:
      - A folder with log files, on the machine that runs the module. All files below it are looked at, links are not followed.
      - Plain or gzip; lists in the wrapper of the cloud's files and APIs, plain arrays, JSON lines.
    type: path
  memory:
    description: What DuckDB may use. It needs about half as much again for files of 50 MB.
    type: str
    default: 4GB
  loading_threads:
    description: Threads of DuckDB. 0 means one per processor.
    type: int
    default: 0
attributes:
  check_mode:
    description: Counts what is new and loads nothing. The event history is not asked.
    support: full
  diff_mode:
    description: It changes nothing in the cloud, so there is nothing to show.
    support: none
  idempotent:
    description: What was loaded is not loaded again.
    support: full
requirements:
  - duckdb >= 2.0
  - obstore
notes:
  - Nothing in the cloud is changed. The events become C(events/<source>/<n>.parquet) with a C(manifest.json) in the case.
  - A file that DuckDB rejects is read by itself, within limits on bytes, depth and ratio. What could not be read is a gap, of which conclusions
    have to be told.
"""

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ``*_audit_event_info`` modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""

options:
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
notes:
  - Nothing in the cloud is changed. The events become C(events/<source>/<n>.parquet) with a C(manifest.json) in the case.
  - A file that DuckDB rejects is read by itself, within limits on bytes, depth and ratio. What could not be read is a gap, of which conclusions
    have to be told.
"""

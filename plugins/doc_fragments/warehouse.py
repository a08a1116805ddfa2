# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules share that ask a warehouse for logs."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""

options:
  ceiling:
    description:
      - How many bytes one run may have the warehouse read, as a number or with a unit (V(500GB)). What a query would read is known before it is started. One
        that would go beyond this is not started; what is missing then is a gap that says how much it would take.
      - Each step along the lineage is a query over the same partitions, so a run reads several times what check mode shows.
    type: bytes
    default: 1TB
  baseline:
    description: Days before O(start) of which the first event of each kind (identity, address, program, service, region) is fetched. They tell whose a
      network is.
    type: int
    default: 30
requirements:
  - sqlglot >= 30.20
notes:
  - Of a warehouse only those events are fetched that the lineage of the suspects leads to. What counts calls (spikes) cannot be told from them.
  - What was asked is remembered in the case. A second run asks for what came since, the newest hour again since events come late.
"""

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""

options:
  threads:
    description: Requests that may be under way at once, 1 or more.
    type: int
    default: 16
  threads_per_account:
    description: The same for one account, when several accounts have work waiting. An account that is alone may use all.
    type: int
    default: 8
notes:
  - Before each change the state that it replaces is written to the case and made durable.
"""

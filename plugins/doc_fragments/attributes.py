# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""

attributes:
  check_mode:
    description: Can run in check mode, where it reads the live state, writes nothing anywhere, and shows what would change.
    support: full
  diff_mode:
    description: Shows, object by object, what is there before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
"""

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of the workloads that cache a role's credentials: one file each (``kind.Kind``)."""

from __future__ import annotations

from . import function, instance, service
from .kind import MARK, Kind, Workload, pushed

_FILES: tuple[Kind, ...] = (function, service, instance)
KINDS: dict[str, Kind] = {kind.KIND: kind for kind in _FILES}
__all__ = ["KINDS", "MARK", "Kind", "Workload", "pushed"]

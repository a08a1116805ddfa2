# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows progress and the table of ``evict.cloud.aws_contain``; takes the public variables of a rotation as they were written, never templated."""

from __future__ import annotations

import typing as t

from ..plugin_utils import raw
from ..plugin_utils.live import LiveAction

_PUBLIC = ("quiet", "soak")


class ActionModule(LiveAction):
    """See ``LiveAction``."""

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """What the task leaves out comes from the raw variables. Raises InvalidInput."""
        arguments = super().arguments(task_vars)
        return {**arguments, **raw.left_out(arguments, task_vars, _PUBLIC)}

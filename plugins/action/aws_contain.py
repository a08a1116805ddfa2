# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows progress and the table of ``evict.cloud.aws_contain``; takes the public variables of a rotation as they were written, never templated."""

from __future__ import annotations

import typing as t

from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import raw
from ..plugin_utils.live import LiveAction, say

_PUBLIC = ("quiet", "soak")


class ActionModule(LiveAction):
    """See ``LiveAction``."""

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """What the task leaves out comes from the raw variables. Raises InvalidInput."""
        arguments = super().arguments(task_vars)
        given = {name: raw.variable(task_vars, name) for name in _PUBLIC if name not in arguments}
        return {**arguments, **{name: value for name, value in given.items() if value not in (None, "")}}

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        try:
            return super().run(tmp, task_vars)
        except InvalidInput as error:
            say("refused: " + error.message.split(": ", 1)[0])
            for path, message in error.problems:
                say(f"  {path}: {message}")
            return {"failed": True, "changed": False, "msg": raw.printable(error.message, 8000)}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the variable ``incident`` as it was written."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import raw, readiness
from ..plugin_utils.live import say


class ActionModule(ActionBase):
    """Runs the module of the same name."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        try:
            arguments = readiness.arguments(self._task.args, task_vars or {})
        except InvalidInput as error:
            result |= {"failed": True, "changed": False, "msg": raw.printable(error.message, 8000)}
            result["problems"] = [{"path": path, "message": message} for path, message in error.problems]
            for line in readiness.refused(result):
                say(line)
            return result
        result.update(self._execute_module(module_name="evict.cloud.aws_baseline", module_args=arguments, task_vars=task_vars))
        if isinstance(result.get("msg"), str):
            result["msg"] = raw.printable(result["msg"], 8000)  # Ansible prints it as it is
        for line in readiness.refused(result):
            say(line)
        for row in result.get("baselines", []):
            if row["state"] in ("written", "would write"):
                say(
                    f"  baseline {row['account']}: {row['identities']} identities, {row['path']}"
                    + ("" if row["state"] == "written" else " (not written)")
                )
        return result

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the variable ``incident`` as it was written, prints a line for each answer that is not ok, and writes ``result_file``."""

from __future__ import annotations

import json
import os
import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import raw, readiness
from ..plugin_utils.live import say

_KEPT = ("status", "incident", "at", "caller", "accounts", "ready", "rows", "baselines")


class ActionModule(ActionBase):
    """Runs the module of the same name."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        given = dict(self._task.args)
        result_file, brief = given.pop("result_file", None), given.pop("brief", False)
        try:
            arguments = readiness.arguments(given, task_vars or {})
        except InvalidInput as error:
            result |= {"failed": True, "changed": False, "msg": raw.printable(error.message, 8000)}
            result["problems"] = [{"path": path, "message": message} for path, message in error.problems]
            for line in readiness.refused(result):
                say(line)
            return result
        result.update(self._execute_module(module_name="evict.cloud.aws_readiness_info", module_args=arguments, task_vars=task_vars))
        if isinstance(result.get("msg"), str):
            result["msg"] = raw.printable(result["msg"], 8000)  # Ansible prints it as it is
        for line in [*readiness.refused(result), *readiness.lines(result)]:
            say(line)
        if result_file and "rows" in result:
            _write(os.path.join(str(arguments["directory"]), str(result_file)), {**result, "baselines": arguments.get("baselines") or []})
        return {k: v for k, v in result.items() if k not in ("rows", "accounts", "ready")} if brief and result.get("failed") else result


def _write(path: str, result: t.Mapping[str, t.Any]) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({k: result[k] for k in _KEPT if k in result}, file, indent=1, sort_keys=True, default=str)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the variable ``incident`` as it was written, prints a line for each answer that is not ok, and writes ``result_file``."""

from __future__ import annotations

import os
import typing as t

from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import readiness
from ..plugin_utils.acting import RawAction, keep

_OURS = ("result_file", "brief")  # of this plugin, not of the module
_KEPT = ("status", "incident", "at", "caller", "accounts", "ready", "rows", "baselines")


class ActionModule(RawAction):
    """Runs the module of the same name."""

    FIRST = True  # beside aws_baseline, of whose refusals the role lets some pass

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return readiness.arguments({**self.public("threads"), **{k: v for k, v in self._task.args.items() if k not in _OURS}}, task_vars)

    def refusal(self, error: InvalidInput) -> list[str]:
        return readiness.refusal(error)

    def told(self, result: t.Mapping[str, t.Any]) -> list[str]:
        return [*readiness.refused(result), *readiness.lines(result)]

    def work(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        result_file, brief = self.copied_to(), self._task.args.get("brief")
        result = super().work(arguments, task_vars)
        if result_file and "rows" in result:
            kept = {**result, "baselines": arguments.get("baselines") or []}
            keep(os.path.join(str(arguments["directory"]), str(result_file)), {k: kept[k] for k in _KEPT if k in kept})
        return {k: v for k, v in result.items() if k not in ("rows", "accounts", "ready")} if brief and result.get("failed") else result

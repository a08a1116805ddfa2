# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the variable ``incident`` as it was written."""

from __future__ import annotations

import typing as t

from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import readiness
from ..plugin_utils.acting import RawAction


class ActionModule(RawAction):
    """Runs the module of the same name."""

    FIRST = True

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return readiness.arguments({**self.public("threads"), **self._task.args}, task_vars)

    def refusal(self, error: InvalidInput) -> list[str]:
        return readiness.refusal(error)

    def told(self, result: t.Mapping[str, t.Any]) -> list[str]:
        rows = [row for row in result.get("baselines", []) if row["state"] in ("written", "would write")]
        return readiness.refused(result) + [
            f"  baseline {row['account']}: {row['identities']} identities, {row['path']}{'' if row['state'] == 'written' else ' (not written)'}"
            for row in rows
        ]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands the path of an edited plan to ``evict.cloud.case_plan`` as it was written, and says what the plan holds."""

from __future__ import annotations

import typing as t

from ..plugin_utils import raw
from ..plugin_utils.acting import RawAction, absolute

_SHOWN = 40


class ActionModule(RawAction):
    """Runs the module and shows its table."""

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        arguments = self.given()
        arguments |= raw.left_out(arguments, task_vars, ("plan",))
        return absolute(arguments, ("plan",))

    def told(self, result: t.Mapping[str, t.Any]) -> list[str]:
        return lines(result, self._task.check_mode)


def lines(result: t.Mapping[str, t.Any], check: bool) -> list[str]:
    """What a person reads."""
    if result.get("failed"):
        return [f"  {entry['path']}: {entry['message']}" for entry in result.get("problems", []) if "path" in entry]
    if not result.get("revision"):
        return [f"  {result['incident']}  there is no plan yet: investigate.yml writes one"]
    changed = str((result.get("diff") or {}).get("after") or "").splitlines()
    shown = [*changed[:_SHOWN], *([f"and {len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else [])]
    kinds = [
        f"{kind}: " + ", ".join(f"{n} {verdict}" for verdict, n in sorted(row.items())) for kind, row in sorted(result["kinds"].items())
    ]
    return [
        f"  {result['incident']}  plan {result['plan']}" + ("  (would be written)" if check and result.get("changed") else ""),
        *(f"    {line}" for line in [*shown, *kinds]),
        f"    to review: {result['waiting']}; decided: {result['decided']}; would be executed: {result['executable']}",
    ]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions of the ``*_audit_event_info`` modules share: a folder as it was written, and what was loaded in a line or two."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils.common.errors import InvalidInput
from . import raw
from .live import say

_SHOWN = 5


class AuditAction(ActionBase):
    """Runs the module of the same name."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        try:
            arguments = {key: raw.plain(value, key) for key, value in self._task.args.items() if value not in (None, "", {})}
        except InvalidInput as error:
            return result | {"failed": True, "changed": False, "msg": raw.printable(error.message, 8000)}
        if isinstance(arguments.get("folder"), str):  # of where the command was started, not of where the playbook lies
            arguments["folder"] = os.path.abspath(os.path.expanduser(arguments["folder"]))
        result.update(
            self._execute_module(module_name=self._task.resolved_action or self._task.action, module_args=arguments, task_vars=task_vars)
        )
        if isinstance(result.get("msg"), str):
            result["msg"] = raw.printable(result["msg"], 8000)
        for line in lines(result):
            say(line)
        return result


def lines(result: t.Mapping[str, t.Any]) -> list[str]:
    """How much is new, how much the case holds, and what could not be read."""
    if result.get("failed") or "files" not in result:
        return []
    loaded = sum((result.get("loaded") or {}).values())
    files, gaps = result["files"], result.get("gaps") or []
    if not (loaded or gaps or files.get("waiting") or any(about.get("events") for about in (result.get("kept") or {}).values())):
        return []
    kept = [
        f"{name}: {about['events']} events from {about['start']} to {about['end']}"
        for name, about in sorted((result.get("kept") or {}).items())
    ]
    said = [
        f"  {loaded} new events of {files.get('read', 0)} files ({files.get('known', 0)} known, {files.get('unreadable', 0)} unreadable)",
        *kept,
    ]
    said += [f"  gap: {gap.get('object')}: {gap.get('why')}" for gap in gaps[:_SHOWN]]
    more = int(result.get("gap_count") or 0) - min(len(gaps), _SHOWN)
    return [
        said[0],
        *(f"  {line}" for line in said[1 : 1 + len(kept)]),
        *said[1 + len(kept) :],
        *([f"  and {more} more gaps"] if more > 0 else []),
    ]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands what a person says to ``evict.cloud.case_confirm`` as it was written: untemplated."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import raw

_PUBLIC = {"item": "item", "by": "by", "note": "reason", "level": "level"}  # option -> variable


class ActionModule(ActionBase):
    """Runs the module and says what is on record now."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        try:
            arguments = {key: raw.plain(value, key) for key, value in self._task.args.items() if value not in (None, "")}
            given = {option: raw.variable(task_vars or {}, name) for option, name in _PUBLIC.items() if option not in arguments}
            arguments.update({option: _text(option, value) for option, value in given.items() if value is not None})
        except InvalidInput as error:
            return result | {"failed": True, "changed": False, "msg": raw.printable(error.message, 8000)}
        result.update(self._execute_module(module_name="evict.cloud.case_confirm", module_args=arguments, task_vars=task_vars))
        if isinstance(result.get("msg"), str):
            result["msg"] = raw.printable(result["msg"], 8000)
        for line in _lines(result, self._task.check_mode):
            Display().display(raw.printable(line, 2000))
        return result


def _text(option: str, value: t.Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput("a variable was refused", [(_PUBLIC[option], "must be text; write it in quotes")])
    return value


def _lines(result: t.Mapping[str, t.Any], check: bool) -> list[str]:
    if result.get("failed"):
        return [f"  {entry['path']}: {entry['message']}" for entry in result.get("problems", []) if "path" in entry]
    if result.get("changed"):
        return [f"  {result['incident']}  {result['item']}: {'would be ' if check else ''}on record, says {result['by']}"]
    return [f"  {result['incident']}  {result['item']}: on record since {result['at']}, says {result['by']}"]

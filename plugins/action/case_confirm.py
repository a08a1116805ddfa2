# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands what a person says to ``evict.cloud.case_confirm`` as it was written: untemplated."""

from __future__ import annotations

import typing as t

from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import raw
from ..plugin_utils.acting import RawAction

_PUBLIC = {"item": "item", "by": "by", "note": "reason", "level": "level"}  # option -> variable


class ActionModule(RawAction):
    """Runs the module and says what is on record now."""

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        arguments = self.given()
        given = {option: raw.variable(task_vars, name) for option, name in _PUBLIC.items() if option not in arguments}
        return {**arguments, **{option: _text(option, value) for option, value in given.items() if value is not None}}

    def told(self, result: t.Mapping[str, t.Any]) -> list[str]:
        return _lines(result, self._task.check_mode)


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

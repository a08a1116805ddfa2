# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands paths to ``evict.cloud.case_from_finding`` as they were written, and says what came of the finding."""

from __future__ import annotations

import os
import typing as t

from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import raw
from ..plugin_utils.acting import RawAction, Result, say

_PUBLIC = {"finding": "finding", "template": "incident"}  # option -> variable
_PATHS = ("finding", "template", "dest")


class ActionModule(RawAction):
    """Runs the module; a finding given as data (a rulebook's event) is refused when a string in it holds a template."""

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        arguments = {key: raw.plain(value, key) for key, value in self._task.args.items() if value not in (None, "")}
        for option, name in _PUBLIC.items():
            if option not in arguments and (value := raw.variable(task_vars, name)) is not None:
                arguments[option] = value
        if isinstance(arguments.get("finding"), dict):
            arguments["finding_data"] = arguments.pop("finding")
        arguments["directory"] = directory = os.path.abspath(arguments.get("directory") or os.getcwd())
        for option in _PATHS:
            if arguments.get(option) is not None:
                if not isinstance(arguments[option], str):
                    raise InvalidInput("a variable was refused", [(_PUBLIC.get(option, option), "must be the path of a file")])
                arguments[option] = os.path.join(directory, os.path.expanduser(arguments[option]))
        if not arguments.get("finding") and not arguments.get("finding_data"):
            raise InvalidInput("nothing to read", [("finding", "pass -e finding=FILE")])
        return arguments

    def work(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        result = self.module(arguments, task_vars)
        for line in lines(result, self._task.check_mode):
            say(line)
        return result


def lines(result: t.Mapping[str, t.Any], check: bool) -> list[str]:
    """What a person reads, and what to run next."""
    if result.get("failed"):
        return [f"  {entry['path']}: {entry['message']}" for entry in result.get("problems", []) if "path" in entry]
    written = "would be written" if check and result["changed"] else "written" if result["changed"] else "unchanged"
    return [
        f"evict.cloud  {result['incident']}  {result['severity']}  {result['title']}",
        f"  suspects: {', '.join(result['suspects'])}",
        f"  incident file: {result['incident_file']} ({written})",
        *(f"  {note}" for note in result["notes"]),
        f"  next: ansible-playbook evict.cloud.contain -e incident={result['incident_file']} --check --diff",
    ]

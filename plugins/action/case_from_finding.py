# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands paths to ``evict.cloud.case_from_finding`` as they were written, and says what came of the finding."""

from __future__ import annotations

import typing as t

from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import raw
from ..plugin_utils.acting import RawAction, absolute

_PUBLIC = {"finding": "finding", "template": "incident"}  # option -> variable


class ActionModule(RawAction):
    """Runs the module; a finding given as data (a rulebook's event) is refused when a string in it holds a template."""

    FIRST = True

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        arguments = self.given()
        for option, name in _PUBLIC.items():
            if option not in arguments and (value := raw.variable(task_vars, name)) is not None:
                arguments[option] = value
        if isinstance(arguments.get("finding"), dict):
            arguments["finding_data"] = arguments.pop("finding")
        arguments = absolute(arguments, ("finding", "template", "dest"))
        if not arguments.get("finding") and not arguments.get("finding_data"):
            raise InvalidInput("nothing to read", [("finding", "pass -e finding=FILE")])
        return arguments

    def told(self, result: t.Mapping[str, t.Any]) -> list[str]:
        return lines(result, self._task.check_mode)


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

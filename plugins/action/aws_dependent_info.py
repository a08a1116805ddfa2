# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands the public variables to ``evict.cloud.aws_dependent_info`` as they were written, never templated, and shows its table."""

from __future__ import annotations

import os
import typing as t

from ..module_utils.common import incident as incidents
from ..module_utils.common import suspect as suspects
from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import dependents_table, raw
from ..plugin_utils.acting import RawAction, keep

_SOURCES = ("suspects", "incident", "incident_data", "case")


class ActionModule(RawAction):
    """Runs the module once; its long lists stay in the result, the table is for reading."""

    FIRST = True

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return _arguments({**self.public("threads"), **self._task.args}, task_vars)

    def refusal(self, error: InvalidInput) -> list[str]:
        return [f"  {path}: {message}" for path, message in error.problems]

    def work(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        arguments.pop("result_file", None)
        result = super().work(arguments, task_vars)
        if (result_file := self.copied_to()) and "dependents" in result:
            keep(result_file, {k: v for k, v in result.items() if k != "invocation"})
        return result

    def told(self, result: t.Mapping[str, t.Any]) -> list[str]:
        return dependents_table.lines(dict(result))


def _arguments(given: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The task's own, and what it leaves out of the public variables. Raises InvalidInput, without a secret that somebody pasted."""
    arguments = {key: raw.plain(value, key) for key, value in given.items() if value not in (None, "", [])}
    if any(arguments.get(key) for key in _SOURCES):
        return arguments
    incident, suspect, case = (raw.variable(variables, key) for key in ("incident", "suspect", "case"))
    if isinstance(incident, dict):
        arguments["incident_data"] = incidents.validate(incident, "the variable incident").as_dict()
    elif incident:
        arguments["incident"] = os.path.abspath(os.path.expanduser(str(incident)))
    elif suspect:
        arguments["suspects"] = [suspects.minimal(suspects.only(str(suspect)))]
    elif case:
        arguments["case"] = str(case)
    else:
        raise InvalidInput("nothing to look for", [("suspect", "pass one of -e suspect=INDICATOR, -e incident=FILE and -e case=STORE/ID")])
    return arguments

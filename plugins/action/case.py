# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands the public variables to the module as they were written: untemplated, checked here first, so that a secret never reaches an argument list."""

from __future__ import annotations

import os
import typing as t

from ..module_utils.common import incident as incidents
from ..module_utils.common import planning, template
from ..module_utils.common import suspect as suspects
from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import extra, raw
from ..plugin_utils.acting import RawAction

_SOURCES = ("incident", "suspect", "case", "data")  # and plan, of which the case's own has its case above it
_SHOWN = 5


class ActionModule(RawAction):
    """Runs ``evict.cloud.case`` and says at once which case it is about."""

    FIRST = True

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        also = self.public(*extra.OPENS.get(extra.playbook(self._task), ()))
        return _arguments({**also, **self._task.args}, task_vars)

    def refusal(self, error: InvalidInput) -> list[str]:
        return _begun([error.message.split(": ", 1)[0], *(f"  {path}: {message}" for path, message in error.problems)])

    def told(self, result: t.Mapping[str, t.Any]) -> list[str]:
        return _begun(_lines(result))


def _arguments(given: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The module's arguments. What the task did not pass comes from the raw variables."""
    arguments = {key: raw.plain(value, key) for key, value in given.items()}
    if not any(arguments.get(key) for key in _SOURCES):
        arguments.update({key: raw.variable(variables, key) for key in ("incident", "suspect", "case")})
    directory = os.path.abspath(arguments.get("directory") or os.getcwd())
    if arguments.get("plan") and not any(arguments.get(key) for key in _SOURCES):
        arguments["case"] = planning.place(os.path.join(directory, str(arguments["plan"])))
        if not arguments["case"]:
            raise InvalidInput("a variable was refused", [("plan", "is in no case's folder plan; pass -e case=STORE/ID as well")])
    if not any(arguments.get(key) for key in _SOURCES):
        raise InvalidInput("nothing to work on", [("incident", "pass one of -e incident=FILE, -e suspect=INDICATOR and -e case=STORE/ID")])
    for key in ("reason", "by", "allow_local_store"):
        if arguments.get(key) is None and (value := raw.variable(variables, key)) is not None:
            arguments[key] = value
    arguments["directory"] = directory
    if isinstance(arguments.get("incident"), dict):
        arguments["data"] = arguments.pop("incident")
    for key in ("incident", "suspect", "case", "plan"):
        if arguments.get(key) is not None and not isinstance(arguments[key], str):
            raise InvalidInput("a variable was refused", [(key, "must be text; write it in quotes")])
    if arguments.get("data") and arguments.get("suspect"):
        template.validate(arguments["data"], "the variable incident")
    elif arguments.get("data"):
        incidents.validate(arguments["data"], "the variable incident")
    if arguments.get("suspect"):
        arguments["suspect"] = suspects.minimal(suspects.only(arguments["suspect"]))
    if arguments.get("incident"):
        arguments["incident"] = os.path.join(directory, os.path.expanduser(arguments["incident"]))
    if arguments.get("plan"):
        arguments["plan"] = os.path.join(directory, os.path.expanduser(arguments["plan"]))
    return {key: value for key, value in arguments.items() if value is not None}


def _lines(result: t.Mapping[str, t.Any]) -> list[str]:
    if result.get("failed") or "case" not in result:
        problems = [
            entry for entry in result.get("problems") or [] if "path" in entry
        ]  # any other is the task's message, which Ansible prints
        return (
            [f"refused: {len(problems)} to correct", *(f"  {entry['path']}: {entry['message']}" for entry in problems)] if problems else []
        )
    names = result.get("suspects") or []
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    lines = [
        "  ".join([result["incident"], result["severity"], result["mode"], *(["closed"] if result["state"] == "closed" else [])]),
        f"  suspects: {', '.join([*names[:_SHOWN], *more])}",
        f"  case: {result['case']}",
    ]
    if result.get("incident_file") and os.path.exists(result["incident_file"]):  # in check mode none is written
        lines.append(f"  incident file: {result['incident_file']}")
    return lines + [f"  {note}" for note in result.get("notes") or []]


def _begun(lines: list[str]) -> list[str]:
    return [("evict.cloud  " if not number else "") + line for number, line in enumerate(lines)]

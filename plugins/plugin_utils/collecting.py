# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions of the ``*_audit_event_info`` modules share: variables as they were written, progress, and a few lines at the end."""

from __future__ import annotations

import os
import typing as t

from ..module_utils.common import incident as incidents
from ..module_utils.common.errors import InvalidInput
from . import raw
from .acting import RawAction, Result
from .live import watched

_SOURCES = ("case", "incident", "incident_data")
_LINES = 10


class CollectingAction(RawAction):
    """Runs the module of the same name."""

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return _arguments(self._task.args, task_vars)

    def work(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        with watched(arguments, self._task.check_mode):
            return super().work(arguments, task_vars)

    def told(self, result: t.Mapping[str, t.Any]) -> list[str]:
        return lines(result)


def _arguments(given: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The task's own; which case, if it leaves that out, from the public variables. Raises InvalidInput."""
    arguments = {key: raw.plain(value, key) for key, value in given.items() if value not in (None, "", [], {})}
    if isinstance(arguments.get("folder"), str):  # of where the command was started, not of where the playbook lies
        arguments["folder"] = os.path.abspath(os.path.expanduser(arguments["folder"]))
    if any(arguments.get(key) for key in _SOURCES):
        return arguments
    case, incident = raw.variable(variables, "case"), raw.variable(variables, "incident")
    if case:
        arguments["case"] = str(case)
    elif isinstance(incident, dict):
        arguments["incident_data"] = incidents.validate(incident, "the variable incident").as_dict()
    elif incident:
        arguments["incident"] = os.path.abspath(os.path.expanduser(str(incident)))
    else:
        raise InvalidInput("no case to load into", [("case", "pass one of -e case=STORE/ID and -e incident=FILE")])
    return arguments


def lines(result: t.Mapping[str, t.Any]) -> list[str]:
    """The end of the output. Names of files and reasons hold text of logs: ``say`` makes them printable."""
    if "kept" not in result:
        return []
    files, told = result["files"], []
    new = ", ".join(f"{count} {source}" for source, count in sorted(result["loaded"].items())) or "nothing"
    if files["waiting"]:
        told.append(f"  {result['incident']}  {files['waiting']} new files would be read")
    if asked := result.get("warehouse"):
        told.append(
            f"  {result['incident']}  {asked['engine']}: {asked['queries']} queries in {asked['rounds']} rounds, {asked['rows']} events; they read at most"
            f" {asked['scanned']} bytes of {asked['ceiling']} ({asked['how'] or 'nothing was new'})"
        )
    told.append(
        f"  {result['incident']}  new: {new}; {result['duplicates']} duplicates; {files['read']} files read, {files['known']} known"
    )
    for source, kept in sorted(result["kept"].items()):
        if kept["events"]:
            told.append(f"    {source}: {kept['events']} events, {kept['start']} to {kept['end']}")
    told += [f"    gap: {gap['object']}: {gap['why']}" for gap in result["gaps"][:_LINES]]
    if result["gap_count"] > _LINES:
        told.append(f"    and {result['gap_count'] - _LINES} more gaps, in the case's table gaps")
    return told

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands the public variables to ``evict.cloud.case_analysis`` as they were written, never templated, and says who is in wrong hands."""

from __future__ import annotations

import os
import typing as t

from ..module_utils.common import incident as incidents
from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import raw
from ..plugin_utils.acting import RawAction, Result, keep

_SHOWN = 25


class ActionModule(RawAction):
    """Runs the module and prints a line for each identity that is the attacker's; the rest is in the report."""

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return _arguments(self._task.args, task_vars)

    def work(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        result_file = arguments.pop("result_file", None)
        result = super().work(arguments, task_vars)
        if result_file and "tainted" in result:
            found = {k: v for k, v in result.items() if k != "invocation"}
            keep(str(result_file), {**found, "status": "ok", "changed": int(bool(result["changed"])), "failed": []})
        return result

    def told(self, result: t.Mapping[str, t.Any]) -> list[str]:
        return lines(result)


def _arguments(given: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    arguments = {key: raw.plain(value, key) for key, value in given.items() if value not in (None, "", {})}
    if arguments.get("sigma"):  # as the command was started, not where the module runs
        sigma = arguments["sigma"]
        arguments["sigma"] = [os.path.abspath(os.path.expanduser(str(path))) for path in (sigma if isinstance(sigma, list) else [sigma])]
    if any(arguments.get(key) for key in ("case", "incident", "incident_data")):
        return arguments
    incident, case = (raw.variable(variables, key) for key in ("incident", "case"))
    if isinstance(incident, dict):
        arguments["incident_data"] = incidents.validate(incident, "the variable incident").as_dict()
    elif incident:
        arguments["incident"] = os.path.abspath(os.path.expanduser(str(incident)))
    elif case:
        arguments["case"] = str(case)
    else:
        raise InvalidInput("nothing to analyse", [("case", "pass one of -e case=STORE/ID and -e incident=FILE")])
    return arguments


def lines(result: t.Mapping[str, t.Any]) -> list[str]:
    """What a person reads: the text of logs escaped, one line each."""
    if "tainted" not in result:
        return []
    counts, tainted = result["counts"], result["tainted"]
    rogue = [row for row in tainted if row["verdict"] == "rogue"]
    said = [
        f"  {row['kind']:<16} {row['id']}  {row['via']}{' by ' + row['parent'] if row['parent'] else ''}  {row['confidence']}%"
        for row in rogue[:_SHOWN]
    ]
    if counts["tainted"]["rogue"] > _SHOWN:
        said.append(f"  and {counts['tainted']['rogue'] - _SHOWN} more in the report")
    said.append(
        f"  {result['incident']}: {counts['tainted']['rogue']} in wrong hands, {counts['tainted']['review']} to review, {counts['acts']['rogue']} calls of"
        f" {result['events']} events; {result['doubts']} conclusions in doubt, {result['gaps']} gaps -> {result['report']}"
    )
    if done := result.get("done"):
        said.append("  " + ", ".join(f"{count} {what}" for what, count in done.items()))
    if asked := result.get("sigma"):
        said.append(f"  {asked['rules']} Sigma rules asked, {asked['findings']} findings; {asked['unknown']} not known, see the report")
    if (plan := result.get("plan") or {}).get("file"):
        said.append(f"  plan: {plan['file']}  to review: {plan['waiting']}; would be executed: {plan['executable']}")
    if result.get("page"):
        said.append(f"  page: {result['page']}")
    return [raw.printable(line, 2000) for line in [*said, *(f"  unknown: {text}" for text in result["unknown"])]]

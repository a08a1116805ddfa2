# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two actions of readiness share: the raw variable ``incident``, and the lines that a person reads. Pure but for ``arguments``."""

from __future__ import annotations

import json
import os
import typing as t

from ..module_utils.common import estate, template
from ..module_utils.common.errors import InvalidInput
from . import raw

_ROWS = 200
_ANSWERS = ("notifiers", "baselines")


def arguments(given: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The module's arguments. The file is what the variable ``incident`` says as it was written, unless the task names one. Raises InvalidInput."""
    found = {key: raw.plain(value, key) for key, value in given.items() if value not in (None, "") and key not in _ANSWERS}
    found |= {
        key: json.loads(json.dumps(given[key], default=str)) for key in _ANSWERS if given.get(key)
    }  # of earlier tasks: names in them are shown
    if not (found.get("incident") or found.get("incident_data")):
        found["incident"] = raw.variable(variables, "incident")
    if not (found.get("incident") or found.get("incident_data")):
        raise InvalidInput("nothing to work on", [("incident", "pass -e incident=FILE, an incident file that needs no suspects yet")])
    found["directory"] = directory = os.path.abspath(found.get("directory") or os.getcwd())
    if isinstance(found.get("incident"), dict):
        found["incident_data"] = found.pop("incident")
    if found.get("incident_data"):
        template.validate(found["incident_data"], "the variable incident")  # here first, so that a secret never reaches an argument list
    elif isinstance(found["incident"], str):
        found["incident"] = os.path.join(directory, os.path.expanduser(found["incident"]))
    else:
        raise InvalidInput("a variable was refused", [("incident", "must be text; write it in quotes")])
    if found.get("allow_local_store") is None and (value := raw.variable(variables, "allow_local_store")) is not None:
        found["allow_local_store"] = value
    return {key: value for key, value in found.items() if value is not None}


def refused(result: t.Mapping[str, t.Any]) -> list[str]:
    """What is wrong with the file, path by path; nothing when it was accepted."""
    problems = [entry for entry in result.get("problems") or [] if "path" in entry]
    return ["refused:", *(f"  {entry['path']}: {entry['message']}" for entry in problems)] if problems else []


def refusal(error: InvalidInput) -> list[str]:
    """The same of what was refused before the module ran."""
    return refused({"problems": [{"path": path, "message": message} for path, message in error.problems]})


def lines(result: t.Mapping[str, t.Any]) -> list[str]:
    """A line for each answer that is not ok, account by account; then what a person should know all the same, and the sum."""
    if "rows" not in result:
        return []
    bad = [row for row in result["rows"] if row["state"] != "ok"]
    shown, follows = estate.telling(result["rows"])
    out: list[str] = []
    for row in shown[:_ROWS]:
        where = row["account"] or "everywhere"
        out.append(f"  {row['state'].upper():8}{where:13} {row['check']}: {row['why']}")
        if row["loss"]:
            out.append(f"           contain could not: {row['loss']}")
        if row["remedy"]:
            out.append(f"           -> {row['remedy']}")
    out += [f"  UNKNOWN {account:13} {count} more checks, since nobody can look into the account" for account, count in follows.items()]
    out += [f"  … and {len(shown) - _ROWS} more, see the result"] if len(shown) > _ROWS else []
    notes: dict[str, int] = {}
    for row in result["rows"]:
        if row["state"] == "ok" and row["note"]:
            notes[row["note"]] = notes.get(row["note"], 0) + 1
    out += [f"  NOTE    {note}" + (f" ({count} accounts)" if count > 1 else "") for note, count in list(notes.items())[:_ROWS]]
    total, ready = len(result["accounts"]), len(result["ready"])
    everywhere = [row for row in bad if not row["account"]]
    also = f"; {len(everywhere)} of what is asked once is not ok" if everywhere else ""
    whole = sum(1 for a in result["accounts"] if not any(row["account"] == a for row in bad))
    out.append(
        f"  {'ready' if not bad else 'not ready'}  accounts: {ready if not everywhere else whole} of {total} ok{also}  at: {result.get('at', '')}"
    )
    return out

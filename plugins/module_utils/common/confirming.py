# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a named person says of a case: that the incident is taken on, that a manual step is done, how severe it is. The body of ``case_confirm``."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable, Mapping

from . import channels, legal, manual, process, situation
from .case import look_up
from .errors import EvictError, InvalidInput
from .ledger import Ledger
from .notifying import taken_on
from .schema import meant, printable, secret_in, show

NOTE = "confirmed"  # kind of note: {"item", "by", "note"}, of severity with "level" and "seen", the reasons that its author knew
_LONGEST = 1024


def run(params: Mapping[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    """The module's result. Raises InvalidInput, which names the items that there are."""
    incident, store = look_up(params)
    ledger = Ledger.open(store, incident=incident.id, module="case_confirm", caller=process.user(), check=check)
    notes = ledger.state.notes
    try:
        result = json.loads(store.get("result.json"))
    except (EvictError, ValueError, RecursionError):
        result = {}
    result = result if isinstance(result, dict) else {}
    confirmed = [n["data"] for n in notes.get(NOTE, ())]
    known = items(incident, [*result.get("manual", []), *(n["data"] for n in notes.get(manual.NOTE, ()))], confirmed)
    data = _checked(params, known)
    same = [n for n in notes.get(NOTE, ()) if n["data"]["item"] == data["item"]]
    if data["item"] == "incident":
        same = [taken] if (taken := taken_on(notes)) else []
    if data["item"] == "severity":
        seen = result.get("severity") or {}
        fresh = {"proposed": seen["proposed"], "why": seen.get("why", [])} if seen.get("proposed") else None
        data["seen"] = situation.severity(incident, notes, fresh)["why"]
        changed = not same or any(same[-1]["data"].get(key) != data[key] for key in ("by", "level", "seen"))
    else:
        changed = not same
    if changed:
        ledger.note(NOTE, data)
        ledger.end("ok", changed=1)
    last: dict[str, t.Any] = {"time": "", "data": data} if changed else same[-1]
    return {
        "changed": changed, "incident": incident.id, "item": data["item"], "by": str(last["data"]["by"]), "at": str(last["time"]), "known": sorted(known),
        "diff": {"before_header": data["item"], "after_header": data["item"], "before": _said(same[-1]["data"]) if same else "",
                 "after": _said(last["data"])},
    }  # fmt: skip


def items(incident: t.Any, steps: Iterable[Mapping[str, t.Any]], confirmed: list[Mapping[str, t.Any]]) -> dict[str, str]:
    """{item: what it is} that can be confirmed: ``steps`` of any result (``manual``), the legal clocks, the incident and its severity."""
    found = {"incident": "somebody has taken it on", "severity": "how severe it is"}
    found |= {str(row["id"]): str(row.get("what") or "") for row in steps if row.get("id")}
    table = legal.TABLE if incident.legal is None else incident.legal
    ids = [row if isinstance(row, str) else row["id"] for row in table]
    return found | {f"legal/{name}": "the duty is met" for name in ids} | {str(c["item"]): "confirmed" for c in confirmed}


def _checked(params: Mapping[str, t.Any], known: Mapping[str, str]) -> dict[str, t.Any]:
    problems = []
    given = {name: (params.get(name) or "").strip() for name in ("item", "by", "note", "level")}
    for name, value in given.items():
        if kind := secret_in(value):
            problems.append((name, f"looks like {kind}; it was neither stored nor shown"))
        elif len(value) > _LONGEST:
            problems.append((name, f"is longer than {_LONGEST} characters"))
    if not problems and given["item"] not in known:
        there = ", ".join(printable(name, 200) for name in sorted(known) if not name.startswith("legal/"))
        problems.append(
            (
                "item",
                f"{show(given['item'])} is nothing that can be confirmed{meant(given['item'], known)}; there are {there}, and legal/<id>",
            )
        )
    if not given["by"]:
        problems.append(("by", "is missing; say who confirms it"))
    if given["item"] == "severity" and given["level"] not in channels.SEVERITIES:
        problems.append(("level", f"must be one of {', '.join(channels.SEVERITIES)}"))
    if given["item"] == "severity" and not given["note"]:
        problems.append(("note", "is missing; say why it is so"))
    if given["level"] and given["item"] != "severity":
        problems.append(("level", "belongs to the item severity"))
    if problems:
        raise InvalidInput("not confirmed", problems)
    return {key: value for key, value in given.items() if key != "level" or given["item"] == "severity"}


def _said(data: Mapping[str, t.Any]) -> str:
    level = f"{data['level']}, says " if data.get("level") else "confirmed by "
    return f"{level}{printable(str(data['by']), 200)}" + (f": {printable(str(data['note']), 400)}" if data.get("note") else "") + "\n"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every result says beside its own business: how severe the incident is and why, which legal clock runs, and that somebody can be told out of band."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping, Sequence

from . import channels, legal

ORDER = ("low", "medium", "high", "critical")
NOTE = "severity"  # kind of note: {"share", "proposed", "why"}
FACTS = ("privilege", "production", "data read", "persistence", "spread", "resistance")
Notes = Mapping[str, Sequence[Mapping[str, t.Any]]]


def propose(facts: Mapping[str, Sequence[str]], principals: int) -> tuple[str, list[str]]:
    """(severity, reasons) of what is known. ``facts``: {name of FACTS, or "unknown": reasons}; ``principals``: how many suspects were found to be somebody.

    Pure. What could not be read never makes it less severe than high.
    """
    there = [name for name in FACTS if facts.get(name)]
    why = [f"{name}: {reason}" for name in there for reason in facts[name]]
    why += [f"not known: {reason}" for reason in facts.get("unknown", ())]
    deadly = (
        "resistance" in there or ("privilege" in there and len(there) > 1) or {"production", "data read"} <= set(there) or len(there) > 2
    )
    if deadly:
        return "critical", why
    if there or facts.get("unknown"):
        return "high", why
    return (
        ("medium", ["nothing of privilege, production, data read, persistence or spread was seen"])
        if principals
        else ("low", ["no suspect is an identity"])
    )


def worst(*levels: str) -> str:
    return max(levels, key=ORDER.index)


def severity(incident: t.Any, notes: Notes, fresh: Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
    """{set, proposed, level, why, by}. ``level`` is what counts: the highest of what was ever set or proposed, unless a named person (``by``) has lowered it

    knowing all of the reasons. ``fresh``: what a run has just found, {proposed, why}.
    """
    found = [n["data"] for n in notes.get(NOTE, ())] + ([fresh] if fresh else [])
    why = list(dict.fromkeys(reason for entry in found for reason in entry["why"]))
    was = [
        str(old["severity"])
        for n in notes.get("incident", ())
        for old in (n["data"].get("old"), n["data"].get("new"))
        if old and old.get("severity") in ORDER
    ]
    proposed = worst(*(str(entry["proposed"]) for entry in found)) if found else None
    level, by = worst(incident.severity, *was, *([proposed] if proposed else [])), ""
    said = [n["data"] for n in notes.get("confirmed", ()) if n["data"].get("item") == "severity"]
    if said and set(why) <= set(said[-1].get("seen", ())):
        level, by = str(said[-1]["level"]), str(said[-1]["by"])
        if later := _set_since(notes):  # whoever writes a higher one into the file afterwards means it
            level, by = (level, by) if worst(level, later) == level else (later, "")
    return {"set": incident.severity, "proposed": proposed, "level": level, "why": why, "by": by}


def _set_since(notes: Notes) -> str:
    """The highest severity that the incident file was changed to after a person judged it; "" when it was not."""
    judged = [n.get("place") or [] for n in notes.get("confirmed", ()) if n["data"].get("item") == "severity"][-1]
    found = [
        str(new["severity"])
        for n in notes.get("incident", ())
        if (n.get("place") or []) > judged
        and (new := n["data"].get("new") or {}).get("severity") in ORDER
        and new["severity"] != (n["data"].get("old") or {}).get("severity")
    ]
    return worst(*found) if found else ""


def opened_at(incident: t.Any, notes: Notes) -> str:
    """The severity that the case was opened with."""
    first = [n["data"].get("new") or {} for n in notes.get("incident", ())][:1]
    return str(first[0]["severity"]) if first and first[0].get("severity") in ORDER else str(incident.severity)


def add(result: dict[str, t.Any], incident: t.Any, notes: Notes, *, contains: bool = False) -> list[str]:
    """Put ``severity`` and ``legal`` into a result, and for a containment what is missing of channels; returns warnings.

    The missing channel is an open item that leaves the status alone: the containment is as good as it is, whoever has heard of it.
    """
    result.setdefault("severity", severity(incident, notes))
    confirmed = [n["data"] for n in notes.get("confirmed", ())]
    result["legal"] = legal.rows(incident, confirmed, dt.datetime.now(dt.UTC))
    if not contains or result["severity"]["level"] != "critical" or channels.out_of_band(incident.notify, "critical"):
        return []
    why = (
        "no out-of-band channel: the incident is critical, and whoever is in the cloud account may read the channels that depend on it;"
        " mark one that does not with out_of_band: true under notify"
    )
    result["open"] = [*result.get("open", []), {"object": incident.id, "why": why, "due": None, "kind": "notify"}]
    return [why]

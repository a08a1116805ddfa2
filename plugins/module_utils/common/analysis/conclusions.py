# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the tables of the analysis to what people work with: what was done, what is unusual, the plan, and the page with its pictures."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Mapping

from .. import planning, response_plan
from ..errors import MissingLibrary
from ..ledger import Ledger
from ..schema import printable
from ..store import NotFound, Store
from . import anomalies, changes, connected, planned
from .anomalies.finding import SIGMA
from .changes import Catalogue, Changes
from .pictures import lineage, navigator, page, timeline

if t.TYPE_CHECKING:
    from .investigate import Investigation

PAGE, LAYER = "report/investigation.html", "report/attack-layer.json"
_GRADES = ("used", "reachable", "unknown", "not reachable")
_PICTURES = (("Timeline", "report/timeline.svg", timeline), ("Lineage", "report/lineage.svg", lineage))


@dataclasses.dataclass
class Conclusions:
    """``asked``: anomalies and what could not be told; ``rules``: the Sigma rules that were asked; ``items``: what the plan proposes."""

    changes: Changes
    asked: anomalies.Asked
    rules: list[dict[str, t.Any]]
    ways: list[dict[str, t.Any]]
    items: list[response_plan.Item]

    def sections(self, limit: int) -> dict[str, t.Any]:
        """For the report, beside the views."""
        found = self.changes
        return {
            "changed": found.changed[:limit], "read": found.read[:limit], "denied": found.tried[:limit], "blinded": found.blinded, "unlogged": found.unlogged,
            "left_out": found.left_out, "connected": self.ways[:limit], "anomalies": self.asked.findings[:limit], "unknown": self.asked.unknown,
            "sigma": self.rules,
        }  # fmt: skip


def draw(
    about: Investigation, store: Store, catalogues: Mapping[str, Catalogue], geo: t.Iterable[str] = (), rules: t.Sequence[str] = (),
    selected: t.Sequence[str] = (),
) -> Conclusions:  # fmt: skip
    """``geo``: MaxMind files; ``rules``: files and folders of Sigma rules; ``selected``: the warehouses' tables out of which events were chosen."""
    found = changes.find(about.database, catalogues)
    ways = [
        row
        for cloud, one in catalogues.items()
        for row in connected.find(about.database, cloud, one.ways, _looked(store, cloud), found.read)
    ]
    asked = anomalies.find(about.database, about.start, geo, selected)
    if found.left_out:
        why = f"{found.left_out} more than {changes.MOST} of a kind are counted, not listed: they are not in the plan"
        asked.unknown.append({"object": "what was changed or read", "why": why})
    return Conclusions(found, asked, _sigma(about, rules, asked), ways, planned.items(about.database, found))


def _sigma(about: Investigation, rules: t.Sequence[str], asked: anomalies.Asked) -> list[dict[str, t.Any]]:
    """Ask them, and add what they found to ``asked``. Only who asks for them pays for their library."""
    if not rules:
        return []
    from . import sigma

    answer = sigma.find(about.database, rules, about.start, about.end)
    asked.findings += answer.findings
    asked.unknown += answer.unknown
    return answer.rules


def _looked(store: Store, cloud: str) -> dict[str, t.Any]:
    """What ``<cloud>_connected_info`` kept in the case, by account."""
    try:
        found = json.loads(store.get(f"report/{cloud}-connected.json"))["accounts"]
    except (NotFound, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def plan(store: Store, incident: str, items: list[response_plan.Item], check: bool) -> tuple[response_plan.Plan, bool]:
    """The next revision of the case's plan; whether it is new. What people decided stays."""
    last = response_plan.read(store, incident)
    after = response_plan.merge(last, items) if items or last.revision else last
    if after is not last and not check:
        ledger = Ledger.open(store, incident=incident, module="case_analysis")
        planning.record(ledger, store, after)
        ledger.end("ok", changed=1)
    return after, after is not last


def pictures(about: Investigation) -> tuple[dict[str, str], str]:
    """({path: SVG}, why there is none)."""
    try:
        return {path: svg for _name, path, part in _PICTURES if (svg := part.draw(about.database))}, ""
    except MissingLibrary as error:
        return {}, error.message


def show(
    about: Investigation, said: Mapping[str, t.Any], report: Mapping[str, t.Any], found: Conclusions, proposed: response_plan.Plan
) -> dict[str, str]:
    """{path below the case: text} of the page, its pictures and the Navigator's layer."""
    drawn, why = pictures(about)
    title = f"Investigation of {about.incident.id}"
    parts = [(name, f"<div class=picture>{drawn[path]}</div>" if path in drawn else "") for name, path, _part in _PICTURES]
    parts += [(name, page.table(rows, columns, empty)) for name, rows, columns, empty in _tables(report, found, proposed)]
    lines = [
        about.incident.title,
        f"{report['events']} events from {report['covers']['first']} to {report['covers']['last']}",
        *([why] if why else []),
    ]
    numbers = {"in wrong hands": said["counts"]["tainted"]["rogue"], "to review": said["counts"]["tainted"]["review"], "calls": said["counts"]["acts"]["rogue"],
               "objects changed": len(found.changes.changed), "objects read": len(found.changes.read), "conclusions in doubt": said["doubts"]}  # fmt: skip
    layer = navigator.layer(title, [*found.changes.changed, *_techniques(found)])
    return {PAGE: page.page(title, lines, numbers, parts), LAYER: layer, **drawn}


def _techniques(found: Conclusions) -> list[dict[str, t.Any]]:
    """What Sigma rules say of techniques, as the Navigator's layer takes it."""
    return [
        {**one, "operations": [f"Sigma rule {printable(one['sigma']['title'], 120)}"]}
        for one in found.asked.findings
        if one["rule"] == SIGMA
    ]


def _tables(
    report: Mapping[str, t.Any], found: Conclusions, proposed: response_plan.Plan
) -> list[tuple[str, list[t.Any], dict[str, str], str]]:
    when = {"first": "first", "last": "last", "count": "calls"}
    judged = {"verdict": "verdict", "confidence": "%"}
    return [
        (
            "Who is in wrong hands",
            report["lineage"],
            {
                "kind": "what",
                "id": "id",
                "arn": "identity",
                "via": "opened by",
                "parent": "from",
                "since": "since",
                "until": "until",
                **judged,
            },
            "nobody",
        ),
        (
            "What was changed",
            found.changes.changed,
            {"technique": "technique", "name": "what", "object": "object", "operations": "calls made", **when, **judged},
            "nothing",
        ),
        ("What was read", found.changes.read, {"kind": "what", "object": "object", **when, **judged}, "nothing that gives data away"),
        (
            "Where the logs are blind",
            [*found.changes.blinded, *found.changes.unlogged],
            {"object": "what", "name": "changed", "from": "from", "to": "to", "why": "why"},
            "nowhere that is known",
        ),
        (
            "Connected systems",
            sorted(found.ways, key=lambda row: _GRADES.index(row["grade"])),
            {"grade": "grade", "kind": "kind", "object": "here", "to": "there", "owner": "owner", "action": "what to do", "why": "why"},
            "none that is known of",
        ),
        ("What was denied", found.changes.tried, {"object": "call", "error": "error", **when}, "nothing"),
        (
            "What is unusual",
            [one for one in found.asked.findings if one["rule"] != SIGMA],
            {"object": "who", "note": "what", "rule": "rule", "confidence": "%"},
            "nothing",
        ),
        *_rules(found),
        (
            "What is not known",
            [*report["doubts"], *found.asked.unknown],
            {"tainted_id": "about", "object": "what", "why": "why"},
            "nothing that is known of",
        ),
        (
            f"The plan, revision {proposed.revision}",
            list(proposed.items.values()),
            {"kind": "what", "object": "object", "technique": "technique", **judged, "decision": "decision", "decided_by": "by"},
            "empty",
        ),
    ]


def _rules(found: Conclusions) -> list[tuple[str, list[t.Any], dict[str, str], str]]:
    """A table of what Sigma rules found, if any were asked."""
    if not found.rules:
        return []
    rows = [one | {"title": one["sigma"]["title"], "level": one["sigma"]["level"]} for one in found.asked.findings if one["rule"] == SIGMA]
    columns = {"title": "rule", "level": "level", "mitre": "technique", "object": "who", "operations": "calls made", "first": "first", "last": "last",
               "count": "calls", "verdict": "verdict", "by": "with"}  # fmt: skip
    return [(f"What {len(found.rules)} Sigma rules found", rows, columns, "nothing")]


def keep(store: Store, made: Mapping[str, str], check: bool) -> bool:
    """Write what differs from what is there; whether anything does."""
    changed = False
    for path, words in made.items():
        data = words.encode("utf-8", "replace")
        try:
            same = store.get(path) == data
        except NotFound:
            same = False
        if not same and not check:
            store.replace(path, data)
        changed |= not same
    return changed

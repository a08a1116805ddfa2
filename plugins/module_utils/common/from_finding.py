# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of detectors -> an incident file. The body of ``case_from_finding``. A finding is data of strangers: nothing in it is believed but its form."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import typing as t
from collections.abc import Mapping

from . import incident as incidents
from . import intake, yamlio
from . import suspect as suspects
from .errors import InvalidInput
from .incident import Incident
from .intake import Finding
from .schema import Problem, parse_time, printable, rfc3339, show

MAX_BYTES = 8 * 1024 * 1024
MOST = 100  # findings in one file: more are not one incident
_ORDER = incidents.SEVERITIES  # the most severe first
_SHOWN = 10


def run(params: Mapping[str, t.Any], *, check: bool, now: dt.datetime | None = None) -> dict[str, t.Any]:
    """The module's result. Raises InvalidInput with every problem by its path; writes one file, and only when there is none."""
    now = (now or dt.datetime.now(dt.UTC)).replace(microsecond=0)
    directory = os.path.abspath(params.get("directory") or os.curdir)
    if params.get("finding"):
        source = os.path.join(directory, str(params["finding"]))
        documents = _documents(source)
    else:
        source, documents = "finding_data", [("finding_data", params["finding_data"])]
    found = read(documents, source)
    raw = _incident(found, _template(params, directory), now, directory)
    incident = incidents.validate(raw, source, now=now)
    file = os.path.join(directory, params.get("dest") or f"incident-{incident.id}.yml")
    text = _text(found, raw)
    notes, changed = [], False
    if os.path.lexists(file):
        notes = _kept(file, incident)
    else:
        changed = True
        if not check and (why := yamlio.create(file, text)):
            raise InvalidInput("the incident file was not written", [("dest", f"{file}: {why}")])
    return {
        "changed": changed, "incident": incident.id, "incident_file": file, "severity": incident.severity, "title": incident.title,
        "suspects": [s.display() for s in incident.suspects], "formats": sorted({f.source for f in found}), "notes": notes,
        "diff": {"before_header": file, "after_header": file, "before": "" if changed else text, "after": text},
    }  # fmt: skip


def _documents(path: str) -> list[tuple[str, t.Any]]:
    """(path in the file, document): one JSON (or YAML) document, a list of them, or one on each line."""
    data = yamlio.content(path, MAX_BYTES)
    lines = [line for line in data.splitlines() if line.strip()]
    if (
        len(lines) > 1
        and len(data) <= MAX_BYTES
        and all(line.startswith(b"{") and line.rstrip().endswith(b"}") for line in lines[: MOST + 1])
    ):
        return [(f"line {number}", yamlio.parse(line, path, MAX_BYTES)) for number, line in enumerate(lines[: MOST + 1], 1)]
    whole = yamlio.parse(data, path, MAX_BYTES)
    return [(f"[{number}]", item) for number, item in enumerate(whole[: MOST + 1])] if isinstance(whole, list) else [("", whole)]


def read(documents: list[tuple[str, t.Any]], source: str) -> list[Finding]:
    """The facts of all findings. Raises InvalidInput."""
    problems: list[Problem] = []
    found: list[Finding] = []
    for where, document in documents:
        matched = [(f, many) for f in intake.FORMATS if isinstance(document, dict) and (many := f.findings(document))]
        if not matched:
            names = ", ".join(f.NAME for f in intake.FORMATS)
            problems.append((where or "finding", f"is no finding that is known here ({names})"))
            continue
        form, many = matched[0]
        for path, finding in many:
            one = form.read(finding, f"{where}.{path}".strip("."), problems)
            if one is not None:
                found.append(one)
    if len(found) > MOST:
        problems.append((printable(source), f"holds more than {MOST} findings: choose those of one incident"))
    for one in found:
        for path, raw in one.suspects:
            suspects.parse(raw, path, problems)
        if one.seen:
            try:
                parse_time(one.seen)
            except ValueError as error:
                problems.append((f"{one.source}, when it began", str(error)))
    if problems or not found:
        raise InvalidInput("the finding was refused", problems or [(printable(source), "is empty")])
    return found


def _template(params: Mapping[str, t.Any], directory: str) -> dict[str, t.Any]:
    return incidents.load(os.path.join(directory, params["template"])) if params.get("template") else {}


def _incident(found: list[Finding], template: dict[str, t.Any], now: dt.datetime, directory: str) -> dict[str, t.Any]:
    """What the findings say, in the template's frame: connection, store, notify and the like."""
    digest = hashlib.sha256("\n".join(sorted(f"{one.source}\n{one.id}" for one in found)).encode()).hexdigest()
    listed = list(template.get("suspects") or ()) if isinstance(template.get("suspects"), list) else []
    for one in found:
        listed += [raw for _path, raw in one.suspects if raw not in listed]
    seen = sorted(parse_time(one.seen) for one in found if one.seen)
    first = printable(found[0].title, 200)
    title = first + (f" (and {len(found) - 1} more findings)" if len(found) > 1 else "")
    window = template.get("window") if isinstance(template.get("window"), dict) else {}
    start = rfc3339(seen[0]) if seen and seen[0] <= now else None
    said = {
        "id": f"IR-{digest[:10]}", "title": title, "severity": min((one.severity for one in found), key=_ORDER.index), "opened": rfc3339(now),
        "window": {"start": start, "end": None, **{k: v for k, v in (window or {}).items() if v is not None}},
        "store": os.path.join(directory, "cases"),
    }  # fmt: skip
    frame = {k: v for k, v in template.items() if v is not None and k not in ("id", "title", "severity", "opened", "window", "suspects")}
    return {**said, **frame, "suspects": listed}


def _text(found: list[Finding], raw: dict[str, t.Any]) -> str:
    """The file: who says so and what was touched as comments, of escaped text."""
    lines = [f"# Opened from a finding: {one.source} {printable(one.id, 200)}" for one in found[:_SHOWN]]
    ips = sorted({ip for one in found for ip in one.ips})
    touched = sorted({name for one in found for name in one.resources})
    lines += [f"# Seen from: {', '.join(printable(ip, 60) for ip in ips[:_SHOWN])}"] if ips else []
    lines += [f"# It names, too: {printable(name, 200)}" for name in touched[:_SHOWN]]
    lines += [f"# (and {n} more)" for n in [len(found) - _SHOWN] if n > 0]
    return "\n".join([*lines, yamlio.dump({"incident": raw})])


def _kept(file: str, incident: Incident) -> list[str]:
    """What is to be said of the file that is there: people's edits stay. Raises InvalidInput when it is another incident's."""
    there = incidents.load(file)
    if there.get("id") != incident.id:
        raise InvalidInput("the incident file was not written", [("dest", f"{file} is of another incident, {show(there.get('id'))}")])
    raw = there.get("suspects")
    listed = [item for item in raw if isinstance(item, dict)] if isinstance(raw, list) else []
    missing = [
        s.display() for s in incident.suspects if s.as_dict() not in [p.as_dict() for i in listed if (p := suspects.parse(i, "", []))]
    ]
    return [f"{file} was there already and stays as it is" + (f"; it does not name {', '.join(missing)}" if missing else "")]

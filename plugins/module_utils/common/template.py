# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An incident file before there is an incident: the same keys, checked in the same way, without suspects, id and time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import os
import typing as t

from . import incident as incidents
from .errors import InvalidInput
from .incident import Incident
from .schema import rfc3339
from .suspect import Suspect, only, parse

ID = "readiness"
_TITLE = "Suspected compromise of "
_NOBODY = {"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}  # stands where the suspects will; AWS's own example


def validate(raw: t.Any, source: str, *, now: dt.datetime | None = None) -> Incident:
    """The incident that this file will be, without suspects if it has none yet. Raises InvalidInput with every problem, path first."""
    given = incidents.unwrap(raw, source)
    now = now or dt.datetime.now(dt.UTC)
    defaults = {"id": ID, "opened": rfc3339(now.replace(microsecond=0))}
    filled = {**given, **{key: value for key, value in defaults.items() if given.get(key) is None}}
    waiting = given.get("suspects") in (None, [])
    found = incidents.validate({**filled, "suspects": [_NOBODY]} if waiting else filled, source, now=now)
    return dataclasses.replace(found, suspects=[]) if waiting else found


def with_suspect(raw: t.Any, source: str, suspect: str, *, now: dt.datetime) -> Incident:
    """The incident of this file and this one suspect. Without an id of its own it gets ``IR-`` and 10 digits of the suspect's hash. Raises InvalidInput."""
    given = incidents.unwrap(raw, source)
    one = only(suspect)
    filled = _filled(given, one, now)
    waiting = given.get("suspects") in (None, [])
    found = incidents.validate({**filled, "suspects": [one.as_dict()]} if waiting else filled, source, now=now)
    if any((s.cloud, s.kind, s.value) == (one.cloud, one.kind, one.value) for s in found.suspects):
        return found
    return dataclasses.replace(found, suspects=[*found.suspects, one])


def with_suspects(raw: t.Any, source: str, *, now: dt.datetime) -> tuple[t.Any, bool]:
    """(the file to which somebody added the suspects on the day, with the id, time and title that it lacks, of its first suspect; whether its time is now)."""
    given = incidents.unwrap(raw, source)
    listed = given.get("suspects")
    first = (
        parse(listed[0], "", []) if isinstance(listed, list) and listed else None
    )  # what is wrong with it is said when all of the file is read
    if first is None or (given.get("id") is not None and given.get("opened") is not None):
        return raw, False
    return _filled(given, first, now), given.get("opened") is None


def _filled(given: dict[str, t.Any], one: Suspect, now: dt.datetime) -> dict[str, t.Any]:
    digest = hashlib.sha256(f"{one.cloud}\n{one.account}\n{one.value}".encode()).hexdigest()
    defaults = {"id": f"IR-{digest[:10]}", "opened": rfc3339(now.replace(microsecond=0)), "title": f"{_TITLE}{one.display()}"}
    return {**given, **{key: value for key, value in defaults.items() if given.get(key) is None}}


def opened(incident: Incident, kept: t.Mapping[str, t.Any] | None) -> Incident:
    """``incident``, whose file does not say when it was opened, opened when its case says that it was."""
    try:
        return dataclasses.replace(incident, opened=incidents.validate(dict(kept), "the case").opened) if kept else incident
    except InvalidInput:
        return incident


def known(incident: Incident, kept: t.Mapping[str, t.Any] | None) -> Incident:
    """``incident``, opened when its case says that it was, and with the suspects that the case has had: a job that is launched again goes on."""
    if not kept:
        return incident
    try:
        before = incidents.validate(dict(kept), "the case")
    except InvalidInput:
        return incident  # a damaged one is replaced, as always
    had = {(s.cloud, s.kind, s.value) for s in before.suspects}
    added = [s for s in incident.suspects if (s.cloud, s.kind, s.value) not in had]
    title = before.title if incident.title.startswith(_TITLE) and before.title.startswith(_TITLE) else incident.title
    return dataclasses.replace(incident, opened=before.opened, title=title, suspects=[*before.suspects, *added])


def complete(incident: Incident) -> dict[str, t.Any]:
    """In canonical form, with somebody who stands for the suspects where there are none: for what takes only whole incidents, such as a test of notifiers."""
    return incident.as_dict() if incident.suspects else {**incident.as_dict(), "suspects": [dict(_NOBODY)]}


def read(params: t.Mapping[str, t.Any]) -> Incident:
    """The file that ``incident`` names, or ``incident_data``; its store absolute, counted from ``directory``. Raises InvalidInput."""
    path, data = params.get("incident"), params.get("incident_data")
    found = validate(incidents.load(str(path)) if path else data, str(path) if path else "incident_data")
    store = incidents.absolute_store(found.store, os.path.abspath(params.get("directory") or os.curdir))
    return dataclasses.replace(found, store=store)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An incident file before there is an incident: the same keys, checked in the same way, without suspects, id and time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import typing as t

from . import incident as incidents
from .incident import Incident
from .schema import rfc3339

ID = "readiness"
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


def read(params: t.Mapping[str, t.Any]) -> Incident:
    """The file that ``incident`` names, or ``incident_data``; its store absolute, counted from ``directory``. Raises InvalidInput."""
    path, data = params.get("incident"), params.get("incident_data")
    found = validate(incidents.load(str(path)) if path else data, str(path) if path else "incident_data")
    store = incidents.absolute_store(found.store, os.path.abspath(params.get("directory") or os.curdir))
    return dataclasses.replace(found, store=store)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the tables of a case, one file each: NAME, QUESTION, PARAMETERS, SQL. Values are parameters; what they name is the collection's own."""

from __future__ import annotations

import datetime as dt
import types
import typing as t

from ...events.database import Database
from . import addresses, doubts, lineage, principals, sessions, timeline, tried

VIEWS: dict[str, types.ModuleType] = {view.NAME: view for view in (addresses, doubts, lineage, principals, sessions, timeline, tried)}
_DEFAULTS: dict[str, t.Any] = {"since": dt.datetime(1970, 1, 1), "until": dt.datetime(9999, 1, 1), "limit": 100_000}  # noqa: DTZ001 - as the tables


def ask(database: Database, name: str, **given: t.Any) -> list[dict[str, t.Any]]:
    """The rows of view ``name``. ``given``: its parameters; those left out, or None, bound nothing."""
    view = VIEWS[name]
    values = [_DEFAULTS.get(parameter) if given.get(parameter) is None else given[parameter] for parameter in view.PARAMETERS]
    return database.rows(view.SQL, values)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``gcp_audit_event_info``: Google Cloud's audit logs into a case, from a folder or from BigQuery."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

from ..common.errors import InvalidInput
from ..common.events import collect
from ..common.events.collect import Collection
from ..common.warehouse import run as warehouse
from ..common.warehouse.layouts import gcp_audit
from ..common.warehouse.layouts.kind import Layout
from .bigquery import BigQuery

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    **collect.ARGUMENTS,
    **warehouse.ARGUMENTS,
    "start": {"type": "str"},
    "end": {"type": "str"},
    "bigquery": {"type": "dict", "options": {
        "project": {"type": "str", "required": True},
        "dataset": {"type": "str", "required": True},
        "location": {"type": "str", "required": True},
        "tables": {"type": "list", "elements": "str", "default": list(gcp_audit.TABLES)},
        "job_project": {"type": "str"},
    }},
}  # fmt: skip
_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,1024}")


def read(collection: Collection) -> None:
    """What the options name."""
    params = collection.params
    if not (params["folder"] or params["bigquery"]):
        raise InvalidInput("nothing to read", [("folder", "is needed, or bigquery")])
    if params["folder"]:
        collection.folder()
    if params["bigquery"]:
        _select(collection, params["bigquery"])


def _select(collection: Collection, options: t.Mapping[str, t.Any]) -> None:
    problems = [(f"bigquery.{name}", f"{options[name]!r:.80}: not the name of a project") for name in ("project", "job_project")
                if options[name] and not _PROJECT.fullmatch(options[name])]  # fmt: skip
    problems += [(f"bigquery.{what}", f"{name!r:.80}: letters, digits, _ and - only")
                 for what, name in (("dataset", options["dataset"]), *(("tables", one) for one in options["tables"])) if not _NAME.fullmatch(name)]  # fmt: skip
    if problems:
        raise InvalidInput("bigquery", problems)
    start, end = collect.window(collection)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
    asked = warehouse.span(start, end, now, collection.params["baseline"])
    connection = collection.case.incident.connection.get("gcp") or {}
    engine = BigQuery(connection, options["job_project"] or options["project"], options["location"], collection.params["ceiling"])
    layouts = [found for name in options["tables"] if (found := _layout(collection, engine, options, name, now))]
    if not layouts:
        raise InvalidInput("bigquery", [("bigquery.tables", "none of them is in the dataset")])
    warehouse.select(collection, engine, layouts, asked, start=start, now=now)


def _layout(collection: Collection, engine: BigQuery, options: t.Mapping[str, t.Any], table: str, now: dt.datetime) -> Layout | None:
    """None, and a gap, where there is no such table: a sink makes one with its first entry."""
    rows = engine.rows(gcp_audit.fields(options["project"], options["dataset"], table, now))
    paths = {str(row["field_path"]): str(row["data_type"]) for row in rows}
    if paths:
        return gcp_audit.layout(options["project"], options["dataset"], table, paths)
    collection.missing(f"bigquery {options['project']}.{options['dataset']}.{table}", "there is no such table: is that log not sent there?")
    return None

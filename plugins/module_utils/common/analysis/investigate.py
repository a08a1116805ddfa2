# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The body of ``case_analysis``: open the case's database, follow the suspects, write ``report/investigation.json``. Small things go into the result."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import typing as t
from collections.abc import Callable, Mapping

from .. import planning
from ..case import look_up
from ..errors import InvalidInput
from ..events import parts
from ..events.database import Database
from ..incident import Incident
from ..ledger import Ledger
from ..schema import Fields, rfc3339
from ..store import Store
from . import conclusions, taint, views
from .anomalies.finding import SIGMA
from .changes import Catalogue

REPORT = "report/investigation.json"
VERSION = 1
_SHOWN = 200  # tainted identities in the module's result
_VIEWS = ("principals", "lineage", "sessions", "addresses", "timeline", "tried", "doubts")


@dataclasses.dataclass(frozen=True)
class Investigation:
    """What a section of the report may read. Times are naive and UTC, as in the tables."""

    database: Database
    incident: Incident
    start: dt.datetime | None
    end: dt.datetime | None
    limit: int


Section = Callable[[Investigation], t.Any]


def _view(name: str) -> Section:
    return lambda about: views.ask(about.database, name, limit=about.limit)


# Name in the report -> what makes it (rows, or a mapping of them). Each reads ``events``, ``gaps``, ``tainted``, ``acts`` and ``doubts``.
SECTIONS: dict[str, Section] = {name: _view(name) for name in _VIEWS}


def run(params: Mapping[str, t.Any], *, check: bool, catalogues: Mapping[str, Catalogue]) -> dict[str, t.Any]:
    """The module's result. ``catalogues``: what is known of each cloud's calls. Raises InvalidInput, and what the store and the database raise."""
    incident, store = look_up(params)
    start, end = _window(params, incident)
    suspects = planning.reported(incident, Ledger.open(store, incident=incident.id, module="case_analysis", check=True))
    chosen = parts.selected(store)
    with _open(store, params, check) as database:
        lineage = taint.trace(
            database, suspects, start=start, end=end, trusted_networks=incident.trusted.networks,
            trusted_principals=incident.trusted.principals, accounts=[*incident.accounts, *chosen.get("estate", ())],
            logged=chosen.get("accounts", ()),
        )  # fmt: skip
        about = Investigation(database, dataclasses.replace(incident, suspects=suspects), start, end, int(params["limit"]))
        result = summary(about)
        found = conclusions.draw(about, store, catalogues, params.get("geo") or (), params.get("sigma") or (), chosen.get("from", ()))
        proposed, newer = conclusions.plan(store, incident.id, found.items, check)
        made = report(about, result) | plain(found.sections(about.limit))
        pages = conclusions.show(about, result, made, found, proposed)
        changed = conclusions.keep(store, {**pages, REPORT: json.dumps(made, sort_keys=True, indent=1)}, check)
        result |= {
            "changed": changed or newer, "report": f"{store.url}/{REPORT}", "page": f"{store.url}/{conclusions.PAGE}",
            "plan": {**planning.summary(proposed), "file": f"{store.url}/{proposed.path}" if proposed.revision else ""},
            "done": {"changed": len(found.changes.changed), "read": len(found.changes.read), "denied": len(found.changes.tried),
                     "blinded": len(found.changes.blinded), "anomalies": len(found.asked.findings)},
        }  # fmt: skip
        if params.get("sigma"):
            hits = sum(one["rule"] == SIGMA for one in found.asked.findings)
            result["sigma"] = {
                "rules": len(found.rules),
                "findings": hits,
                "unknown": sum(one.get("about") == SIGMA for one in found.asked.unknown),
            }
        result["unknown"] = [f"{doubt.object}: {doubt.why}" for doubt in lineage.doubts.values() if not doubt.node]
    return result


def summary(about: Investigation) -> dict[str, t.Any]:
    """Counts, and who is in wrong hands."""
    database = about.database
    events = database.rows("SELECT count(*) AS n, min(time) AS first, max(time) AS last FROM events")[0]
    rows = database.rows(
        "SELECT kind, id, arn, cloud, account, verdict, confidence, via, parent, since, until FROM tainted ORDER BY verdict DESC, since, id LIMIT ?",
        [_SHOWN],
    )
    counts = taint.counts(database)
    return {
        "incident": about.incident.id,
        "events": events["n"],
        "covers": {"first": plain(events["first"]), "last": plain(events["last"])},
        "window": {"start": plain(about.start), "end": plain(about.end)},
        "counts": counts,
        "principals": database.rows(_PRINCIPALS)[0]["n"],
        "tainted": [{name: plain(value) for name, value in row.items()} for row in rows],
        "gaps": database.rows("SELECT count(*) AS n FROM gaps")[0]["n"],
        "doubts": database.rows("SELECT count(*) AS n FROM doubts")[0]["n"],
    }


_PRINCIPALS = "SELECT count(DISTINCT coalesce(issuer_arn, actor_arn, actor_name)) AS n FROM acts WHERE verdict = 'rogue'"


def report(about: Investigation, said: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The whole of it, as data: the text of logs is in it as it came, and is for programs that escape what they show."""
    sections = {name: plain(make(about)) for name, make in SECTIONS.items()}
    suspects = [suspect.as_dict() for suspect in about.incident.suspects]
    return {
        "version": VERSION,
        **{k: said[k] for k in ("incident", "events", "covers", "window", "counts")},
        "suspects": suspects,
        "limit": about.limit,
        **sections,
    }


def plain(value: t.Any) -> t.Any:
    """JSON's types; times as RFC 3339."""
    if isinstance(value, dt.datetime):
        return rfc3339(value.replace(tzinfo=dt.UTC))
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _window(params: Mapping[str, t.Any], incident: Incident) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The options' ``since`` and ``until``, else the incident's window; naive."""
    problems: list[tuple[str, str]] = []
    fields = Fields({k: params[k] for k in ("since", "until") if params.get(k)}, "", problems, ("since", "until"))
    now = dt.datetime.now(dt.UTC)
    start, end = (fields.time(name, now) or known for name, known in (("since", incident.window.start), ("until", incident.window.end)))
    if start and end and end <= start:
        problems.append(("until", "must be after since"))
    if problems:
        raise InvalidInput("the options were refused", [(path.lstrip("."), message) for path, message in problems])
    return _naive(start), _naive(end)


def _naive(moment: dt.datetime | None) -> dt.datetime | None:
    return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment else None


def _open(store: Store, params: Mapping[str, t.Any], check: bool) -> Database:
    return parts.open_case(store, memory=str(params["memory"]), threads=int(params["threads"]), keep=not check)

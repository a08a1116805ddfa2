# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in ``events`` the fields are that rules name: a column where that holds the very value, else places in the event as it came.

Names of fields are compared without regard to case, as CloudTrail varies. Which places there are the events themselves say, in a scan for each level.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Callable, Iterable, Mapping

from ...events.database import Database

Path = tuple[str, ...]  # lower-cased


@dataclasses.dataclass(frozen=True)
class Place:
    """``column`` of events; ``path``: in the JSON of it. ``many``: of several values, the elements of a list on the way.

    ``behind``: what the column leaves out. ``json``: the value may be an object or a list, whose text is JSON.
    """

    column: str
    path: str = ""
    many: bool = False
    behind: str = ""
    json: bool = False


@dataclasses.dataclass(frozen=True)
class Log:
    """``columns``: field -> column that holds the very value. ``bodies``: first part of a field -> column with the JSON that lies there.

    ``also``: field -> what else it is called in this log. ``within``: where the log's writer may put all of a record.
    """

    columns: Mapping[str, str]
    bodies: Mapping[str, str] = dataclasses.field(default_factory=dict)
    also: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    within: str = ""


_AZURE = {"operationname": "operation", "operationnamevalue": "operation"}
_ENTRA = _AZURE | {"activitydisplayname": "operation", "properties.activitydisplayname": "operation", "properties.message": "operation"}
LOGS: dict[str, Log] = {
    "cloudtrail": Log(
        {
            "eventid": "event_uid", "eventname": "operation", "awsregion": "region", "errorcode": "error_code", "errormessage": "error_message",
            "sourceipaddress": "src_ip", "useragent": "user_agent", "sharedeventid": "shared_uid", "useridentity.type": "actor_type",
            "useridentity.arn": "actor_arn", "useridentity.principalid": "actor_id", "useridentity.accountid": "actor_account",
            "useridentity.invokedby": "invoked_by", "useridentity.sessioncontext.sessionissuer.arn": "issuer_arn",
            "useridentity.sessioncontext.sessionissuer.principalid": "issuer_id", "useridentity.sessioncontext.sourceidentity": "source_identity",
        },
        {"requestparameters": "request", "responseelements": "response"},
    ),
    "azure_activity": Log(
        _AZURE,
        also={
            "status": ("status.value", "resultType"), "activitystatusvalue": ("status", "status.value", "resultType"),
            "categoryvalue": ("category", "category.value"),
            "calleripaddress": ("httpRequest.clientIpAddress",), "ipaddress": ("callerIpAddress", "httpRequest.clientIpAddress"),
            "resourceprovidervalue": ("resourceProviderName", "resourceProviderName.value"), "username": ("caller",),
        },
        within="properties",
    ),
    "entra_audit": Log(
        _ENTRA,
        also={"status": ("result", "resultType"), "activitytype": ("activityDisplayName",), "eventname": ("activityDisplayName",),
              "eventsource": ("loggedByService",)},
        within="properties",
    ),
    "entra_signin": Log(
        {"status": "status"},  # success or failure; in the log it is an object
        also={
            "resulttype": ("status.errorCode",), "resultdescription": ("status.failureReason",), "username": ("userPrincipalName",),
            "clientapp": ("clientAppUsed",), "location": ("location.countryOrRegion",), "devicedetail.trusttype": ("deviceDetail.trustType",),
            "calleripaddress": ("ipAddress",), "message": ("resultDescription", "status.failureReason"),
        },
        within="properties",
    ),
    "gcp_audit": Log({"protopayload.methodname": "operation", "protopayload.servicename": "service", "protopayload.requestmetadata.callerip": "src_ip",
                      "protopayload.requestmetadata.callersupplieduseragent": "user_agent", "insertid": "event_uid"}),
}  # fmt: skip
_KEY = re.compile(r'[^"\\*\x00-\x1f]+')  # what goes between quotes in a path; the rest is no field of any of these logs
_DEPTH = 12
_SPELLINGS = 8  # of one name in one place: whoever writes events must not make a rule grow
_LOOK = """
WITH d AS (SELECT DISTINCT TRY(json_keys({column}, {paths})) AS keys, coalesce(TRY(json_type({column}, {paths})), ['no JSON']) AS types
  FROM events e WHERE {column} IS NOT NULL AND {where}),
n AS (SELECT unnest(keys) AS keys, unnest(types) AS type, generate_subscripts(types, 1) AS place FROM d)
SELECT DISTINCT place, type, list_filter(keys, lambda key: list_contains({wanted}, lower(key))) AS keys FROM n WHERE type IS NOT NULL ORDER BY ALL
"""
# Below a list: of one path at a time, since DuckDB takes no list of paths with [*] in them.
_LOOK_MANY = """
WITH d AS (SELECT DISTINCT unnest(TRY(json_keys({column}, {paths}))) AS keys, unnest(TRY(json_type({column}, {paths}))) AS type
  FROM events e WHERE {column} IS NOT NULL AND {where})
SELECT DISTINCT 1 AS place, type, list_filter(keys, lambda key: list_contains({wanted}, lower(key))) AS keys FROM d WHERE type IS NOT NULL ORDER BY ALL
"""


# The column has a service without this end; it is asked instead of the whole event where no event has another end.
_SERVICE = ".amazonaws.com"
_OTHER_ENDS = f"""
SELECT count(*) AS n FROM events e WHERE e.source = 'cloudtrail'
  AND TRY(json_extract_string(e.raw, '$.eventSource')) IS DISTINCT FROM e.service || '{_SERVICE}'
"""
Where = Callable[[str], tuple[str, list[t.Any]]]


def candidates(source: str, field: str) -> list[tuple[str, Path]]:
    """(column, path in it) of a field, in which its values may be. A path of nothing: the column itself."""
    log, name = LOGS[source], field.lower()
    if source == "gcp_audit":
        name = _google(name)
    if name in log.columns:
        return [(log.columns[name], ())]
    found = []
    for one in (name, *(other.lower() for other in log.also.get(name, ()))):
        both = [one]
        if log.within:
            inner = one.removeprefix(f"{log.within}.")
            both += [inner if inner != one else f"{log.within}.{one}"]
        for each in both:
            first, *rest = each.split(".")
            body = log.bodies.get(first)
            found.append((body, tuple(rest)) if body else ("raw", (first, *rest)))
    return list(dict.fromkeys(found))


def _google(name: str) -> str:
    """``data.protoPayload.x`` as a sink to Pub/Sub has it; ``gcp.audit.method_name`` as Elastic calls it."""
    if name.startswith("gcp.audit."):
        return f"protopayload.{name.removeprefix('gcp.audit.').replace('_', '')}"
    return name.removeprefix("data.")


def columns(database: Database, source: str, names: Iterable[str], *, seconds: float) -> dict[str, tuple[Place, ...]]:
    """{field: its column} of those whose very value a column has. Raises DatabaseError."""
    found: dict[str, tuple[Place, ...]] = {}
    service: tuple[Place, ...] | None = None
    for name in names:
        places = candidates(source, name)
        if not places[0][1]:
            found[name] = (Place(places[0][0], json=places[0][0] in LOGS[source].bodies.values()),)
        elif source == "cloudtrail" and name.lower() == "eventsource":
            if service is None:
                service = () if database.rows(_OTHER_ENDS, seconds=seconds)[0]["n"] else (Place("service", behind=_SERVICE),)
            found |= {name: service} if service else {}
    return found


def locate(
    database: Database, source: str, names: Iterable[str], where: Where, *, seconds: float
) -> tuple[dict[str, tuple[Place, ...]], list[str]]:
    """({field: where events of this log have it in their JSON}, columns that are no JSON in some event).

    ``where``: (condition, parameters) of the events in which a column's fields are asked for.

    Raises DatabaseError after ``seconds`` for a scan.
    """
    wanted = {name: candidates(source, name) for name in names}
    by_column: dict[str, set[Path]] = {}
    for column, path in (one for several in wanted.values() for one in several):
        by_column.setdefault(column, set()).add(path)
    walks = {column: _Walk(database, column, where(column), seconds) for column in by_column}
    known = {column: walk.find(by_column[column]) for column, walk in walks.items()}
    places = {name: tuple(place for column, path in several for place in known[column].get(path, ())) for name, several in wanted.items()}
    return places, sorted(column for column, walk in walks.items() if walk.damaged)


class _Walk:
    """Through the JSON of a column, level by level: the keys that are there among those that are wanted, as they are written."""

    def __init__(self, database: Database, column: str, where: tuple[str, list[t.Any]], seconds: float) -> None:
        self._database, self._column, self._seconds = database, column, seconds
        self._where, self._parameters = where
        self.damaged = False

    def find(self, wanted: set[Path]) -> dict[Path, list[Place]]:
        found: dict[Path, list[Place]] = {}
        level: list[tuple[Path, str]] = [((), "$")]
        for depth in range(_DEPTH):
            below = {path[depth] for path in wanted if len(path) > depth}
            following: list[tuple[Path, str]] = []
            lists: set[tuple[Path, str]] = set()
            looked = self._look(level, below)
            nested = {written for (_path, written), kind, _keys in looked if kind in ("ARRAY", "OBJECT")}
            for (path, written), kind, keys in looked:
                if kind == "no JSON":
                    self.damaged = True
                    continue
                if path in wanted:
                    _once(found.setdefault(path, []), Place(self._column, written, "[*]" in written, json=written in nested))
                if kind == "ARRAY":
                    lists.add((path, f"{written}[*]"))
                following += _children(path, written, keys, wanted)
            for (path, written), _kind, keys in self._look(sorted(lists), below):
                if path in wanted:
                    _once(found.setdefault(path, []), Place(self._column, written, True))
                following += _children(path, written, keys, wanted)
            level = sorted(set(following))
            if not level:
                break
        return found

    def _look(self, places: list[tuple[Path, str]], below: set[str]) -> list[tuple[tuple[Path, str], str, list[str] | None]]:
        """[(place, its JSON type, the keys in it that are wanted)]"""
        groups = [[place for place in places if "[*]" not in place[1]], *([place] for place in places if "[*]" in place[1])]
        found = []
        for group in filter(None, groups):
            many = "[*]" in group[0][1]
            given = {"{paths}": group[0][1] if many else [written for _path, written in group], "{wanted}": sorted(below)}
            sql = (_LOOK_MANY if many else _LOOK).replace("{column}", f'e."{self._column}"').replace("{where}", self._where)
            for number, name in enumerate(given, len(self._parameters) + 1):
                sql = sql.replace(name, f"${number}")
            rows = self._database.rows(sql, [*self._parameters, *given.values()], seconds=self._seconds)
            found += [(group[row["place"] - 1], row["type"], row["keys"]) for row in rows]
        return found


def _once(places: list[Place], place: Place) -> None:
    if place not in places:
        places.append(place)


def _children(path: Path, written: str, keys: list[str] | None, wanted: set[Path]) -> list[tuple[Path, str]]:
    made: dict[Path, list[str]] = {}
    for key in sorted(keys or ()):
        inner = (*path, key.lower())
        if _KEY.fullmatch(key) and any(one[: len(inner)] == inner for one in wanted):
            made.setdefault(inner, []).append(f'{written}."{key}"')
    return [(inner, place) for inner, places in made.items() for place in places[:_SPELLINGS]]

"""Athena as its documentation says, where ministack's differs: parameters, the SQL's own dialect, CloudTrail's SerDe, partitions of a projection, cancelling.

ministack runs DuckDB. Here a query has to be Athena's SQL (sqlglot's parser of it), and is translated. No Trino is behind it: it shows the plumbing only.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from pathlib import Path
from typing import Any

import sqlglot
from ministack.services import athena
from sqlglot import exp

SETTINGS: dict[str, float] = {"pause": 0.0}  # seconds before a query begins to run
_SERDES = ("com.amazon.emr.hive.serde.CloudTrailSerde", "org.apache.hive.hcatalog.data.JsonSerDe")
_INPUT = "com.amazon.emr.cloudtrail.CloudTrailInputFormat"


def install() -> None:
    start, execute, relation = athena._start_query_execution, athena._execute_query, athena._table_relation

    def started(data: dict[str, Any]) -> Any:
        try:
            query = _filled(data["QueryString"], data.get("ExecutionParameters") or [])
        except (ValueError, sqlglot.errors.SqlglotError) as error:
            return athena.error_response_json("InvalidRequestException", f"Queries of this type are not supported: {error}"[:500], 400)
        return start({**data, "QueryString": query})

    async def executed(query_id: str, *more: Any) -> None:
        execution = athena._executions[query_id]
        until = time.monotonic() + SETTINGS["pause"]
        while time.monotonic() < until:
            await asyncio.sleep(0.02)
            if execution["Status"]["State"] == "CANCELLED":
                return
        await execute(query_id, *more)

    def related(table: dict[str, Any], files: list[str]) -> str:
        storage = table.get("StorageDescriptor") or {}
        if storage.get("InputFormat") != _INPUT or (storage.get("SerdeInfo") or {}).get("SerializationLibrary") not in _SERDES:
            return str(relation(table, files))
        return _cloudtrail(table, files)

    athena._start_query_execution, athena._execute_query, athena._table_relation = started, executed, related


def _filled(query: str, parameters: list[str]) -> str:
    """The parameters, which are SQL literals, in the place of each ``?``; in DuckDB's dialect."""
    if any(not 1 <= len(one) <= 1024 for one in parameters) or len(query.encode()) > 262_144:
        raise ValueError("a parameter has 1 to 1024 characters, a query at most 262144 bytes")
    if not re.match(r"(?i)\s*(select|with)\b", query):
        return query
    numbers = iter(range(len(query)))
    text = re.sub(r"\?", lambda _match: f":p{next(numbers)}", query)  # the texts of the collection hold no other question mark
    (tree,) = sqlglot.parse(text, dialect="athena")
    if tree is None:
        raise ValueError("no statement")
    places = {place.name: place for place in tree.find_all(exp.Placeholder)}
    if len(places) != len(parameters):
        raise ValueError(f"Incorrect number of parameters: expected {len(places)} but found {len(parameters)}")
    for number, given in enumerate(parameters):
        value = sqlglot.parse_one(given, dialect="athena")
        if not isinstance(value, exp.Literal):
            raise ValueError(f"not a literal: {given[:60]}")
        places[f"p{number}"].replace(value)
    return str(tree.sql(dialect="duckdb"))


def _cloudtrail(table: dict[str, Any], files: list[str]) -> str:
    """Each record of the files a row with the table's columns, names in any case of letters; objects as text where the column is one."""
    columns = {str(one["Name"]): str(one["Type"]) for one in table["StorageDescriptor"]["Columns"]}
    keys = [str(one["Name"]) for one in table.get("PartitionKeys") or ()]
    rows = []
    for name in files:
        data = Path(name).read_bytes()
        held = _partition(table, name, keys)
        if held is None:
            continue  # a place that no value of the projection gives
        for record in json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)["Records"]:
            row = {key.lower(): value for key, value in record.items()}
            rows.append({column: _cast(row.get(column), kind) for column, kind in columns.items()} | held)
    made = Path(files[0]).with_name("rows.made.json")
    made.write_text("".join(json.dumps(row) + "\n" for row in rows))
    types = {**{name: _duckdb(kind) for name, kind in columns.items()}, **dict.fromkeys(keys, "VARCHAR")}
    listed = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    return f"read_json('{made}', format = 'newline_delimited', columns = {{{listed}}})"


def _partition(table: dict[str, Any], name: str, keys: list[str]) -> dict[str, str] | None:
    said = table.get("Parameters") or {}
    if not keys:
        return {}
    location, template = table["StorageDescriptor"]["Location"].rstrip("/") + "/", said["storage.location.template"].rstrip("/") + "/"
    inside = re.escape(template.removeprefix(location)).replace(r"\$", "$").replace(r"\{", "{").replace(r"\}", "}")
    pattern = re.sub(r"\$\{(\w+)\}", lambda m: f"(?P<{m[1]}>" + (r"\d{4}/\d{2}/\d{2}" if m[1] == "timestamp" else "[^/]+") + ")", inside)
    found = re.search(pattern, name)
    return {key: found[key] for key in keys} if found else None


def _cast(value: Any, kind: str) -> Any:
    if kind == "string" and isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"))
    if kind == "string" and isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return {name.lower(): inner for name, inner in ((n, _cast(i, "")) for n, i in value.items())}
    return [_cast(one, "") for one in value] if isinstance(value, list) else value


def _duckdb(kind: str) -> str:
    """Of a type of Hive's."""
    kind = kind.strip()
    if kind.startswith("struct<"):
        inside, depth, start, parts = kind[7:-1] + ",", 0, 0, []
        for at, mark in enumerate(inside):
            depth += (mark == "<") - (mark == ">")
            if mark == "," and depth == 0:
                name, _colon, inner = inside[start:at].partition(":")
                parts.append(f'"{name}" {_duckdb(inner)}')
                start = at + 1
        return f"STRUCT({', '.join(parts)})"
    if kind.startswith("array<"):
        return f"{_duckdb(kind[6:-1])}[]"
    return "MAP(VARCHAR, VARCHAR)" if kind.startswith("map<") else "VARCHAR"

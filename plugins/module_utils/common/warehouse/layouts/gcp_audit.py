# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Google Cloud's audit logs in BigQuery: a table that a sink of Cloud Logging writes (``cloudaudit_googleapis_com_activity`` and its like).

It is partitioned by time. Source: the page "BigQuery schema for logs" of Cloud Logging. A sink makes a column when the first entry needs it, so each field
may be missing. The whole row is fetched as JSON and becomes the entry again.
"""

from __future__ import annotations

import datetime as dt
import json
import typing as t
from collections.abc import Mapping, Sequence

from ...errors import InvalidInput
from ..engine import Query
from .kind import TERMS, Layout, quoted

TABLES = ("cloudaudit_googleapis_com_activity", "cloudaudit_googleapis_com_data_access")
_LOG = "protopayload_auditlog"
_WHO = f"{_LOG}.authenticationinfo"
_NEEDED = ("insertid", "timestamp", f"{_LOG}.methodname", _WHO)
# The sink writes these as JSON text, under another name.
_JSON = {
    "requestJson": "request",
    "responseJson": "response",
    "metadataJson": "metadata",
    "resourceOriginalStateJson": "resourceOriginalState",
}
_CAN = {
    "credential": f"{_WHO}.serviceaccountkeyname", "key_name": f"{_WHO}.serviceaccountkeyname", "delegation": f"{_WHO}.serviceaccountdelegationinfo",
    "address": f"{_LOG}.requestmetadata.callerip", "address_first": f"{_LOG}.requestmetadata.callerip",
}  # fmt: skip
_OF_AWS = ("issuer", "issuer_before", "issuer_id", "session_name", "request", "response")


def fields(project: str, dataset: str, table: str, now: dt.datetime) -> Query:
    """Asks for the paths of a table's fields: rows of {field_path, data_type}."""
    place = ".".join(f"`{name}`" for name in (project, dataset)) + ".INFORMATION_SCHEMA.COLUMN_FIELD_PATHS"
    sql = f"SELECT field_path, data_type FROM {place} WHERE table_name = @table_0"  # noqa: S608 - names that were checked
    return Query(sql, (("table_0", table),), now, now)


def layout(project: str, dataset: str, table: str, paths: Mapping[str, str]) -> Layout:
    """``paths``: {path of a field: its type}. ``InvalidInput`` where it is no table of audit logs."""
    there = {path.lower(): path for path in paths}
    if missing := [name for name in _NEEDED if name not in there]:
        problems = [("table", f"it has no {name}") for name in missing]
        raise InvalidInput(f"{project}.{dataset}.{table} is not laid out as a table of audit logs", problems)

    def has(path: str) -> str:
        return f"t.{there[path]}" if path in there else "CAST(NULL AS VARCHAR)"

    email, subject = has(f"{_WHO}.principalemail"), has(f"{_WHO}.principalsubject")
    nothing = "CAST(NULL AS VARCHAR)"
    chain = f"{_WHO}.serviceaccountdelegationinfo"
    terms = dict.fromkeys(TERMS, nothing) | {
        "event_uid": has("insertid"), "time": has("timestamp"), "region": has("resource.labels.location"), "service": has(f"{_LOG}.servicename"),
        "operation": has(f"{_LOG}.methodname"), "actor_arn": f"coalesce(nullif({email}, ''), {subject})", "actor_id": f"coalesce({subject}, {email})",
        "actor_name": f"regexp_extract({email}, '^([^@]+)', 1)", "credential_uid": f"nullif({has(f'{_WHO}.serviceaccountkeyname')}, '')",
        "delegation": f"json_text(t.{there[chain]})" if chain in there else nothing, "src_ip": has(f"{_LOG}.requestmetadata.callerip"),
        "user_agent": has(f"{_LOG}.requestmetadata.callersupplieduseragent"), "request": has(f"{_LOG}.requestjson"), "response": has(f"{_LOG}.responsejson"),
    }  # fmt: skip
    lacks = {kind: path for kind, path in _CAN.items() if path not in there} | dict.fromkeys(_OF_AWS, "")
    return Layout("gcp_audit", quoted(project, dataset, table), terms, {"record": "json_text(t)"}, _prune, _same, line, lacks)


def _same(moment: dt.datetime) -> dt.datetime:
    return moment


def _prune(since: dt.datetime, until: dt.datetime, _accounts: Sequence[str], _regions: Sequence[str]) -> list[str]:
    """The table is partitioned by the day of ``timestamp``."""
    return [
        f"t.\"timestamp\" {sign} CAST('{moment:%Y-%m-%d %H:%M:%S}+00:00' AS TIMESTAMPTZ)" for sign, moment in ((">=", since), ("<", until))
    ]


def line(row: Mapping[str, t.Any]) -> str:
    """The log entry as the Logging API writes it."""
    try:
        entry = _filled(json.loads(row["record"]))
    except (ValueError, RecursionError, TypeError):
        return json.dumps({"unreadable": str(row.get("record"))[:1000]})
    log = entry.pop(_LOG, None)
    if isinstance(log, dict):
        for name, meant in _JSON.items():
            text = log.pop(name, None)
            if text is not None:
                log[meant] = _read(text)
        if isinstance(data := log.pop("servicedata_v1_iam", None), dict):
            log["serviceData"] = data
        entry["protoPayload"] = log
    return json.dumps(entry, ensure_ascii=False)


def _filled(value: t.Any) -> t.Any:
    """Without what is null: a sink's table has a column for every field that any entry ever had."""
    if isinstance(value, dict):
        return {name: kept for name, inner in value.items() if (kept := _filled(inner)) not in (None, {})}
    return [_filled(inner) for inner in value] if isinstance(value, list) else value


def _read(text: t.Any) -> t.Any:
    try:
        return json.loads(text, parse_constant=lambda _name: None)
    except (ValueError, RecursionError, TypeError):
        return text

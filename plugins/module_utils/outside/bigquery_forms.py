# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What BigQuery's REST API writes differently from Python: typed parameters of a query, and rows as ``f`` and ``v``. Pure."""

from __future__ import annotations

import datetime
import decimal
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..common.warehouse.engine import Value

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
# What ``rows`` raises of an answer that it does not understand.
NOT_UNDERSTOOD = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


def parameter(name: str, value: Value) -> dict[str, t.Any]:
    """A ``QueryParameter``: STRING, INT64 or TIMESTAMP (a naive one is UTC)."""
    if isinstance(value, datetime.datetime):
        utc = value.astimezone(datetime.UTC) if value.tzinfo else value
        kind, text = "TIMESTAMP", f"{utc.replace(tzinfo=None).isoformat(sep=' ', timespec='microseconds')}+00:00"
    else:
        kind, text = ("INT64" if isinstance(value, int) else "STRING"), str(value)
    return {"name": name, "parameterType": {"type": kind}, "parameterValue": {"value": text}}


def rows(fields: Sequence[Mapping[str, t.Any]], found: Sequence[Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Rows of an answer by the fields of its schema: TIMESTAMP as naive UTC, JSON as its text, records as dicts. Else raises ``NOT_UNDERSTOOD``."""
    return [_record(fields, row) for row in found]


def _record(fields: Sequence[Mapping[str, t.Any]], row: Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {field["name"]: _value(field, cell["v"]) for field, cell in zip(fields, row["f"], strict=True)}


def _value(field: Mapping[str, t.Any], held: t.Any) -> t.Any:
    if field.get("mode") == "REPEATED":  # an array is never NULL in an answer
        return [_one(field, item["v"]) for item in held]
    return _one(field, held)


def _one(field: Mapping[str, t.Any], held: t.Any) -> t.Any:
    if held is None:
        return None
    if field["type"] in ("RECORD", "STRUCT"):
        return _record(field["fields"], held)
    if not isinstance(held, str):
        raise TypeError(f"{field['type']} is no text")
    return _READ[field["type"]](held)


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _timestamp(text: str) -> datetime.datetime:
    """Microseconds, as ``useInt64Timestamp`` asks for; from what does not know it, seconds ("1.7E9", always with a fraction or exponent)."""
    micros = int(text) if text.removeprefix("-").isdigit() else int(decimal.Decimal(text) * 1_000_000)
    return (_EPOCH + datetime.timedelta(microseconds=micros)).replace(tzinfo=None)


_READ: dict[str, Callable[[str], t.Any]] = {
    "STRING": str, "JSON": str, "INTEGER": int, "INT64": int, "FLOAT": float, "FLOAT64": float, "BOOLEAN": _boolean, "BOOL": _boolean,
    "TIMESTAMP": _timestamp, "DATE": datetime.date.fromisoformat, "DATETIME": datetime.datetime.fromisoformat,
}  # fmt: skip

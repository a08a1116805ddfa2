# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the one SQL source (DuckDB's dialect) to a warehouse's own. The only importer of sqlglot.

Strict: what cannot be parsed, what the other dialect has no words for, and a function that is not known to exist there are refused.
"""

from __future__ import annotations

import datetime as dt
import re
import typing as t
from collections.abc import Mapping

from ..errors import MissingLibrary
from .engine import Value

try:
    import sqlglot
    from sqlglot import exp
except ImportError as _error:
    sqlglot = None  # type: ignore[assignment]
    SQLGLOT_IMPORT_ERROR: ImportError | None = _error
else:
    SQLGLOT_IMPORT_ERROR = None

SOURCE = "duckdb"
_NAMED = re.compile(r":([a-z][a-z_]*_[0-9]+)\b")
# What the source may call, in the words of each dialect. sqlglot hands on what it does not know, so that only this list says what is there.
FUNCTIONS = {
    "athena": {"COALESCE", "NULLIF", "LOWER", "STRPOS", "REGEXP_EXTRACT", "ROW_NUMBER", "CONCAT", "JSON_FORMAT", "CAST", "CASE", "IF"},
    "bigquery": {"COALESCE", "NULLIF", "LOWER", "STRPOS", "INSTR", "REGEXP_EXTRACT", "ROW_NUMBER", "CONCAT", "TO_JSON_STRING", "CAST", "CASE", "IF"},
}  # fmt: skip
# json_text(x): a value of any type as JSON text. No function of that name exists; each dialect has another.
_JSON_TEXT = {"athena": "JSON_FORMAT(CAST(x AS JSON))", "bigquery": "TO_JSON_STRING(x)", SOURCE: "CAST(TO_JSON(x) AS VARCHAR)"}


def translate(sql: str, dialect: str, values: Mapping[str, Value]) -> tuple[str, tuple[tuple[str, Value], ...]]:
    """``sql`` with ``$name_1`` as placeholders -> (the same in ``dialect``, its parameters: in the order of the placeholders where these are ``?``)."""
    _needed()
    tree = sqlglot.parse_one(sql, dialect=SOURCE)
    for call in list(tree.find_all(exp.Anonymous)):
        if call.name.lower() == "json_text":
            call.replace(_json_text(dialect, call.expressions[0]))
    for name in values:
        if not re.fullmatch(r"[a-z][a-z_]*_[0-9]+", name):
            raise ValueError(f"not a name of a parameter: {name!r}")
    text = tree.sql(dialect=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE)
    _check(text, dialect)
    if dialect != "athena":
        return text, tuple(values.items())
    order = [match[1] for match in _NAMED.finditer(text)]  # no literal of ours looks like that
    return _NAMED.sub("?", text), tuple((name, values[name]) for name in order)


def back(sql: str, dialect: str) -> str:
    """A translated text in DuckDB's dialect again; how the dialects are proved."""
    _needed()
    return str(sqlglot.parse_one(sql, dialect=dialect).sql(dialect=SOURCE, unsupported_level=sqlglot.ErrorLevel.RAISE))


def literal(value: Value, dialect: str) -> str:
    """A value as SQL, for services that take parameters as text."""
    _needed()
    if isinstance(value, dt.datetime):
        value = value.isoformat(sep=" ")
    return str((exp.Literal.number(value) if isinstance(value, int) else exp.Literal.string(value)).sql(dialect=dialect))


def _json_text(dialect: str, value: t.Any) -> t.Any:
    made = sqlglot.parse_one(_JSON_TEXT[dialect], dialect=dialect)
    for column in list(made.find_all(exp.Column)):
        if column.name == "x":
            column.replace(value.copy())
    return made


def _check(text: str, dialect: str) -> None:
    """Only functions that this dialect has."""
    for call in sqlglot.parse_one(text, dialect=dialect).find_all(exp.Func):
        if isinstance(call, (exp.And, exp.Or, exp.Case, exp.Cast)):
            continue
        name = call.name.upper() if isinstance(call, exp.Anonymous) else call.sql(dialect=dialect).partition("(")[0].strip().upper()
        if name not in FUNCTIONS[dialect]:
            raise ValueError(f"{dialect} has no function {name}, as far as this collection knows")


def _needed() -> None:
    if sqlglot is None:
        from ansible.module_utils.basic import missing_required_lib

        raise MissingLibrary(missing_required_lib("sqlglot", reason="to ask a warehouse"), object="sqlglot", operation="import")

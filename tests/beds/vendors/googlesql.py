"""GoogleSQL's reference engine, which BigQuery's dialect is of: Google's own parser, types and meaning of a statement (ZetaSQL, as WebAssembly).

It has every feature of the language switched on, so it takes what BigQuery itself may leave out; it knows nothing of bytes, partitions and quotas.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

import duckdb
from zetasql import types
from zetasql.api import CatalogBuilder, PreparedQuery, TableBuilder, Value
from zetasql.api.type_factory import TypeFactory
from zetasql.core.exceptions import ZetaSQLError

from .bigquery import Result, refusal

_KINDS = {
    "varchar": types.TypeKind.TYPE_STRING, "bigint": types.TypeKind.TYPE_INT64, "boolean": types.TypeKind.TYPE_BOOL,
    "timestamp with time zone": types.TypeKind.TYPE_TIMESTAMP,
}  # fmt: skip


class GoogleSql:
    """``BigQuery.runs`` with the tables of a DuckDB: ``tables`` are their names as a statement says them. ``statements``: as they came."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, *tables: str) -> None:
        self._language = types.LanguageOptions.maximum_features()
        builder = CatalogBuilder("bigquery")
        self._content: dict[str, Any] = {}
        for name in tables:
            relation = connection.table(name)
            table = TableBuilder(name)
            columns = list(zip(relation.columns, relation.types, strict=True))
            for column, kind in columns:
                table.add_column(column, _type(kind))
            builder.add_table(table.build())
            rows = [json.loads(row[0]) for row in connection.sql(f"SELECT to_json(t) FROM {name} AS t").fetchall()]  # noqa: S608 - the test's own name
            cells = [types.TableData.Row(cell=[_cell(kind, row.get(column)) for column, kind in columns]) for row in rows]
            self._content[name] = types.TableContent(table_data=types.TableData(row=cells))
        functions = types.ZetaSQLBuiltinFunctionOptions(language_options=self._language)
        self._catalog = builder.with_builtin_functions(functions).build()
        self._tables = tables
        self.statements: list[str] = []

    def __call__(self, sql: str, values: dict[str, Any]) -> Result:
        self.statements.append(sql)
        for name in self._tables:  # a path of quoted names is one name here
            sql = sql.replace(".".join(f"`{part}`" for part in name.split(".")), f"`{name}`")
        options = types.AnalyzerOptions(language_options=self._language)
        options.query_parameters = [types.AnalyzerOptions.QueryParameter(name=name, type=_of(value)[0]) for name, value in values.items()]
        prepared = (
            PreparedQuery.builder().set_sql(sql).set_analyzer_options(options).set_catalog(self._catalog).set_table_content(self._content)
        )
        try:
            with prepared.prepare() as query:
                given = [types.Parameter(name=name, value=_of(value)[1]) for name, value in values.items()]
                found = query.execute(parameters=given).content.table_data.row
                fields = [{"name": column.name, "type": "STRING", "mode": "NULLABLE"} for column in query.columns]
        except ZetaSQLError as error:
            raise refusal(400, "invalidQuery", str(error)) from None
        return fields, [tuple(cell.string_value for cell in row.cell) for row in found]


def _type(kind: Any) -> Any:
    if kind.id == "list":
        return TypeFactory.create_array_type(_type(kind.child))
    if kind.id == "struct":
        return TypeFactory.create_struct_type([(name, _type(inner)) for name, inner in kind.children])
    return TypeFactory.create_simple_type(_KINDS[kind.id])


def _cell(kind: Any, value: Any) -> Any:
    if value is None:
        return types.Value()
    if kind.id == "list":
        return types.Value(array_value=types.Value.Array(element=[_cell(kind.child, item) for item in value]))
    if kind.id == "struct":
        return types.Value(struct_value=types.Value.Struct(field=[_cell(inner, value.get(name)) for name, inner in kind.children]))
    if kind.id == "timestamp with time zone":
        return Value.timestamp(datetime.datetime.fromisoformat(value)).to_proto()
    return types.Value(**{{"varchar": "string_value", "bigint": "int64_value", "boolean": "bool_value"}[kind.id]: value})


def _of(value: Any) -> tuple[Any, Any]:
    """(type, value) of a parameter."""
    if isinstance(value, datetime.datetime):
        return TypeFactory.create_simple_type(types.TypeKind.TYPE_TIMESTAMP), Value.timestamp(value).to_proto()
    if isinstance(value, int):
        return TypeFactory.create_simple_type(types.TypeKind.TYPE_INT64), types.Value(int64_value=value)
    return TypeFactory.create_simple_type(types.TypeKind.TYPE_STRING), types.Value(string_value=value)

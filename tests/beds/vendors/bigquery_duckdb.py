"""What runs a statement of BigQuery for the stand-in: sqlglot makes it DuckDB's. It shows what a statement means, never what BigQuery itself makes of it."""

from __future__ import annotations

import datetime
from typing import Any

import duckdb
import sqlglot

from .bigquery import Result, refusal

_TYPES = {
    "VARCHAR": "STRING",
    "BIGINT": "INTEGER",
    "INTEGER": "INTEGER",
    "DOUBLE": "FLOAT",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
}
_PATHS = "INFORMATION_SCHEMA.COLUMN_FIELD_PATHS"


class Runs:
    """``BigQuery.runs`` over a DuckDB in which the project is a database and the dataset a schema. ``statements``: as they came."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.statements: list[str] = []

    def __call__(self, sql: str, values: dict[str, Any]) -> Result:
        self.statements.append(sql)
        try:
            tree = sqlglot.parse_one(sql, dialect="bigquery")
            if _PATHS in sql:
                place = next(tree.find_all(sqlglot.exp.Table)).sql(dialect="duckdb").split(".")[:2]
                fields = [{"name": name, "type": "STRING", "mode": "NULLABLE"} for name in ("field_path", "data_type")]
                return fields, self._paths(".".join([*place, f'"{values["table_0"]}"']))
            cursor = self.connection.execute(tree.sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE), values)
            rows = cursor.fetchall()
        except duckdb.CatalogException:
            raise refusal(404, "notFound", "Not found: Table logs-1234:audit.events was not found in location EU") from None
        except (sqlglot.errors.SqlglotError, duckdb.Error) as error:
            raise refusal(400, "invalidQuery", str(error)) from None
        fields = [{"name": column[0], "type": _TYPES[str(column[1])], "mode": "NULLABLE"} for column in cursor.description]
        return fields, [tuple(map(_plain, row)) for row in rows]

    def _paths(self, table: str) -> list[tuple[Any, ...]]:
        """Each column, and each field within, as the service lists them."""
        found: list[tuple[Any, ...]] = []

        def within(path: str, kind: Any) -> None:
            found.append((path, str(kind)))
            kind = kind.child if kind.id == "list" else kind
            for name, one in kind.children if kind.id == "struct" else ():
                within(f"{path}.{name}", one)

        try:
            relation = self.connection.table(table)
        except duckdb.CatalogException:  # of a table that is not there the service lists nothing
            return []
        for name, kind in zip(relation.columns, relation.types, strict=True):
            within(name, kind)
        return found


def _plain(value: Any) -> Any:
    return value.astimezone(datetime.UTC).replace(tzinfo=None) if isinstance(value, datetime.datetime) else value

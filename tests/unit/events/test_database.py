"""The database of a case: values are parameters, nothing else can be read, what lies on disk is private."""

import datetime
import os

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.events import columns
from ansible_collections.evict.cloud.plugins.module_utils.common.events.database import Database, DatabaseError

HOSTILE = "x'); DROP TABLE events; -- {{ lookup('pipe', 'id') }}"


def _row(**values):
    return [values.get(name) for name in columns.names(columns.EVENTS)]


def test_values_are_kept_as_they_are(tmp_path):
    with Database.open(tmp_path) as database:
        database.empty()
        at = datetime.datetime(2026, 11, 22, 9, 0)  # noqa: DTZ001 - the tables hold UTC without saying so
        rows = [_row(event_uid=HOSTILE, time=at, resources=[HOSTILE, "b"], mfa=True, delegation=[])] * 6000 + [_row()]
        assert database.table("events", columns.EVENTS, rows) == 6001
        found = database.rows(
            "SELECT event_uid, time, resources, mfa, delegation, count(*) AS n FROM events WHERE event_uid = ? GROUP BY ALL", [HOSTILE]
        )
        assert found == [{"event_uid": HOSTILE, "time": at, "resources": [HOSTILE, "b"], "mfa": True, "delegation": [], "n": 6000}]
        assert database.table("events", columns.EVENTS, [_row()], append=True) == 1
        assert len(list(database.stream("SELECT event_uid FROM events"))) == 6002
    with Database.open(tmp_path, read_only=True) as again:
        assert again.rows("SELECT count(*) AS n FROM events") == [{"n": 6002}]


@pytest.mark.parametrize("sql", ["SELECT * FROM read_text('/etc/hostname')", "COPY (SELECT 1) TO '/tmp/evict-out.csv'", "SET threads = 1", "INSTALL httpfs",
                                 "SET enable_external_access = true", "ATTACH '/tmp/other.duckdb'"])  # fmt: skip
def test_sql_reaches_nothing_outside(tmp_path, sql):
    with Database.open(tmp_path) as database, pytest.raises(DatabaseError, match=r"disabled by configuration|locked|Cannot change"):
        database.run(sql)


def test_a_statement_that_does_not_end_is_ended():
    with Database.memory() as database, pytest.raises(DatabaseError) as failed:
        database.run("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b", seconds=0.3)
    assert failed.value.kind == "InterruptException"


def test_what_lies_on_disk_is_private(tmp_path):
    before = os.umask(0o022)
    try:
        with Database.open(tmp_path) as database:
            database.empty()
            database.run(f"COPY events TO '{tmp_path}/e.parquet'")
            assert {
                path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir() if path.is_file() and path.stat().st_mode & 0o077
            } == {}
    finally:
        os.umask(before)

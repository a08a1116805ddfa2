# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every story that the lineage is tested with, told by a warehouse: who is tainted, by which calls, and what is in doubt, are the same as of everything loaded."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import store as stores
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import taint
from ansible_collections.evict.cloud.plugins.module_utils.common.events import folder, formats, parts
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.question import Span
from tests.unit.analysis import as_logs, story, test_lineage, test_lineage_redteam
from tests.unit.analysis.events_made import Row, moment
from tests.unit.warehouse import made

_SOURCES = ("cloudtrail", "gcp_audit")
_DAY = dt.timedelta(days=1)
# These are of no cloud with a warehouse, or hold a request that is no JSON, which no log can.
_OTHERS = ("test_an_application_with_a_credential_that_the_attacker_added", "test_hostile_text_is_text")


def _stories() -> list[t.Any]:
    """The tests of the lineage, with the values that they are parametrized by."""
    found = []
    for module in (test_lineage, test_lineage_redteam):
        for name, test in vars(module).items():
            if not name.startswith("test_") or name in _OTHERS:
                continue
            marks = [mark.args for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
            if not inspect.signature(test).parameters:
                found.append(pytest.param(module, test, {}, id=name))
            elif len(marks) == 1:
                names = [one.strip() for one in marks[0][0].split(",")] if isinstance(marks[0][0], str) else list(marks[0][0])
                for number, values in enumerate(marks[0][1]):
                    given = dict(zip(names, values if len(names) > 1 else [values], strict=True))
                    found.append(pytest.param(module, test, given, id=f"{name}-{number}"))
    return found


def test_the_stories_are_there() -> None:
    assert len(_stories()) >= 35


@pytest.mark.parametrize(("module", "test", "given"), _stories())
def test_the_same_is_told(
    module: t.Any, test: Callable[..., None], given: dict[str, t.Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[t.Any, t.Any]] = []

    def trace(rows: list[Row], *who: t.Any, start: str = "", end: str = "", gaps: t.Any = (), **more: t.Any) -> t.Any:
        told.append(_both(tmp_path / str(len(told)), rows, who, moment(start) if start else None, moment(end) if end else None, more))
        return test_lineage_trace(rows, *who, start=start, end=end, gaps=gaps, **more)

    test_lineage_trace = test_lineage.trace
    monkeypatch.setattr(module, "trace", trace)
    test(**given)
    for mine, whole in told:
        assert mine == whole


def _both(home: Path, rows: list[Row], who: t.Any, start: t.Any, end: t.Any, more: dict[str, t.Any]) -> tuple[t.Any, t.Any]:
    """What is concluded of what was selected, and of everything. Without a start, of all that there is."""
    rows = [row for row in rows if row["source"] in _SOURCES and row["time"]]
    home.mkdir()
    suspects = [one for named in who or (story.SUSPECT,) for one in test_lineage._suspects(named)]
    records = {source: found for source, found in as_logs.records(rows).items() if found}
    times = [row["time"] for row in rows]
    begin = start or min(times)
    span = Span(min(begin, *times) - 2 * _DAY, begin - _DAY, max(times) + _DAY)
    estate = sorted({one["recipientAccountId"] for one in records.get("cloudtrail", []) if one["recipientAccountId"]})
    chosen, whole = (stores.open_store(str(home / name)) for name in ("chosen", "whole"))
    houses = {}
    for source, found in records.items():
        house = made.Warehouse("athena" if source == "cloudtrail" else "bigquery")
        houses[source] = house, house.cloudtrail(found) if source == "cloudtrail" else house.gcp(found)
        (home / "logs").mkdir(exist_ok=True)
        (home / "logs" / f"{source}.jsonl").write_text("\n".join(json.dumps(one) for one in found), encoding="utf-8")
    for _again in range(2 if len(houses) > 1 else 1):  # what one cloud's log tells is asked of the other's
        for house, layout in houses.values():
            made.follow(house, [layout], chosen, home, suspects, span, start=start, estate=estate, end=end, **more)
    folder.load(whole, [formats.FORMATS[source] for source in records], home / "logs", now="2026-12-01T00:00:00", threads=1)
    concluded = []
    for case in (chosen, whole):
        with parts.open_case(case, threads=1, keep=False) as database:
            taint.trace(database, suspects, start=start, end=end, logged=estate, **more)
            concluded.append((
                database.rows("SELECT * FROM tainted ORDER BY ALL"), database.rows("SELECT event_uid, verdict, confidence, tainted_id FROM acts ORDER BY ALL"),
                database.rows("SELECT * FROM doubts ORDER BY ALL"),
            ))  # fmt: skip
    return concluded[0], concluded[1]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline: a lane for each tainted identity, its calls as marks where there are few and as columns where there are many."""

from __future__ import annotations

import datetime as dt
import math
import typing as t

from ...events.database import Database
from .drawing import CALM, FAINT, INK, REVIEW, ROGUE, clock, figure, name_of, short

LANES = 24
_MARKS = 400  # in all lanes together; more are counted
_BINS = 160
_LANES = """
SELECT t.id, min(t.arn) AS arn, min(t.kind) AS kind, count(*) AS n, min(a.time) AS first FROM acts a
JOIN tainted t ON t.id = a.tainted_id WHERE a.time IS NOT NULL GROUP BY t.id ORDER BY first, t.id
"""
_SPAN = "SELECT min(time) AS first, max(time) AS last, count(*) AS n FROM acts WHERE time IS NOT NULL"
_KIND = """CASE WHEN status = 'failure' THEN 'denied' WHEN coalesce(read_only, false) THEN 'read' ELSE 'change' END"""
_FEW = f"SELECT tainted_id, time, service, operation, verdict, {_KIND} AS kind FROM acts WHERE time IS NOT NULL ORDER BY time, event_uid"
_MANY = f"""
SELECT tainted_id, {_KIND} AS kind, least(CAST(floor(epoch(time - CAST(? AS TIMESTAMP)) / ?) AS INTEGER), ?) AS bin, count(*) AS n
FROM acts WHERE time IS NOT NULL GROUP BY ALL ORDER BY ALL
"""
_COLOURS = {"change": ROGUE, "read": CALM, "denied": REVIEW}
_SYMBOLS = {"change": "D", "read": "o", "denied": "x"}
_WORDS = {"change": "changed something", "read": "read", "denied": "was denied"}


def draw(database: Database) -> str:
    """The SVG; "" when there is nothing to draw. Raises MissingLibrary."""
    span = database.rows(_SPAN)[0]
    if not span["n"]:
        return ""
    lanes, names = _lanes(database)
    rows = max(lanes.values()) + 1
    with figure(11, 1.3 + 0.42 * rows) as (drawn, done):
        axes = drawn.add_subplot()
        axes.set_ylim(rows - 0.4, -0.8)
        axes.set_yticks(range(rows), [names[lane] for lane in range(rows)])
        axes.tick_params(axis="y", length=0)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        for lane in range(rows):
            axes.axhline(lane, color=FAINT, linewidth=0.6, zorder=0)
        if span["n"] <= _MARKS:
            _marks(axes, database, lanes)
        else:
            _columns(axes, database, lanes, span["first"], span["last"])
        clock(axes)
        handles = [axes.plot([], [], linestyle="none", marker=_SYMBOLS[k], color=c, label=_WORDS[k])[0] for k, c in _COLOURS.items()]
        axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    return done[0]


def _lanes(database: Database) -> tuple[dict[str, int], dict[int, str]]:
    """{tainted id: its lane}, {lane: its name}; the last lane is everybody's for whom there is no room."""
    found = database.rows(_LANES)
    shown, rest = (found, []) if len(found) <= LANES else (found[: LANES - 1], found[LANES - 1 :])
    lanes = {row["id"]: number for number, row in enumerate(shown)}
    names = {number: short(name_of(row["arn"] or row["id"]), 44) for number, row in enumerate(shown)}
    if rest:
        lanes |= dict.fromkeys((row["id"] for row in rest), len(shown))
        names[len(shown)] = f"and {len(rest)} others"
    return lanes, names


def _marks(axes: t.Any, database: Database, lanes: dict[str, int]) -> None:
    rows = [row for row in database.rows(_FEW) if row["tainted_id"] in lanes]
    for kind, colour in _COLOURS.items():
        own = [row for row in rows if row["kind"] == kind]
        times, places = [row["time"] for row in own], [lanes[row["tainted_id"]] for row in own]
        axes.plot(times, places, linestyle="none", marker=_SYMBOLS[kind], markersize=5, color=colour)
    if len(rows) <= 12:
        for number, row in enumerate(rows):
            where = (0, 9 if number % 2 else -15)
            axes.annotate(short(str(row["operation"]), 28), (row["time"], lanes[row["tainted_id"]]), xytext=where, textcoords="offset points", ha="center",
                          fontsize=7, color=INK)  # fmt: skip


def _columns(axes: t.Any, database: Database, lanes: dict[str, int], first: dt.datetime, last: dt.datetime) -> None:
    """A column for each stretch of time: the taller, the more calls (by their logarithm), changes above reads."""
    seconds = max((last - first).total_seconds() / _BINS, 1e-3)
    counted: dict[tuple[int, int, str], int] = {}
    for row in database.rows(_MANY, [first, seconds, _BINS - 1]):
        if row["tainted_id"] in lanes:
            key = (lanes[row["tainted_id"]], row["bin"], row["kind"])
            counted[key] = counted.get(key, 0) + row["n"]
    most = max(counted.values())
    width = dt.timedelta(seconds=seconds)
    for kind, colour in _COLOURS.items():
        own = [
            (lane, first + place * width, 0.1 + 0.3 * math.log1p(n) / math.log1p(most))
            for (lane, place, k), n in counted.items()
            if k == kind
        ]
        if own:
            low = [lane if kind == "read" else lane - height for lane, _at, height in own]
            times, heights = [at for _lane, at, _height in own], [height for _lane, _at, height in own]
            axes.bar(times, heights, width=width, bottom=low, align="edge", color=colour, linewidth=0, alpha=0.85)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lineage: from the suspect over what each call opened, as a tree from left to right. Many of one kind below one parent are one box."""

from __future__ import annotations

import dataclasses
import typing as t

from ...events.database import Database
from .drawing import FAINT, INK, REVIEW, ROGUE, figure, name_of, short

_NODES = "SELECT kind, id, arn, account, verdict, confidence, via, parent, whole FROM tainted ORDER BY since NULLS FIRST, kind, id"
_TOGETHER = 4  # as many of one kind, without any below them, become one box
_MOST = 120  # boxes
_DEEPEST = 200


@dataclasses.dataclass
class Box:
    """One identity, or several alike."""

    label: str
    verdict: str
    via: str
    below: list[Box] = dataclasses.field(default_factory=list)
    row: float = 0.0


def draw(database: Database) -> str:
    """The SVG; "" when nobody is tainted. Raises MissingLibrary."""
    roots = boxes(database.rows(_NODES))
    if not roots:
        return ""
    depth = max(_depth(root) for root in roots)
    rows = _place(roots)
    width, height = 2.9 * depth + 0.4, 0.5 * rows + 0.5
    with figure(max(6.0, min(width, 40)), max(1.4, height), fitted=False) as (drawn, done):
        axes = drawn.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(-0.1, depth)
        axes.set_ylim(rows - 0.3, -0.7)
        for root in roots:
            _paint(axes, root, 0)
    return done[0]


def boxes(rows: list[dict[str, t.Any]]) -> list[Box]:
    """The trees. A parent that is not there, or a ring, makes a root."""
    known = {row["id"]: row for row in rows}
    below: dict[str, list[dict[str, t.Any]]] = {}
    for row in rows:
        below.setdefault(row["parent"] if row["parent"] in known and row["parent"] != row["id"] else "", []).append(row)
    left = [_MOST]
    seen: set[str] = set()
    roots = _below(below, "", seen, left, 0)
    for row in rows:  # what only a ring leads to
        if row["id"] not in seen and left[0] > 0:
            seen.add(row["id"])
            roots.append(_box(row, below, seen, left, 0))
    return roots


def _below(below: dict[str, list[dict[str, t.Any]]], parent: str, seen: set[str], left: list[int], depth: int) -> list[Box]:
    fresh = [row for row in below.get(parent, ()) if row["id"] not in seen]
    seen.update(row["id"] for row in fresh)
    groups: dict[tuple[str, str, str], list[dict[str, t.Any]]] = {}
    for row in fresh:
        alone = row["id"] in below
        groups.setdefault((row["id"], "", "") if alone else (row["kind"], row["via"], row["verdict"]), []).append(row)
    found: list[Box] = []
    for rows in groups.values():
        if left[0] <= 0 or depth > _DEEPEST:
            found.append(Box(f"and {sum(map(len, groups.values())) - len(found)} more", "review", ""))
            break
        if len(rows) >= _TOGETHER:
            left[0] -= 1
            found.append(Box(f"{len(rows)} × {rows[0]['kind']}", rows[0]["verdict"], rows[0]["via"]))
        else:
            found += [_box(row, below, seen, left, depth) for row in rows]
    return found


def _box(row: dict[str, t.Any], below: dict[str, list[dict[str, t.Any]]], seen: set[str], left: list[int], depth: int) -> Box:
    left[0] -= 1
    name = name_of(row["arn"] or row["id"]) if row["kind"] not in ("access_key", "session") else row["id"]
    box = Box(f"{row['kind'].replace('_', ' ')}\n{short(name, 32)}", row["verdict"], row["via"])
    box.below = _below(below, row["id"], seen, left, depth + 1)
    return box


def _depth(box: Box) -> int:
    return 1 + max((_depth(inner) for inner in box.below), default=0)


def _place(roots: list[Box]) -> int:
    """A row for each leaf, in order; a parent stands in the middle of what is below it. Returns how many rows."""
    count = 0

    def walk(box: Box) -> None:
        nonlocal count
        for inner in box.below:
            walk(inner)
        if box.below:
            box.row = (box.below[0].row + box.below[-1].row) / 2
        else:
            box.row, count = float(count), count + 1

    for root in roots:
        walk(root)
    return count


def _paint(axes: t.Any, box: Box, depth: int) -> None:
    colour = ROGUE if box.verdict == "rogue" else REVIEW
    style = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": colour, "linestyle": "-" if box.verdict == "rogue" else "--"}
    axes.text(depth, box.row, box.label, va="center", ha="left", fontsize=7.5, color=INK, bbox=style, zorder=3)
    for inner in box.below:
        axes.plot([depth + 0.55, depth + 0.75, depth + 0.92], [box.row, inner.row, inner.row], color=FAINT, linewidth=1, zorder=1)
        axes.text(depth + 0.93, inner.row - 0.32, short(inner.via, 30), fontsize=6, color=INK, ha="left", va="bottom", zorder=4)
        _paint(axes, inner, depth + 1)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which spans of time were read, as a manifest remembers them (``Parts.reads``)."""

from __future__ import annotations

import datetime

from .parts import iso, moment

Span = tuple[datetime.datetime, datetime.datetime]  # naive UTC; the end is not in it


def missing(wanted: Span, have: list[list[str]]) -> list[Span]:
    """What of a span was not read yet, oldest first."""
    left, at = [], wanted[0]
    for start, end in sorted((moment(a), moment(b)) for a, b in have):
        if start is None or end is None:
            continue
        if start > at:
            left.append((at, min(start, wanted[1])))
        at = max(at, end)
        if at >= wanted[1]:
            break
    if at < wanted[1]:
        left.append((at, wanted[1]))
    return [(a, b) for a, b in left if a < b]


def joined(have: list[list[str]], more: Span) -> list[list[str]]:
    """Spans in order, without overlap."""
    spans: list[list[datetime.datetime]] = []
    for start, end in sorted([*((moment(a), moment(b)) for a, b in have), more]):
        if start is None or end is None:
            continue
        if spans and start <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], end)
        else:
            spans.append([start, end])
    return [[str(iso(a)), str(iso(b))] for a, b in spans]

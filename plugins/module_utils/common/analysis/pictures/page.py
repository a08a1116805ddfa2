# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The analysis as one self-contained HTML page: it loads nothing, runs nothing, and everything that came from a log is escaped text."""

from __future__ import annotations

import html
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ...schema import printable

_ROWS = 500  # of one table; the report in JSON has the rest
_CELL = 300
_STYLE = """
:root{color-scheme:light}*{box-sizing:border-box}body{font:14px/1.5 system-ui,sans-serif;color:#1d2939;margin:0 auto;padding:24px;max-width:1200px}
h1{font-size:22px;margin:0 0 4px}h2{font-size:16px;margin:32px 0 8px}p{margin:4px 0}.sub{color:#475467}
.numbers{display:flex;flex-wrap:wrap;gap:12px;margin:16px 0}.numbers div{border:1px solid #d0d5dd;border-radius:6px;padding:8px 14px}
.numbers b{display:block;font-size:20px}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:12.5px}
th,td{text-align:left;vertical-align:top;padding:4px 10px 4px 0;border-bottom:1px solid #eaecf0}
th{color:#475467;font-weight:600;white-space:nowrap}td{overflow-wrap:anywhere;min-width:60px}td.n{text-align:right;white-space:nowrap}
.rogue{color:#b42318;font-weight:600}.review{color:#b54708}.picture{overflow-x:auto;border:1px solid #eaecf0;border-radius:6px;padding:8px}
svg{max-width:100%;height:auto}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def text(value: t.Any) -> str:
    """One cell: escaped, without control or bidirectional characters, cut at 300."""
    if isinstance(value, (list, tuple)):
        value = ", ".join(str(item) for item in value[:5]) + (f" and {len(value) - 5} more" if len(value) > 5 else "")
    return html.escape(printable("" if value is None else str(value), _CELL))


def table(rows: Sequence[Mapping[str, t.Any]], columns: Mapping[str, str], empty: str) -> str:
    """``columns``: {key of a row: heading}."""
    if not rows:
        return f"<p class=sub>{html.escape(empty)}</p>"
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in columns.values())
    body = "".join("<tr>" + "".join(_cell(key, row.get(key)) for key in columns) + "</tr>" for row in rows[:_ROWS])
    rest = f"<p class=sub>{len(rows) - _ROWS} more are in investigation.json</p>" if len(rows) > _ROWS else ""
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{rest}"


def _cell(key: str, value: t.Any) -> str:
    mark = f" class={value}" if key == "verdict" and value in ("rogue", "review") else " class=n" if isinstance(value, int) else ""
    return f"<td{mark}>{text(value)}</td>"


def page(title: str, said: Iterable[str], numbers: Mapping[str, t.Any], parts: Iterable[tuple[str, str]]) -> str:
    """``said``: lines below the title; ``parts``: (heading, HTML of this module, or an SVG of ours)."""
    figures = "".join(f"<div><b>{text(value)}</b>{html.escape(name)}</div>" for name, value in numbers.items())
    lines = "".join(f"<p class=sub>{text(line)}</p>" for line in said)
    body = "".join(f"<section><h2>{html.escape(heading)}</h2>{content}</section>" for heading, content in parts if content)
    return (
        f'<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width"><meta http-equiv=Content-Security-Policy'
        f' content="{_POLICY}"><title>{text(title)}</title><style>{_STYLE}</style></head><body><h1>{text(title)}</h1>{lines}<div class=numbers>{figures}</div>'
        f"{body}</body></html>\n"
    )

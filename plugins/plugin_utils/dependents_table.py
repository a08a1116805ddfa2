# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a responder reads of ``aws_dependent_info``: who breaks, who used it, what is not known. Pure: result in, lines out."""

from __future__ import annotations

import typing as t

_ROWS = 60


def lines(result: dict[str, t.Any]) -> list[str]:
    """The table of dependents, surest first, then uses, then what is unknown."""
    if "dependents" not in result:
        return []
    out = [f"  {key['id']}  {key['owner'] or key['account']}{_last(key)}" for key in result.get("credentials", [])]
    rows = sorted(result["dependents"], key=lambda r: -int(r["confidence"]))
    cells = [("DEPENDENT", "STATE", "HOLDS", "SURE")] + [
        (r["text"], r["state"], _holds(r), str(r["confidence"] or "-")) for r in rows[:_ROWS]
    ]
    widths = [max(len(c[i]) for c in cells) for i in range(3)]
    out += ["  " + "  ".join([*(c[i].ljust(widths[i]) for i in range(3)), c[3]]) for c in cells] if rows else ["  no dependent was found"]
    out += [f"  … and {len(rows) - _ROWS} more"] if len(rows) > _ROWS else []
    for use in result.get("used", [])[:_ROWS]:
        by = f"; by {', '.join(use['by'][:3])} ({use['basis']})" if use["by"] else "; NO PLACE FOUND FOR IT"
        out.append(
            f"  USED    {use['source']}  {use['agent']}  {use['calls']} calls of {', '.join(use['services'][:5])}, last {use['last']}{by}"
        )
    for row in [r for r in result.get("unknown", []) if r["place"] != "use"][:_ROWS]:
        where = ", ".join(
            filter(None, (row["account"], _several(row["regions"], "regions"), _several(row["objects"], "objects", row["count"])))
        )
        out.append(f"  UNKNOWN {row['why']}" + (f"  [{where}]" if where else ""))
    for problem in result.get("problems", []):
        out.append(f"  FAILED  {problem['object']}: {problem['message']}")
    looked = sum(int(counts["objects"]) for counts in result.get("looked", {}).values())
    said = (
        "everything was read and every use is explained"
        if result.get("complete")
        else "not everything is known: what is missing above may use it too"
    )
    return [*out, f"  {len(rows)} dependents in {looked} objects of {len(result.get('regions', []))} regions; {said}"]


def _last(key: dict[str, t.Any]) -> str:
    last = key.get("last_used") or {}
    return f"  last used {last['at']} ({last['service']}, {last['region']})" if last.get("at") else ""


def _holds(row: dict[str, t.Any]) -> str:
    """Which of the two fields, and how they are written; of what names a place, which."""
    if row["via"]:
        return f"names {row['via']['id'].rsplit(':', 1)[-1]}"
    if not row["spots"]:
        return "-"
    fields = "id and secret" if any("secret" in spot["fields"] for spot in row["spots"]) else "id"
    return f"{fields} ({row['spots'][0]['form']})" + ("; " + ", ".join(row["used_by"][:3]) if row["used_by"] else "")


def _several(names: list[str], noun: str, count: int = 0) -> str:
    count = count or len(names)
    return ", ".join(names) if len(names) <= 3 and count <= 3 else f"{', '.join(names[:2])} and more: {count} {noun}"

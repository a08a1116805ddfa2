"""What a manager reads: what was cut, what was spared and why, what is open, which clock runs. From a case's result.json."""

from __future__ import annotations

from typing import Any

_MOST = 6  # rows of each kind


def lines(result: dict[str, Any]) -> list[str]:
    """The table."""
    cut = [f"{_name(p['arn'])} ({p['kind']}), since {p['contained_at']}" for p in result["principals"] if p.get("contained_at")]
    cut += [f"{row['text']}: {row['state']}" for row in result.get("isolated", []) if row["state"] in ("isolated", "stopped")]
    fenced = [row for row in result.get("resource_fences", []) if row["state"] == "fenced"]
    cut += [f"{row['object']} denies them{', ' + row['public'] if row['public'] else ''}" for row in fenced]
    cut += [f"{row['object']}: {row['what']}, stopped" for row in result.get("clocks", []) if row["state"] == "stopped"]
    spared = [
        f"{_name(p['arn'])}: its other users go on ({p['why']})"
        for p in result["principals"]
        if p.get("role_action") in ("revoke", "session", "clamp")
    ]
    spared += [f"{row['text']}: {row['state']}" for row in result.get("workloads", [])]
    spared += [
        f"{row['object']}: {row['why']}"
        for row in result.get("resource_fences", [])
        if row["state"] in ("exempt", "spared", "left", "refused")
    ]
    open_ = [f"{row['object']}: {row['why']}" for row in result.get("open", [])] + [
        f"{row['object']}: {row['message']}" for row in result.get("failed", [])
    ]
    clocks = [
        f"{row['deadline']}  {row['object']}: {row['what']}"
        for row in result.get("clocks", [])
        if row["state"] != "stopped" and row["deadline"]
    ]
    clocks += [f"{row['deadline']}  {row['law']}: {row['duty']}" for row in result.get("legal", []) if row["state"] == "running"]
    clocks += [f"{moment}  look again" for moment in result.get("looks", [])]
    found = []
    for title, rows in (("CUT", cut), ("SPARED", spared), ("OPEN", open_), ("CLOCKS", sorted(clocks))):
        shown = rows[:_MOST] or ["nothing"]
        shown += [f"and {len(rows) - _MOST} more, see result.json"] if len(rows) > _MOST else []
        found += [f"  {title if not number else '':<7} {text}" for number, text in enumerate(shown)]
    return found


def _name(arn: str) -> str:
    return arn.split(":", 5)[-1] + " in " + arn.split(":")[4]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of several hosts as one (result.json, see interfaces.md)."""

from __future__ import annotations

import contextlib
import json
import typing as t
from collections.abc import Mapping, Sequence

from . import drafts, named, situation
from . import incident as incidents
from .ledger import Ledger
from .message import about
from .spool import standing_in
from .store import Kept, NotFound, Store, open_store

_LISTS = (
    "principals", "open", "residual", "suggested", "lifted", "left", "fences", "watch", "workloads", "isolated", "clocks", "resource_fences", "manual",
    "recovered", "rotation",
)  # fmt: skip
_RANK = ("ok", "open", "refused", "partial", "error")  # from good to bad


def merge(
    incident: str, results: Mapping[str, Mapping[str, t.Any]], shares: Mapping[str, Sequence[t.Any]], first: Mapping[str, t.Any]
) -> dict[str, t.Any]:
    """Pure. ``results``: {account: what its host returned}; ``shares``: {account: its suspects}; ``first``: what resolving returned.

    An account without a host, and a host that returned nothing, leave the case ``partial`` and are named.
    """
    merged: dict[str, t.Any] = {"status": "ok", "incident": incident, "changed": 0, "failed": [], **{name: [] for name in _LISTS}}
    events = [r["events"] for r in results.values() if (r.get("events") or {}).get("asked")]
    merged["events"] = {
        "asked": bool(events),
        "seen": sum(e.get("seen", 0) for e in events),
        "until": max((e.get("until") or "" for e in events), default=None) or None,
    }
    merged["not_compared"] = sorted({gap for r in results.values() for gap in r.get("not_compared") or ()})
    merged["looks"] = max((r.get("looks") or [] for r in results.values()), key=lambda found: found[-1:], default=[])
    ranks = []
    for result in (first, *results.values()):
        for name in _LISTS:
            merged[name] += [
                row
                for row in result.get(name) or []
                if row not in merged[name] and not (isinstance(row, dict) and row.get("action") == "resolved")
            ]
        merged["failed"] += [row for row in result.get("problems") or [] if row not in merged["failed"]]
        merged["changed"] += int(result.get("changed_count") or 0)
        ranks.append(str(result.get("status") or "partial"))  # a host that was left out by --limit, or that did not get so far
    for account in sorted(shares):
        if account not in results:
            merged["open"].append(
                {
                    "object": account,
                    "why": f"{len(shares[account])} suspect(s) in an account that no host of the target stands for",
                    "due": None,
                }
            )
            ranks.append("partial")
        elif "status" not in results[account]:
            why = str(results[account].get("msg") or "its host did not answer")
            merged["failed"].append({"object": account, "operation": "contain", "message": why, "remedy": "run the same command again"})
    for account, count in sorted((first.get("isolate") or {}).items()):
        if account not in results:
            why = f"{count} of compute.isolate in an account that no host of the target stands for"
            merged["open"].append({"object": account, "why": why, "due": None})
            ranks.append("partial")
    merged["status"] = max(ranks, key=_RANK.index)
    merged["idle"] = sorted(account for account in results if not shares.get(account))
    return merged


def together(params: Mapping[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    """What ``case_result`` does: merge, write ``result.json``, and end with a head that names the chains of all hosts."""
    first = params["first"]
    store = standing_in(open_store({**(params["store"] or {}), "url": params["case"]}), str(first.get("incident", "")))
    merged = merge(str(first.get("incident", "")), params["results"], first.get("shares") or {}, first)
    ledger = Ledger.open(store, incident=merged["incident"], module="case_result", check=check)
    told: list[str] = []
    with contextlib.suppress(NotFound):  # in check mode there may be no case
        incident = incidents.from_case(store)
        dropped, left = named.missing(incident.as_dict(), ledger.state.notes)
        told += dropped
        merged["open"] += left
        merged["status"] = max(merged["status"], "open" if left else "ok", key=_RANK.index)
        told += situation.add(merged, incident, ledger.state.notes, contains=True)
        told += [] if check else drafts.keep(store, incident, merged)
    merged["head"] = ledger.end(merged["status"], about=about(merged))
    if not check:
        told += write(store, ledger.run, merged)
    return {**merged, "warnings": told}


def write(store: Store, run: str, result: Mapping[str, t.Any]) -> list[str]:
    """``result.json``; where a retention policy keeps the earlier one as it is, ``result/<run>.json``. Returns what a person must know."""
    data = json.dumps(result, sort_keys=True, indent=1).encode()
    try:
        store.replace("result.json", data)
    except Kept as error:
        store.keep(f"result/{run}.json", data)
        return [f"{error.message} ({error.remedy}); this run's result is result/{run}.json"]
    return []

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer for MITRE's ATT&CK Navigator (layer format 4.5): the techniques that were seen, with how often and on what."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable

from ...schema import printable

_VERSIONS = {"attack": "17", "navigator": "5.1.0", "layer": "4.5"}
_SHOWN = 5


def layer(name: str, rows: Iterable[dict[str, t.Any]]) -> str:
    """JSON of ``changed`` and ``tried`` rows that have ``mitre``. Names are data there: the Navigator shows text."""
    found: dict[str, dict[str, t.Any]] = {}
    for row in rows:
        for technique in row.get("mitre") or ():
            entry = found.setdefault(technique, {"score": 0, "rogue": False, "objects": []})
            entry["score"] += row["count"]
            entry["rogue"] |= row["verdict"] == "rogue"
            entry["objects"].append(f"{', '.join(row['operations'][:3])}: {printable(row['object'], 120)}")
    return json.dumps(
        {
            "name": printable(name, 200), "versions": _VERSIONS, "domain": "enterprise-attack", "description": "What evict.cloud found of this incident",
            "filters": {"platforms": ["IaaS", "Identity Provider", "SaaS"]}, "sorting": 3, "hideDisabled": False,
            "techniques": [
                {"techniqueID": technique, "score": entry["score"], "color": "#b42318" if entry["rogue"] else "#fdb022", "enabled": True,
                 "showSubtechniques": True, "comment": "\n".join([*entry["objects"][:_SHOWN], *_more(entry["objects"])])}
                for technique, entry in sorted(found.items())
            ],
            "gradient": {"colors": ["#ffffff", "#b42318"], "minValue": 0, "maxValue": max((e["score"] for e in found.values()), default=1)},
            "legendItems": [{"label": "done by the attacker", "color": "#b42318"}, {"label": "to review", "color": "#fdb022"}],
        },
        indent=1,
    )  # fmt: skip


def _more(objects: list[str]) -> list[str]:
    return [f"and {len(objects) - _SHOWN} more"] if len(objects) > _SHOWN else []

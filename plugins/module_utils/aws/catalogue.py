# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the analysis is told of AWS: techniques, reads and logging, in the form that ``common/analysis/changes`` asks for."""

from __future__ import annotations

import typing as t

from ..common.analysis.changes import Catalogue, Row
from ..common.analysis.connected import Way
from . import connected, exposure, techniques
from .techniques import Act, objects


def act(row: Row) -> Act:
    """A row of ``acts``, its JSON parsed."""
    return Act(
        row["service"] or "", row["operation"] or "", row["account"] or "", row["region"] or "", row.get("actor_arn") or "", row.get("actor_type") or "",
        row.get("request"), row.get("response"), row.get("extra"), tuple(row.get("resources") or ()),
    )  # fmt: skip


def _technique(row: Row) -> tuple[dict[str, t.Any] | None, list[str]]:
    found, names = techniques.of(act(row))
    said = {"technique": found.ID, "name": found.NAME, "tactic": found.TACTIC, "mitre": list(found.MITRE)} if found else None
    return said, names


def _named(row: Row, call: str) -> list[str]:
    return objects(exposure.GIVES[call][1], act(row))


_WAYS = tuple(Way(kind.KIND, kind.NOUN, kind.USED, kind.ACTION) for kind in connected.KINDS.values())
CATALOGUE = Catalogue(
    _technique,
    {call: kind for call, (kind, _template) in exposure.GIVES.items()},
    _named,
    exposure.RESTORES,
    exposure.BY_NAME,
    exposure.BLINDING,
    exposure.DATA_EVENTS,
    _WAYS,
)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules of anomalies yield."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ...events.database import Database

if t.TYPE_CHECKING:
    from .geo import Places

Finding = dict[str, t.Any]
Row = dict[str, t.Any]
EVIDENCE = 50  # events of one finding
SIGMA = "sigma"  # the rule's name of what Sigma rules find


@dataclasses.dataclass
class Asked:
    """``findings``: {id, rule, object, technique, verdict, confidence, evidence, note}; ``unknown``: {object, why}, what a rule could not tell."""

    findings: list[Finding] = dataclasses.field(default_factory=list)
    unknown: list[dict[str, str]] = dataclasses.field(default_factory=list)

    def add(self, rule: str, about: str, note: str, *, confidence: int, evidence: list[str], technique: str = "") -> None:
        """An anomaly alone is never more than a reason to look: its verdict is review."""
        digest = hashlib.sha256(f"{rule}\n{about}\n{note}".encode()).hexdigest()
        self.findings.append({"id": digest, "rule": rule, "object": about, "technique": technique, "verdict": "review", "confidence": confidence,
                              "evidence": evidence[:EVIDENCE], "note": note})  # fmt: skip

    def first(self, rule: str, what: str, rows: list[Row], most: int) -> list[Row]:
        """At most ``most`` of the rows, of which one more was asked for; that there are more is said."""
        if len(rows) > most:
            self.unknown.append({"object": rule, "why": f"only the first {most} {what} were looked at"})
        return rows[:most]


class Rule(t.Protocol):
    """A file of this folder. ``find`` reads ``watched_events`` (of the incident's principals; ``past``: before it) and adds to ``asked``."""

    NAME: str
    QUESTION: str

    def find(self, database: Database, places: Places, asked: Asked, /) -> None: ...

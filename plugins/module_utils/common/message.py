# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a message of the response says, as data. Everything in it was made harmless for every kind of notifier; each kind adds what its own format needs."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterable, Mapping

from .ledger_record import canonical, digest
from .schema import printable, secret_in

EVENTS = (
    "opened",
    "contained",
    "open",
    "partial",
    "refused",
    "error",
    "released",
    "partly_released",
    "escalated",
    "severity",
    "acknowledged",
    "replaced",
)
OUTCOMES = ("contained", "open", "partial", "refused", "error", "released", "partly_released")
_OF_STATUS = {"ok": "contained"}  # the others are named like the status
_HEADLINES = {
    "opened": "incident opened, containment starts",
    "contained": "contained",
    "open": "contained as far as it can be; something stays open",
    "partial": "containment is PARTIAL: not everything is cut",
    "refused": "containment was REFUSED: nothing is cut",
    "error": "containment FAILED: nothing is known to be cut",
    "released": "released",
    "partly_released": "partly released; something of the containment stands, or could not be released",
    "escalated": "ESCALATED",
    "severity": "severity raised",
    "acknowledged": "acknowledged",
    "replaced": "a new credential: its owner has to know",
    "test": "a test message; nothing happened",
}
_ROWS = 8
WITHHELD = "(withheld: it looks like a secret)"
NO_ADVICE = "not legal advice"


@dataclasses.dataclass(frozen=True)
class Message:
    """``key``: the same message has the same one, so that it is sent once. ``facts``: (label, text); ``lines``: one row each. ``at``: RFC 3339, UTC."""

    key: str
    incident: str
    event: str
    severity: str
    headline: str
    title: str
    facts: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]
    at: str

    @property
    def subject(self) -> str:
        """One line."""
        return f"[{self.severity.upper()}] {self.incident}: {self.headline}"

    @property
    def text(self) -> str:
        """Plain text, lines of which each begins with words of ours."""
        return "\n".join(
            [self.subject, *(f"{label}: {text}" for label, text in self.facts), "", *(f"- {line}" for line in self.lines)]
        ).rstrip()


def tame(value: t.Any, limit: int = 300) -> str:
    """Text of others for a message: one line, no control or bidirectional characters, no address that somebody could click on, no secret."""
    text = str(value)
    if secret_in(text):
        return WITHHELD
    return re.sub(r"(?i)\b(h)tt(ps?):(?=//)|:(?=//)", lambda m: "hxx" + m[2] + ":" if m[1] else "[:]", printable(text, limit))


def outcome(status: str) -> str:
    """The event that the status of a containment stands for."""
    return _OF_STATUS.get(status, status)


def about(result: Mapping[str, t.Any]) -> str:
    """What a message of this result is about, as a digest: with the same, nobody is told again."""
    said = [
        result.get("status"),
        sorted([str(row.get("arn")), str(row.get("action"))] for row in result.get("principals", []) if "action" in row),
        sorted([str(f.get("object")), str(f.get("operation"))] for f in result.get("failed", [])),
        sorted([str(o.get("object")), str(o.get("kind") or "")] for o in result.get("open", []) if o.get("kind") != "notify"),
    ]
    return digest(canonical(said))[:32]


def compose(
    *, key: str, incident: t.Any, event: str, severity: Mapping[str, t.Any], case: str, at: str, result: Mapping[str, t.Any] | None = None,
    legal: Iterable[Mapping[str, t.Any]] = (), extra: Iterable[str] = (),
) -> Message:  # fmt: skip
    """``result``: the case's, for the outcome; ``severity`` and ``legal``: as the result has them."""
    level, lines = str(severity["level"]), [tame(line) for line in extra]
    if event == "opened":
        lines += [f"suspect: {tame(s.display())}" for s in incident.suspects[:_ROWS]] + _more(len(incident.suspects))
    elif result is not None:
        lines += _outcome(result)
    lines += [f"severity: {tame(why)}" for why in severity.get("why", [])[:_ROWS]]
    lines += [f"legal clock ({NO_ADVICE}): {tame(row['law'])}: {tame(row['duty'])}: {row['deadline']}" for row in _next(legal)]
    facts = [
        ("Incident", tame(incident.id)),
        ("Title", tame(incident.title) or "(none)"),
        ("Severity", level),
        ("Case", printable(case, 300)),
        ("Time", at),
    ]
    return Message(key, tame(incident.id), event, level, _HEADLINES[event], tame(incident.title), tuple(facts), tuple(lines), at)


def _outcome(result: Mapping[str, t.Any]) -> list[str]:
    rows = [row for row in result.get("principals", []) if "action" in row]
    lines = [f"{tame(row['arn'])}: {tame(row['action'])}" for row in rows[:_ROWS]] + _more(len(rows))
    failed, waiting = result.get("failed", []), [o for o in result.get("open", []) if o.get("kind") != "notify"]
    lines += [f"failed: {tame(f['object'])}: {tame(f['message'])}" for f in failed[:_ROWS]] + _more(len(failed))
    return lines + [f"open: {tame(o['object'])}: {tame(o['why'])}" for o in waiting[:_ROWS]] + _more(len(waiting))


def _more(count: int) -> list[str]:
    return [f"and {count - _ROWS} more"] if count > _ROWS else []


def _next(legal: Iterable[Mapping[str, t.Any]]) -> list[Mapping[str, t.Any]]:
    return [row for row in legal if row["state"] == "running"][:3]

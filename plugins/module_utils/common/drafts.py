# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drafts for management, customers and the regulator: rendered into the case, never sent. Text of others is escaped for Markdown."""

from __future__ import annotations

import contextlib
import re
import typing as t
from collections.abc import Mapping

from .errors import EvictError
from .message import NO_ADVICE, tame
from .store import NotFound, Store

FOLDER = "report/drafts"
_HEAD = "<!-- A DRAFT, written by evict.cloud from the case. Nothing sends it. Read it, complete what stands in [brackets], have it approved. -->\n"
_ROWS = 40
_STATUS = {
    "ok": "contained",
    "open": "contained as far as the tool can; items are open",
    "partial": "partly contained",
    "refused": "not contained: refused",
    "error": "not contained: failed",
}
# What may be said to have been done: (to customers, to the regulator).
_WHOLE = (
    "We cut the credentials off and are examining what was done with them.",
    "Access of the identities was denied, their credentials and sessions ended.",
)
_DONE = {
    "ok": _WHOLE,
    "open": _WHOLE,
    "partial": (
        "We have cut a part of the access off, are working on the rest, and are examining what was done with it.",
        "Access of a part of the identities was denied; for the rest that is under way.",
    ),
}
_NOTHING = (
    "We are working to cut the access off, and are examining what was done with it.",
    "Access has not been denied yet; that is under way.",
)


def escaped(value: t.Any, limit: int = 300) -> str:
    """Text of others for Markdown: nothing in it begins a link, an image, emphasis, code, a heading, a table cell or HTML."""
    text = tame(value, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", text)


def render(incident: t.Any, result: Mapping[str, t.Any]) -> dict[str, str]:
    """{name: Markdown}. Pure: the same result gives the same text."""
    return {
        "management.md": _HEAD + _management(incident, result),
        "customers.md": _HEAD + _customers(incident, result),
        "regulator.md": _HEAD + _regulator(incident, result),
    }


def keep(store: Store, incident: t.Any, result: Mapping[str, t.Any]) -> list[str]:
    """Write those that differ into the case; returns a warning when that cannot be done, since nothing depends on them."""
    try:
        for name, text in render(incident, result).items():
            path, data = f"{FOLDER}/{name}", text.encode("utf-8", "replace")
            with contextlib.suppress(NotFound):
                if store.get(path) == data:
                    continue
            store.replace(path, data)
    except EvictError as error:
        return [f"the drafts could not be written: {error.message}"]
    return []


def _management(incident: t.Any, result: Mapping[str, t.Any]) -> str:
    severity, rows = result["severity"], [row for row in result.get("principals", []) if "action" in row]
    out = [
        f"# Incident {escaped(incident.id)}: for management\n",
        f"**{escaped(incident.title) or '[title]'}**\n",
        f"- Severity: {severity['level']}" + (f", lowered by {escaped(severity['by'])}" if severity["by"] else ""),
        f"- Opened: {_time(incident.opened)}; aware since: {_time(incident.aware_at)}",
        f"- State: {_STATUS.get(str(result.get('status')), escaped(result.get('status')))}\n",
        "## What was cut\n",
        *(f"- {escaped(row['arn'])}: {escaped(row['action'])}, since {row.get('contained_at') or 'not known'}" for row in rows[:_ROWS]),
        *_none(rows),
        "\n## What is open\n",
        *(f"- {escaped(o['object'])}: {escaped(o['why'])}" for o in result.get("open", [])[:_ROWS]),
        *(f"- failed: {escaped(f['object'])}: {escaped(f['message'])}" for f in result.get("failed", [])[:_ROWS]),
        *_none([*result.get("open", []), *result.get("failed", [])]),
        "\n## Why this severity\n",
        *(f"- {escaped(why)}" for why in severity["why"]),
        *_none(severity["why"]),
        "\n## Deadlines\n",
        *_deadlines(result),
        "\n## Decisions that are needed\n\n- [whom to tell, and who does it]\n- [what may go back into service, and when]\n",
    ]
    return "\n".join(out) + "\n"


def _customers(incident: t.Any, result: Mapping[str, t.Any]) -> str:
    """Names nothing of the inside: what customers are told of it is somebody's decision."""
    out = [
        "# Notice about a security incident\n",
        "Dear [customer],\n",
        f"on {_day(incident.aware_at)} we became aware that credentials of our cloud environment had come into wrong hands.\n",
        "**What happened.** [two sentences]\n",
        "**What of you is concerned.** [kinds of data, of whom, from when to when; or: nothing, and how we know]\n",
        f"**What we did.** {_done(result)[0]} [more]\n",
        "**What you can do.** [steps, or: nothing is needed]\n",
        "**Whom to ask.** [name, telephone, e-mail]\n",
    ]
    return "\n".join(out) + "\n"


def _regulator(incident: t.Any, result: Mapping[str, t.Any]) -> str:
    rows = [row for row in result.get("principals", []) if "action" in row]
    accounts = sorted({str(row.get("account")) for row in rows if row.get("account")})
    out = [
        f"# Notification of incident {escaped(incident.id)}\n",
        "The order is that of Art. 33(3) GDPR; other laws ask for much the same. This is " + NO_ADVICE + ".\n",
        f"1. **Nature.** Credentials of cloud identities were compromised ({len(rows)} identities in {len(accounts)} accounts are dealt with). "
        f"Aware since {_time(incident.aware_at)}; the attacker may have been at work from {_time(incident.window.start)} to"
        f" {_time(incident.window.end)}. [more]",
        "2. **Whose data, and how much.** [categories and approximate number of persons and of records]",
        "3. **Contact.** [data protection officer or other contact: name, telephone, e-mail]",
        "4. **Likely consequences.** [for the persons]",
        f"5. **Measures.** State: {_STATUS.get(str(result.get('status')), escaped(result.get('status')))}. {_done(result)[1]} "
        "[what was done for the persons]",
        "6. **Delay.** [reasons, if this comes later than the law asks]\n",
        "## Deadlines\n",
        *_deadlines(result),
    ]
    return "\n".join(out) + "\n"


def _done(result: Mapping[str, t.Any]) -> tuple[str, str]:
    return _DONE.get(str(result.get("status")), _NOTHING)


def _deadlines(result: Mapping[str, t.Any]) -> list[str]:
    rows = [
        f"- {row['deadline']}: {escaped(row['law'])}, {escaped(row['duty'])}, to: {escaped(row['to'])} ({escaped(row['cites'])})"
        + (f" - met, says {escaped(row['by'])}" if row["state"] == "met" else "")
        for row in result["legal"]
    ]
    return (
        [f"Counted from when you became aware. This is {NO_ADVICE}; which of them apply is for a lawyer to say.\n", *rows]
        if rows
        else ["[no clock runs: aware_at is not set]"]
    )


def _none(rows: t.Sequence[t.Any]) -> list[str]:
    return [] if rows else ["- nothing"]


def _time(moment: t.Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "[not known]"


def _day(moment: t.Any) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "[date]"

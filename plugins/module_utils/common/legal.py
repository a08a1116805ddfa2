# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Legal clocks: which duties begin when an organization becomes aware, until when, and where it is written. Not legal advice."""

from __future__ import annotations

import calendar
import datetime as dt
import os
import re
import typing as t
from collections.abc import Iterable, Mapping

from . import yamlio
from .errors import EvictError
from .schema import Fields, rfc3339, show

Row = dict[str, str]
_AFTER = re.compile(r"([1-9][0-9]{0,3})(h|d|bd|mo)")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_KEYS = ("id", "law", "duty", "to", "after", "cites")
NO_CLOCK = "no legal clock runs: set aware_at in the incident file to when you became aware (not legal advice)"


def _row(id: str, law: str, duty: str, to: str, after: str, cites: str) -> Row:
    return {"id": id, "law": law, "duty": duty, "to": to, "after": after, "cites": cites}


# Counted from ``aware_at``, which is never later than what the law counts from (materiality, classification, an earlier notification): no clock is
# shown too late.
TABLE: tuple[Row, ...] = (
    _row("dora-initial", "DORA", "initial notification of a major ICT incident", "financial supervisor", "24h",
         "Regulation (EU) 2022/2554 Art. 19(4)(a); Delegated Regulation (EU) 2025/301 Art. 5: 4 h after classification, 24 h after awareness at the latest"),
    _row("nis2-early", "NIS2", "early warning", "CSIRT or competent authority", "24h", "Directive (EU) 2022/2555 Art. 23(4)(a), as your country made it law"),
    _row("us-banks", "US bank incident rule", "notification", "primary federal regulator", "36h",
         "12 CFR 53.3, 225.302, 304.23: after determining that it is one"),
    _row("gdpr", "GDPR", "notification of a personal data breach", "supervisory authority", "72h", "Regulation (EU) 2016/679 Art. 33(1)"),
    _row("uk-gdpr", "UK GDPR", "notification of a personal data breach", "Information Commissioner", "72h", "UK GDPR Art. 33(1)"),
    _row("nis2-notification", "NIS2", "incident notification", "CSIRT or competent authority", "72h", "Directive (EU) 2022/2555 Art. 23(4)(b)"),
    _row("nydfs", "NYDFS", "notice of a cybersecurity incident", "Superintendent of Financial Services", "72h", "23 NYCRR 500.17(a)"),
    _row("dora-intermediate", "DORA", "intermediate report", "financial supervisor", "72h",
         "Delegated Regulation (EU) 2025/301 Art. 5: 72 h after the initial notification"),
    _row("pci", "PCI", "report to the card brands; they are told at once", "acquirer and card brands", "3bd",
         "PCI DSS 4.0.1 requirement 12.10.1; Visa, What To Do If Compromised: at once, report within 3 business days"),
    _row("sec", "SEC Form 8-K", "Item 1.05, material cybersecurity incident", "Securities and Exchange Commission", "4bd",
         "Form 8-K General Instruction B.1 and Item 1.05: after determining that it is material"),
    _row("nis2-final", "NIS2", "final report", "CSIRT or competent authority", "1mo",
         "Directive (EU) 2022/2555 Art. 23(4)(d): one month after the incident notification"),
    _row("dora-final", "DORA", "final report", "financial supervisor", "1mo",
         "Delegated Regulation (EU) 2025/301 Art. 5: one month after the intermediate report"),
    _row("ftc-safeguards", "FTC Safeguards Rule", "notification, 500 consumers or more", "Federal Trade Commission", "30d", "16 CFR 314.4(j)"),
    _row("hipaa", "HIPAA", "notification of individuals; HHS and media from 500", "individuals, HHS", "60d", "45 CFR 164.404, 164.406, 164.408"),
)  # fmt: skip


def read(fields: Fields, base: str) -> list[t.Any] | None:
    """``legal``: None for ``TABLE``; a list of rows and of ids of TABLE;

    or the path of a file with that list, from ``base``. What the path names is taken over.
    """
    raw, path = fields.raw.get("legal"), f"{fields.path}.legal"
    if raw is None:
        return None
    if isinstance(raw, str):
        try:
            raw = yamlio.read(os.path.join(base, os.path.expanduser(raw)))
        except EvictError as error:
            fields.problems.append((path, error.message))
            return None
    outer = Fields({"legal": raw}, fields.path, fields.problems, ("legal",))
    known = {row["id"]: row for row in TABLE}
    result: list[t.Any] = []
    for where, item in outer.sequence("legal"):
        if isinstance(item, str):
            if item not in known:
                fields.problems.append((where, f"{show(item)} is none of {', '.join(known)}"))
            result.append(item)
            continue
        inner = Fields(item if item is not None else [], where, fields.problems, _KEYS)
        row = {key: inner.text(key, required=key in ("law", "duty")) for key in ("law", "duty", "to", "cites")}
        row["after"] = inner.text("after", required=True, pattern=_AFTER, says="not 72h, 30d, 4bd (business days) or 1mo")
        row["id"] = inner.text("id", required=True, pattern=_ID, says="must be of a-z 0-9 -")
        result.append(row)
    ids = [item if isinstance(item, str) else item["id"] for item in result]
    if twice := {name for name in ids if ids.count(name) > 1}:
        fields.problems.append((path, f"names {', '.join(sorted(twice))} twice"))
    return result


def due(since: dt.datetime, after: str) -> dt.datetime:
    """``since`` plus ``after``. Business days are Monday to Friday: a public holiday makes a deadline later, never earlier."""
    found = _AFTER.fullmatch(after)
    if not found:
        raise ValueError(after)
    count, unit = int(found[1]), found[2]
    if unit in "hd":
        return since + dt.timedelta(hours=count * (24 if unit == "d" else 1))
    if unit == "mo":
        month = since.month - 1 + count
        year, month = since.year + month // 12, month % 12 + 1
        return since.replace(year=year, month=month, day=min(since.day, calendar.monthrange(year, month)[1]))
    moment = since
    while count:
        moment += dt.timedelta(days=1)
        count -= moment.weekday() < 5
    return moment


def rows(incident: t.Any, confirmed: Iterable[Mapping[str, t.Any]], now: dt.datetime) -> list[dict[str, str]]:
    """The clocks of the incident: {id, law, duty, to, deadline, state:

    running | passed | met, by, cites}, the first deadline first; [] without ``aware_at``.
    """
    if incident.aware_at is None:
        return []
    known = {row["id"]: row for row in TABLE}
    table = [known[item] if isinstance(item, str) else item for item in (TABLE if incident.legal is None else incident.legal)]
    met = {str(n["item"])[len("legal/") :]: str(n["by"]) for n in confirmed if str(n["item"]).startswith("legal/")}
    found = []
    for row in table:
        deadline = due(incident.aware_at, row["after"])
        state = "met" if row["id"] in met else "running" if now <= deadline else "passed"
        about = {key: row[key] for key in ("id", "law", "duty", "to", "cites")}
        found.append({**about, "deadline": rfc3339(deadline.replace(microsecond=0)), "state": state, "by": met.get(row["id"], "")})
    return sorted(found, key=lambda row: (row["deadline"], row["id"]))

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one question that a warehouse is asked: which events are those of these handles. One SQL source, in DuckDB's dialect, over the terms of ``events``.

It selects at least what the lineage matches, never less; whose an event is the local analysis decides. Values are parameters; only their number is in the text.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import dialect
from .engine import Query, Value
from .layouts.kind import Layout

# WHOLE: every event from ``full`` on, and of the time before the first of its kind (address, program, service, region): what tells whose a network is.
# BEFORE: only the first of its kind, at any time. FIRST: the first event at all.
WHOLE, BEFORE, FIRST = "whole", "before", "first"


@dataclass(frozen=True)
class Kind:
    """``term`` is what is compared. ``find``: it contains the value, else it equals it. ``also``: what has to hold beside."""

    term: str
    mode: str = WHOLE
    find: bool = False
    also: str = ""
    lower: bool = False


_OPENINGS = "operation IN ('AssumeRole', 'AssumeRoleWithSAML', 'AssumeRoleWithWebIdentity', 'CreateSession') AND service IN ('sts', 'rolesanywhere')"
_ANSWERS = "operation IN ('AssumeRole', 'GetSessionToken', 'GetFederationToken') AND service = 'sts'"
KINDS = {
    "credential": Kind("credential_uid"),
    "key_name": Kind("regexp_extract(credential_uid, '/keys/([^/]+)$', 1)"),
    "actor": Kind("actor_arn"),
    "actor_id": Kind("lower(actor_id)", lower=True),
    "issuer": Kind("issuer_arn"),
    "issuer_id": Kind("issuer_id"),
    "user_name": Kind("actor_name", also="coalesce(actor_type, '') NOT IN ('AssumedRole', 'FederatedUser')"),
    "session_name": Kind("regexp_extract(actor_arn, '^[^/]*/[^/]*/([^/]+)', 1)"),
    "delegation": Kind("delegation", find=True),
    "request": Kind("request", find=True, also=_OPENINGS),
    "response": Kind("response", find=True, also=_ANSWERS),
    "address": Kind("src_ip"),
    "actor_before": Kind("actor_arn", BEFORE),
    "issuer_before": Kind("issuer_arn", BEFORE),
    "address_first": Kind("src_ip", FIRST),
}
# Who opened a session: of those who came before a role was rewritten one event each is enough.
_WHO = "CASE WHEN by_request IS NOT NULL THEN coalesce(issuer_arn, actor_arn, actor_id, actor_name, invoked_by) END"
_TEXT = """
WITH events AS (
SELECT {columns} FROM {table} AS t WHERE {pruned}
), asked AS (
SELECT *, {flags} FROM events WHERE time >= $since_0 AND time < $until_0
), placed AS (
SELECT *, {places} FROM asked WHERE {any}
)
SELECT {record} FROM placed WHERE {wanted}
"""
MOST, LONGEST = 400, 120_000  # values in one query, and their characters: far below what each service takes
_FINDING = 8  # so many values costs one that is searched for, each of which is a test of its own in the text


@dataclass(frozen=True)
class Handle:
    """``kind``: a name of KINDS. ``value``: text of a log."""

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


@dataclass(frozen=True)
class Span:
    """Naive and UTC. ``full``: from when on everything is wanted, not only the first of each kind."""

    since: dt.datetime
    full: dt.datetime
    until: dt.datetime


def ask(
    layout: Layout, language: str, handles: Sequence[Handle], span: Span, accounts: Sequence[str] = (), regions: Sequence[str] = ()
) -> Query:
    """The query for handles that ``layout`` can answer (``layout.lacks``). At least one of them, at most a ``portion``."""
    values: dict[str, Value] = {"since_0": layout.moment(span.since), "until_0": layout.moment(span.until)}
    flags, modes = [], {}
    for kind in [kind for kind in KINDS if any(handle.kind == kind for handle in handles)]:
        how = KINDS[kind]
        names = [f"{kind}_{n}" for n in range(1, 1 + sum(handle.kind == kind for handle in handles))]
        mine = [handle.value for handle in handles if handle.kind == kind]
        values |= dict(zip(names, (value.lower() for value in mine) if how.lower else mine, strict=True))
        flags.append(f"{_flag(how, names)} AS by_{kind}")
        modes[kind] = how.mode
    whole = [f"by_{kind} IS NOT NULL" for kind, mode in modes.items() if mode == WHOLE]
    thin = [kind for kind, mode in modes.items() if mode in (WHOLE, BEFORE)]
    places, wanted, also = [], [], []
    if whole:
        if layout.standing:
            flags.append(f"CASE WHEN {layout.standing} THEN 1 END AS standing")
            also = ["standing IS NOT NULL"]
        values["full_0"] = layout.moment(span.full)
        wanted.append(f"(time >= $full_0 AND ({' OR '.join([*whole, *also])}))")
    if thin:
        apart = [*(f"by_{kind}" for kind in thin), *([_WHO] if "request" in thin else []), "src_ip", "user_agent", "service", "region"]
        places.append(f"row_number() OVER (PARTITION BY {', '.join(apart)} ORDER BY time NULLS FIRST, event_uid NULLS FIRST) AS place")
        wanted.append(f"(place = 1 AND ({' OR '.join(f'by_{kind} IS NOT NULL' for kind in thin)}))")
    for kind in (kind for kind, mode in modes.items() if mode == FIRST):
        places.append(f"row_number() OVER (PARTITION BY by_{kind} ORDER BY time NULLS FIRST, event_uid NULLS FIRST) AS place_{kind}")
        wanted.append(f"(place_{kind} = 1 AND by_{kind} IS NOT NULL)")
    every = [f"by_{kind} IS NOT NULL" for kind in modes] + also
    sql = _TEXT.format(
        columns=", ".join(f"{what} AS {name}" for name, what in {**layout.terms, **layout.record}.items()),
        table=layout.table, pruned=" AND ".join(layout.prune(span.since, span.until, accounts, regions)) or "1 = 1", flags=", ".join(flags),
        places=", ".join(places), any=" OR ".join(every), record=", ".join(layout.record), wanted=" OR ".join(wanted),
    )  # fmt: skip
    text, parameters = dialect.translate(sql, language, values)
    return Query(text, parameters, span.since, span.until, tuple(accounts), tuple(regions))


def portions(handles: Sequence[Handle]) -> Iterator[list[Handle]]:
    """As many as go into one query."""
    portion: list[Handle] = []
    count = length = 0
    for handle in handles:
        weight = _FINDING if KINDS[handle.kind].find else 1
        if portion and (count + weight > MOST or length + len(handle.value) > LONGEST):
            yield portion
            portion, count, length = [], 0, 0
        portion.append(handle)
        count += weight
        length += len(handle.value)
    if portion:
        yield portion


def _flag(how: Kind, names: Sequence[str]) -> str:
    """The value that an event matches, or NULL. Of several texts that it contains the first, by number."""
    also = f" AND {how.also}" if how.also else ""
    if how.find:
        return "CASE " + " ".join(f"WHEN strpos({how.term}, ${name}) > 0{also} THEN {n}" for n, name in enumerate(names)) + " END"
    return f"CASE WHEN {how.term} IN ({', '.join('$' + name for name in names)}){also} THEN {how.term} END"

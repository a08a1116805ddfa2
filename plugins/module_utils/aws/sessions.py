# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revoking sessions: a deny of tokens issued before a cutoff (aws:TokenIssueTime).

For users it reaches GetSessionToken and GetFederationToken credentials, whose ceiling is the user's policies.
"""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Iterator

from ..common.plan import Phase, Step
from ..common.reader import Reader
from . import policy
from .principal import Principal
from .quarantine import longest
from .session import iso, parse

READS = ("iam:GetUserPolicy", "iam:GetRolePolicy")


def revoke(
    principal: Principal, incident: t.Any, cutoff: datetime.datetime, reader: Reader, *, newer_than: datetime.datetime | None = None
) -> Iterator[Step]:
    """Deny tokens issued before ``cutoff`` (rounded up to a second, which is the grain of an issue time).

    A cutoff that is there already is kept, unless it lies before ``newer_than``: the last instant at which a compromised credential could mint.
    The Step ``expires`` when the last token that it holds back has run out, so a release never revives one.
    """
    before = policy.present(principal, incident, "session", reader)
    kept = policy.cutoff_of(before)
    if kept and (newer_than is None or parse(kept) >= newer_than):
        after, expires = before, None
    else:
        rounded = (cutoff + datetime.timedelta(seconds=1)).replace(microsecond=0)
        after, expires = policy.deny_older(incident.sid, iso(rounded)), iso(rounded + longest(principal))
    text = f"deny sessions issued before {policy.cutoff_of(after)}"
    yield policy.inline_step(principal, incident, "session", after, before, text, Phase.SESSION, expires)


def revoke_others(role: Principal, incident: t.Any, cutoff: datetime.datetime, own: t.Iterable[str], reader: Reader) -> Iterator[Step]:
    """Of the responder's own role every session issued before ``cutoff`` but those named ``own``.

    Whoever sits in it is exempt from every fence and makes new sessions faster than they can be named, so it is said who may go on instead. A cutoff that lies
    ahead holds for what is minted until then, too; one that stands is never moved back.
    """
    before = policy.present(role, incident, "session", reader)
    at = max(iso(cutoff), policy.cutoff_of(before))
    after = policy.deny_older(incident.sid, at, [f"{role.id}:{name}" for name in own])
    expires = None if after == before else iso(parse(at) + longest(role))
    text = f"deny sessions issued before {at}, but the responder's own"
    yield policy.inline_step(role, incident, "session", after, before, text, Phase.SESSION, expires)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Until when a session could have been minted from what is compromised, and where a cutoff has to lie for that.

Roles that were assumed from one another in a circle, a role from itself included, have no first one: while the cutoff of one spreads, its sessions mint
those of the next, and so for ever. They are cut together, by a cutoff that lies ahead of the moment at which all of it has spread: until then what is
minted is dead too.
"""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Iterable

from ..common.guard import identity
from ..common.run import STANDS
from . import claims, policy
from .principal import Principal
from .session import parse

if t.TYPE_CHECKING:
    from .contain import Containment

_LEAST = 5.0  # seconds that all cutoffs of a circle are given to be written
_BY_CUTOFF = ("revoke", "deny")  # what is done to a role whose sessions a cutoff ends


def last(run: Containment, principal: Principal, together: Iterable[Principal]) -> datetime.datetime | None:
    """The last instant at which a compromised credential could mint a session of ``principal``, as far as it is known, but for those of its circle

    (``together``), of which see ``cutoffs``.
    """
    times = [run.minted[identity(principal.arn)]] if identity(principal.arn) in run.minted else []
    if principal.kind == "role":
        beside = {identity(role.arn) for role in together}
        for source in principal.sources:
            since = _fenced_since(run, source)
            if since and identity(source) not in beside:
                times.append(since + datetime.timedelta(seconds=run.spread))
        if given := run.isolation.last_given(principal.arn):
            times.append(given)
        if run.hold.unrest:  # somebody may have come to it by ways that nobody has seen
            times.append(run.hold.unrest + datetime.timedelta(seconds=run.spread))
    return max(times, default=None)


def _fenced_since(run: Containment, source: str) -> datetime.datetime | None:
    owner = run.principals.get(identity(source)) or run.former.get(identity(source))
    return claims.fenced_since(run, owner) if owner else run.door.closed_since(source)


def until(run: Containment, principal: Principal) -> datetime.datetime:
    """How young a session of ``principal`` that was cut may be: its cutoff says it; without one, when the fence of whatever could mint it had spread.

    This moment, where that is not known or something still can. What the log shows last is no answer: it lags behind.
    """
    if cutoff := run.after.cutoff(principal):
        return parse(cutoff)
    now, spread = run.aws.now(), datetime.timedelta(seconds=run.settles)
    if principal.kind == "user":
        since = claims.fenced_since(run, principal)
        return since + spread if since else now
    fenced = [_fenced_since(run, source) for source in principal.sources]
    if not fenced or None in fenced or claims.open_paths(run, principal):
        return now
    latest = last(run, principal, circles(run).get(identity(principal.arn), []))
    return latest + spread if latest else now


def circles(run: Containment) -> dict[str, list[Principal]]:
    """{identity: the roles that it was assumed from and that were assumed from it in turn, itself included}, as far as cutoffs alone hold them.

    Most are in none.
    """
    held = {key: p for key, p in list(run.principals.items()) if p.kind == "role" and _by_cutoff(run, p) and not claims.closed(run, p)}
    behind = _behind(held)
    return {
        key: sorted((held[one] for one in ring), key=lambda one: one.arn)
        for key, ring in _rings(_reach(behind)).items()
        if len(ring) > 1 or key in behind[key]
    }


def _behind(roles: dict[str, Principal]) -> dict[str, set[str]]:
    """Which of ``roles`` each of them was assumed from."""
    return {key: {identity(source) for source in role.sources} & roles.keys() for key, role in roles.items()}


def _reach(behind: dict[str, set[str]]) -> dict[str, set[str]]:
    """What each goes back to, step by step, itself included."""
    reach = {}
    for key in behind:
        found, todo = {key}, [key]
        while todo:
            new = behind[todo.pop()] - found
            found |= new
            todo += new
        reach[key] = found
    return reach


def _rings(reach: dict[str, set[str]]) -> dict[str, set[str]]:
    """All that each goes back to and that goes back to it, itself included."""
    return {key: {one for one in found if key in reach[one]} for key, found in reach.items()}


def _by_cutoff(run: Containment, role: Principal) -> bool:
    action = run.roles.actions.get(identity(role.arn))
    return bool(action and action.action in _BY_CUTOFF)


def cutoffs(run: Containment, now: datetime.datetime) -> list[tuple[Principal, datetime.datetime, datetime.datetime]]:
    """(principal, cutoff, what it must not lie before) of all whose sessions are to be cut again, unless the cutoff that is there lies late enough."""
    found, rings = [], circles(run)
    for principal in list(run.principals.values()):
        if principal.kind == "role" and not _by_cutoff(run, principal):
            continue
        together = rings.get(identity(principal.arn), [])
        needed = last(run, principal, together)
        if together:
            cutoff = now + datetime.timedelta(seconds=max(2 * run.spread, run.spread + _LEAST))
            if not _settled(run, together):
                found.append((principal, cutoff, cutoff))
        elif needed is not None:
            found.append((principal, now, needed))
    return found


def _settled(run: Containment, together: list[Principal]) -> bool:
    """Whether the cutoffs of a circle all lie behind the moment at which the last of them had spread, and behind what else could mint.

    A role that could not be given one is said to have failed; it keeps the others from nothing.
    """
    done = [run.runner.done.get(f"{one.arn}#policy/{run.incident.policy_name('session')}") for one in together]
    if any(d is None for d in done):
        return False
    there = [parse(cutoff) for d in done if d and d.status in STANDS and (cutoff := policy.cutoff_of(d.step.after))]
    written = [
        since for one, d in zip(together, done, strict=True) if d and d.status in STANDS and (since := claims.fenced_since(run, one))
    ]
    others = [moment for one in together if (moment := last(run, one, together))]
    spread = [max(written) + datetime.timedelta(seconds=run.spread)] if written else []
    return not there or min(there) >= max([*spread, *others], default=min(there))


def links(run: Containment) -> int:
    """How many roles follow one upon the other in the longest chain of those that were assumed: each link has to be cut again after the one before.

    Of roles that were assumed from one another in a circle all count: no longer chain than that can lead through them.
    """
    behind = _behind({key: p for key, p in list(run.principals.items()) if p.kind == "role"})
    reach = _reach(behind)
    rings, depth = _rings(reach), dict[str, int]()
    for key in sorted(behind, key=lambda key: len(reach[key])):  # what a circle goes back to goes back to less
        before = set().union(*(behind[one] for one in rings[key])) - rings[key]
        depth[key] = len(rings[key]) - 1 + max((1 + depth[one] for one in before), default=0)
    return max(depth.values(), default=0)

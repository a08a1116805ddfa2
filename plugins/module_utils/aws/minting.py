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

from ..common.guard import identity
from ..common.run import STANDS
from . import claims, policy
from .principal import Principal
from .session import parse

if t.TYPE_CHECKING:
    from .contain import Containment

_LEAST = 5.0  # seconds that all cutoffs of a circle are given to be written
_BY_CUTOFF = ("revoke", "deny")  # what is done to a role whose sessions a cutoff ends


def last(run: Containment, principal: Principal) -> datetime.datetime | None:
    """The last instant at which a compromised credential could mint a session of ``principal``, as far as it is known; of circles see ``cutoffs``."""
    times = [run.minted[identity(principal.arn)]] if identity(principal.arn) in run.minted else []
    if principal.kind == "role":
        beside = {identity(role.arn) for role in circle(run, principal)}
        for source in principal.sources:
            owner = run.principals.get(identity(source)) or run.former.get(identity(source))
            since = claims.fenced_since(run, owner) if owner else run.door.closed_since(source)
            if since and identity(source) not in beside:
                times.append(since + datetime.timedelta(seconds=run.spread))
        if given := run.isolation.last_given(principal.arn):
            times.append(given)
        if run.hold.unrest:  # somebody may have come to it by ways that nobody has seen
            times.append(run.hold.unrest + datetime.timedelta(seconds=run.spread))
    return max(times, default=None)


def circle(run: Containment, role: Principal) -> list[Principal]:
    """The roles that were assumed from ``role`` and from which it was assumed in turn, itself included, as far as cutoffs alone hold them; [] for most."""
    ahead = _behind(run, role)
    found = [one for one in ahead if identity(role.arn) in {identity(o.arn) for o in _behind(run, one)}]
    return sorted(found, key=lambda one: one.arn)


def _behind(run: Containment, role: Principal) -> list[Principal]:
    """Whatever sessions of ``role`` may go back to, step by step, through roles that are not closed."""
    found: dict[str, Principal] = {}
    todo = [role]
    while todo:
        for source in todo.pop(0).sources:
            owner = run.principals.get(identity(source))
            if (
                owner
                and owner.kind == "role"
                and identity(source) not in found
                and _by_cutoff(run, owner)
                and not claims.closed(run, owner)
            ):
                found[identity(source)] = owner
                todo.append(owner)
    return list(found.values())


def _by_cutoff(run: Containment, role: Principal) -> bool:
    action = run.roles.actions.get(identity(role.arn))
    return bool(action and action.action in _BY_CUTOFF)


def cutoffs(run: Containment, now: datetime.datetime) -> list[tuple[Principal, datetime.datetime, datetime.datetime]]:
    """(principal, cutoff, what it must not lie before) of all whose sessions are to be cut again, unless the cutoff that is there lies late enough."""
    found = []
    for principal in list(run.principals.values()):
        if principal.kind == "role" and not _by_cutoff(run, principal):
            continue
        needed = last(run, principal)
        if together := circle(run, principal) if principal.kind == "role" else []:
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
    others = [moment for one in together if (moment := last(run, one))]
    spread = [max(written) + datetime.timedelta(seconds=run.spread)] if written else []
    return not there or min(there) >= max([*spread, *others], default=min(there))


def links(run: Containment) -> int:
    """How many roles follow one upon the other in the longest chain of those that were assumed: each link has to be cut again after the one before."""

    def behind(role: Principal, seen: tuple[str, ...]) -> int:
        owners = [run.principals.get(identity(source)) for source in role.sources if identity(source) not in seen]
        return max((1 + behind(o, (*seen, identity(o.arn))) for o in owners if o and o.kind == "role"), default=0)

    return max((behind(p, (identity(p.arn),)) for p in list(run.principals.values()) if p.kind == "role"), default=0)

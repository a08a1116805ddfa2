# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles that others use: who, and whether one may be denied all the same."""

from __future__ import annotations

import typing as t

from ..common.errors import EvictError
from ..common.guard import identity
from . import events, quarantine
from .principal import Principal

if t.TYPE_CHECKING:
    from .respond import Response

SECONDS = 20.0
_SHOWN = 5


def others(run: Response, role: Principal) -> list[str] | None:
    """Who else assumed the role, from the newest events of each region; None when the logs could not be read."""
    try:
        found, gaps = events.everywhere(run.aws, role.account, "ResourceName", role.arn, seconds=SECONDS)
    except EvictError as error:
        found, gaps = [], [error.message]
    if gaps:
        return None
    suspects = set(run.principals)
    used = [e for e in found if str(e.get("eventName", "")).startswith("AssumeRole") and not e.get("errorCode")]
    if not used and (role.sources or role.sessions or not quarantine.unused(role, run.aws.now())):
        return None  # it is used, and the logs do not show it: they cannot tell by whom
    who = [e.get("userIdentity") or {} for e in used]
    callers = {str(w.get("arn") or w.get("invokedBy") or "?") for w in who}
    return sorted(c for c in callers if identity(c) not in suspects)


def check(run: Response, role: Principal) -> list[str]:
    """Before a role is denied because somebody asked for it: raises ``Refused`` when others use it; returns them when that is lifted.

    Where nobody can tell who does, that is said. Its sessions are revoked meanwhile, which the others notice for seconds; a deny would stop them for as
    long as it stands.
    """
    if quarantine.unused(role, run.aws.now()):
        return []
    who = others(run, role)
    if who is None:
        run.warn(f"{role.arn} is denied as it was asked for; the logs do not tell who else uses it")
    if who:
        listed = ", ".join(who[:_SHOWN]) + (f" and {len(who) - _SHOWN} more" if len(who) > _SHOWN else "")
        run.guard.refuse(
            "shared_role", role.arn, f"a deny would stop others who use it: {listed}",
            "leave role_action to auto (its sessions are revoked, or clamped to trusted.networks), or move these first",
        )  # fmt: skip
    return who or []

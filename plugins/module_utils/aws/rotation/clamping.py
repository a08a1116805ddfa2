# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge of one rotation: whether there can be one, and the deny that makes it."""

from __future__ import annotations

from ...common.errors import EvictError
from ...common.guard import identity
from .. import credentials, targets
from ..session import iso
from . import bridge, watch
from .course import Course


def at_once(c: Course) -> None:
    """Logs are slow: where the declared networks make a bridge, it stands before they are read. It lacks the roles, which they tell."""
    if c.options.mode == "bridge" and not c.cut and not c.reached("CLAMPED") and bridge.possible([p.spec for p in c.places]):
        wanted = bridge.document(c.run_of.incident.sid, c.networks, c.vpcs, None)
        c.carry_out(
            lambda reader: (
                () if bridge.stands(c.user, c.run_of.incident, reader) else bridge.clamp(c.user, c.run_of.incident, wanted, reader)
            )
        )


def can_bridge(c: Course) -> None:
    """Refuses by name what a bridge would cut."""
    shared = [p.text for p in c.places if p.spec.get("shared_network")]
    nowhere = [p.text for p in c.places if not (p.spec.get("networks") or p.spec.get("vpcs"))]
    suspects = {identity(p.arn) for p in c.run_of.principals.values()}
    theirs = [p.text for p in c.places if _runs_as(c, p) in suspects]
    why = ""
    if shared:
        why = f"{', '.join(shared)} calls from a network that others use too"
    elif nowhere or not c.places:
        why = f"no network of {', '.join(nowhere) or 'a dependent'} is declared (networks or vpcs), so it would be cut"
    elif theirs:
        why = f"{', '.join(theirs)} runs as a suspect"
    if why:
        c.refuse(
            f"{c.old} cannot be bridged: {why}",
            "declare networks of your own, or use mode: emergency",
            "was not rotated: there is no bridge",
        )
    if not c.reached("CLAMPED"):
        begin = iso(credentials.kind.begin(c.run_of.incident))
        c.roles, gap = watch.assumed(c.aws, c.user.account, c.old, begin)
        if gap:
            c.refuse(f"{c.old} cannot be bridged: which roles it assumes for its dependents is not known ({gap})", "use mode: emergency, or graceful",
                     "was not rotated: there is no bridge")  # fmt: skip


def _runs_as(c: Course, place: targets.Place) -> str:
    runs_as = getattr(targets.KINDS[place.kind], "identity", None)
    if runs_as is None:
        return ""
    try:
        return identity(runs_as(place, c.reader))
    except EvictError:
        return ""


def clamp(c: Course) -> None:
    """The bridge, while the old key is alive. It is as the dependents are declared now; the roles are those of the first look."""
    roles = next((n["roles"] for n in c.notes() if n["state"] == "CLAMPED"), c.roles)
    wanted = bridge.document(c.run_of.incident.sid, c.networks, c.vpcs, roles)
    c.carry_out(lambda reader: bridge.clamp(c.user, c.run_of.incident, wanted, reader))
    c.reach("CLAMPED", roles=roles)

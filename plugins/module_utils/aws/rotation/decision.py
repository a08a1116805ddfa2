# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided before anything is touched: the mode that holds now, and whether the plan can be carried out."""

from __future__ import annotations

from ...common.errors import EvictError
from .. import credentials
from ..session import iso, parse
from . import course, minting, powers, readers, watch
from .course import Course


def plan(c: Course, keys: dict[str, str], found: dict[str, str]) -> None:
    """PLANNED: who depends on it, what is there, until when the old key may live. Refuses before anything is touched; the deadline runs from here."""
    c.reach("PLANNED", deadline=c.deadline() and iso(c.deadline()))
    wrong = [(p, found[p.id]) for p in c.places if found[p.id] == "other" or found[p.id].startswith("unknown")]
    halves = {p.half for p in c.places} - {""}
    if len(halves) == 1:
        missing = "secret" if "id" in halves else "id"
        wrong += [(p, f"unknown: it is one half, and no dependent is half: {missing}") for p in c.places if p.half]
    for place, said in wrong:
        why = f"holds something else than {c.old}" if said == "other" else said.removeprefix("unknown: ")
        c.runner.fail(EvictError(f"{place.text}: {why}", object=place.text, operation="rotate",
                                 remedy="correct the dependent or take it out of the list; nothing is revoked before the deadline"))  # fmt: skip
    unsafe = readers.guard(c, found)
    if wrong:
        what = "nothing was moved" if c.cut or c.mode == "bridge" else "nothing was changed"
        c.wait_for(f"{len(wrong)} of {len(c.places)} dependents cannot be moved: {what}")
    stop_if(c, unsafe)
    if not c.new:
        minting.free(c, keys)
    c.reach("SLOT_READY")
    if c.runner.check and not c.cut:
        c.run_of.warn(f"{c.old} is switched off when nobody has used it for {c.options.quiet:.0f} s, and deleted after {c.options.soak:.0f} s"
                      f" of being inactive; with mode {c.mode} it does not live longer than until {iso(c.deadline())}")  # fmt: skip


def stop_if(c: Course, unsafe: int) -> None:
    """Stops when there are places to which no secret may be written."""
    if unsafe:
        c.wait_for(f"{unsafe} of {len(c.places)} places can be read by others, so nothing was moved")


def mode(c: Course) -> str:
    """The mode that holds now: what was asked for, or emergency when the deadline is over or a hostile call was seen."""
    asked = c.options.mode
    if c.reached("OLD_DISABLED"):
        return asked
    if asked == "emergency":
        c.run_of.warn(f"{c.old}: {c.fall}")
        return asked
    limit, planned = c.deadline(), c.reached("PLANNED")
    if planned and c.aws.now() >= limit:
        c.run_of.warn(f"the deadline of {c.old} was {iso(limit)}: {c.fall}")
        return "emergency"
    found, unknown = hostile(c)
    if asked == "graceful":
        found = f"it was used from {found}" if found else watch.public(c.user, c.reader)
        nobody = "" if c.places else "no dependent that is declared holds a key of its user, so nobody can be moved first"
        if not planned and (why := found or powers.powerful(c.user, c.reader) or unknown or nobody):
            c.refuse(f"{c.old} is not rotated gracefully: {why}",
                     "mode: bridge clamps it to the dependents' networks meanwhile; mode: emergency switches it off first",
                     "was not rotated: mode graceful is refused")  # fmt: skip
    elif found:
        found = f"it was used from {found}"
    if found and planned and (asked == "graceful" or c.reached("CLAMPED")):
        c.run_of.warn(f"{c.old}: {found}: {c.fall}")
        return "emergency"
    if unknown:
        c.run_of.warn(f"{c.old}: whether the attacker uses it is not known: {unknown}")
    return asked


def hostile(c: Course) -> tuple[str, str]:
    """(from where somebody else has used the old key since the incident began, or since it was clamped; why that is not known)."""
    clamped = c.reached("CLAMPED")
    since = iso(parse(clamped) + course.SETTLES if clamped else credentials.kind.begin(c.run_of.incident))
    return watch.strangers(c.aws, c.user.account, c.old, since, c.networks, c.vpcs)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of the old key: unused for a while, inactive for a while, deleted."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Iterable

from ...common.plan import Step
from ...common.reader import Reader
from .. import credentials, sessions
from ..credentials import access_key
from ..session import iso, parse
from . import bridge, course
from .course import Course, Stop


def quiescent(c: Course) -> None:
    """OLD_QUIESCENT: nobody has used the old key since everybody has the new one, by IAM's word, for as long as ``quiet``."""
    if c.runner.check:
        return
    moved = [n["at"] for n in c.notes() if n["state"] == "DISTRIBUTED"]
    since = parse(moved[-1]) if moved else c.aws.now()
    last = str(c.last_used(c.old).get("LastUsedDate") or "")
    from_ = max(since, parse(last)) if last else since
    due = from_ + datetime.timedelta(seconds=c.options.quiet)
    limit = c.deadline()
    if c.aws.now() < due and not (limit and c.aws.now() >= limit):
        how = (
            f"was used at {last}, after the dependents were moved: somebody that nobody declared uses it"
            if last and parse(last) > since
            else "is to be quiet"
        )
        c.wait_for(f"{how}; it is switched off at {iso(min(due, limit) if limit else due)}, when this is run again", iso(due))
    c.reach("OLD_QUIESCENT")


def disable(c: Course) -> None:
    """OLD_DISABLED, and the sessions that it may have minted; with the old key off a bridge has no purpose."""
    asked = credentials.Asked(only=c.compromised)
    alive = [step for step in c.carry_out(lambda reader: access_key.steps(c.user, "disabled", reader, asked)) if not step.true]
    if not c.reached("OLD_DISABLED"):
        cutoff = c.aws.now() + course.SETTLES
        newer = cutoff if alive or _outlived(c) else None  # a cutoff of the containment lies before what the key minted since
        c.user.inline = None
        c.carry_out(lambda reader: sessions.revoke(c.user, c.run_of.incident, cutoff, reader, newer_than=newer))
    c.reach("OLD_DISABLED")
    c.carry_out(lambda reader: bridge.lift(c.user, c.run_of.incident, reader))


def _outlived(c: Course) -> bool:
    """Whether a run that was killed switched a key off after the cutoff of the sessions was written."""

    def place(step_id: str, of: str) -> list[t.Any]:
        entry = c.case.history.get(step_id) or {"places": {}}
        return list(entry["places"].get(of, ()))

    written = place(f"{c.user.arn}#policy/{c.run_of.incident.policy_name('session')}", "made")
    # The intent counts: of a key whose outcome was not written any more it is all there is.
    return any(place(f"{c.user.arn}#{access_key.FRAGMENT}/{key}", "step") > written for key in c.compromised)


def soak(c: Course, what: str = "is inactive") -> None:
    """SOAKED: inactive for a while, so that whoever was forgotten can be helped with one call."""
    if c.reached("SOAKED"):
        return
    if c.runner.check:
        if c.options.soak:
            raise Stop  # not in this run
        return
    due = parse(c.reached("OLD_DISABLED")) + datetime.timedelta(seconds=c.options.soak)
    if c.aws.now() < due:
        c.wait_for(f"{what}; it is deleted at {iso(due)}, when this is run again", iso(due))
    c.reach("SOAKED")


def delete(c: Course) -> None:
    asked = credentials.Asked(only=c.compromised)

    def gone(reader: Reader) -> Iterable[Step]:
        for step in access_key.steps(c.user, "absent", reader, asked):
            yield dataclasses.replace(step, before="Inactive") if c.runner.check else step  # that it was switched off was told before

    c.carry_out(gone)
    c.reach("OLD_DELETED")

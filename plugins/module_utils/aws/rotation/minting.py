# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new key: a slot for it, its making, and its secret, which a run that did not mint it reads back from a place that has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from ...common import plan as plans
from ...common.errors import EvictError
from ...common.plan import Step
from ...common.reader import Reader
from .. import credentials, targets
from ..credentials import access_key
from . import mint, moving, proving, slot
from .course import Course

_WRITTEN = ("new", "moving")


def free(c: Course, keys: dict[str, str]) -> None:
    others = set(keys) - {c.old}
    held = set().union(*(c.held_in(p, others) for p in c.places)) if others else set()
    used = {key: str(c.last_used(key).get("LastUsedDate") or "") for key in others}
    named = {c.options.free_slot} - {""}
    if c.cut:  # whoever holds a key that is off is down already, and gets the new one
        held -= c.also
    found = slot.decide([{"id": k, "status": v} for k, v in keys.items()], c.old, c.also | named, used, held)
    if found.refused:
        c.runner.fail(EvictError(found.refused, object=c.user.arn, operation="rotate", remedy="nothing was changed"))
        c.wait_for("was not rotated: no slot is free for a new key")
    if found.free:
        c.freed = found.free
        c.run_of.warn(f"{found.free} is deleted to make room for the new key: {found.why}")
        asked = credentials.Asked(only={found.free})
        c.carry_out(lambda reader: access_key.steps(c.user, "absent", reader, asked))


def _minted(c: Course, reader: Reader) -> Iterable[Step]:
    for step in mint.steps(c.user, c.mint, c.old, reader):
        there = [key for key in step.before or () if not (c.runner.check and key == c.freed)]
        yield dataclasses.replace(step, before=there)


def mint_key(c: Course) -> None:
    """MINTED. What was minted and is in no place may be made anew; what a place holds is never taken from it."""
    found = {p.id: c.state_of(p) for p in c.places}
    having = [p.text for p in c.places if found[p.id] in _WRITTEN]
    keys = c.keys()
    if c.new and c.new not in keys:
        if having:
            c.refuse(f"the new key {c.new} was deleted by somebody else, and {', '.join(having)} hold it",
                     "give them a key that works, then run again",
                     f"its new key {c.new} is gone")  # fmt: skip
        c.runner.drop(c.mint)
    needing = [p for p in c.places if found[p.id] not in _WRITTEN and p.half != "id"]  # an id alone needs no secret
    if c.new and needing and not new_secret(c):
        if secret := read_back(c):
            proving.taken(c, secret)
            c.runner.remember(c.mint, {"AccessKey": {"AccessKeyId": c.new, "SecretAccessKey": secret}})
        elif any(found[p.id] in _WRITTEN and not targets.opaque(p) for p in c.places):
            c.refuse(f"the secret of the new key {c.new} cannot be read from {', '.join(having)}, and the other dependents need it",
                     "give them the new key by hand, then run again", "its dependents cannot be moved")  # fmt: skip
        else:
            if having:  # nobody can read it there, so it would never get on
                c.run_of.warn(f"the secret of {c.new} died with the run that made it: another key is made, and until they get it, in this run,"
                              f" {', '.join(having)} may fail")  # fmt: skip
            asked = credentials.Asked(only={c.new})
            c.carry_out(lambda reader: access_key.steps(c.user, "absent", reader, asked))
            c.runner.drop(c.mint)
    if not c.new:
        c.carry_out(lambda r: _minted(c, r))
    if c.new:
        c.reach("MINTED", again=c.new not in [n.get("new") for n in c.notes()], new=c.new)


def new_secret(c: Course) -> str:
    answer = c.runner.answers.get(c.mint)
    return str(plans.dig(answer, ("AccessKey", "SecretAccessKey")) or "") if answer is not None else ""


def read_back(c: Course) -> str:
    """The new secret from a place that has it: beside its id, or a half that this rotation wrote. Such a half is somebody's own: ``taken`` tries it."""
    for place in [p for p in c.places if p.half == "secret" and not targets.opaque(p) and c.state_of(p) == "new"]:
        try:
            return str(targets.KINDS[place.kind].value(place, c.reader)).strip()
        except EvictError:
            continue
    return moving.secret(c, c.new)

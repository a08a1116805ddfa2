# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be seen before the old key is touched: every place has the new key, AWS takes it, and the dependents work with it."""

from __future__ import annotations

import time

from ...common.errors import EvictError
from ...common.plan import Call
from .. import targets
from . import health, minting, moving
from .course import Course

READS = ("sts:GetCallerIdentity",)


def verify(c: Course) -> None:
    """VERIFIED_NEW: every place shows the new key, and AWS takes it."""
    if not c.runner.check:
        prove(c)
        c.reach("VERIFIED_NEW")


def prove(c: Course) -> None:
    """Stops unless everybody has the new key and it works: asked again right before the old one is touched."""
    if c.runner.check:
        return
    left = [p for p in c.places if c.state_of(p) != "new"]
    if left:
        c.wait_for(f"{', '.join(p.text for p in left)} does not show the new key")
    status = c.keys().get(c.new, "gone")
    if status != "Active":
        c.refuse(
            f"the new key {c.new} is {status.lower()}",
            "switch it on again, or give the dependents a key that works",
            "its new key does not work",
        )
    opaque = all(targets.opaque(p) for p in c.places)
    if not opaque or not c.reached("VERIFIED_NEW"):  # with no place to read it from, the secret died with the run that got it
        taken(c, minting.new_secret(c) or minting.read_back(c))


def ready(c: Course) -> None:
    """Before anybody gets the new key AWS takes it, several times in a row: it needs seconds to be known, and whoever got it earlier would fail."""
    secret = minting.new_secret(c) or minting.read_back(c)
    for number in range(0 if c.runner.check or not secret else 1 if c.cut else health.TIMES):  # without it only ids are written
        time.sleep(health.PAUSE if number else 0.0)
        taken(c, secret)


def taken(c: Course, secret: str) -> None:
    """Stops unless AWS takes the new key; a new one needs seconds, so it is asked again, and nothing falls back."""
    used = not secret and c.last_used(c.new).get("LastUsedDate")  # then somebody has tried it already
    said = "" if secret or used else "its secret is nowhere to be read"
    deadline = time.monotonic() + c.options.valid
    while secret and (said := c.aws.attempt((c.new, secret, ""), Call(c.user.target, "sts", "GetCallerIdentity", {}))):
        if time.monotonic() > deadline:
            break
        time.sleep(1.0)
    if said:
        c.wait_for(f"the new key {c.new} is not taken by AWS yet ({said.split(':')[0]}): run again")


def healthy(c: Course) -> None:
    """Each declared check, several times over; a place that fails it goes back before the old key is touched."""
    if c.runner.check:
        return
    for place in c.places:
        said = health.check(c.aws, place) if place.spec.get("check") else ""
        if said and not c.cut:
            why = moving.roll_back(c, place)
            what = f"and it cannot be given the old key back: {why}" if why else "so it was given the old key back"
            c.runner.fail(EvictError(f"{place.text}: its check failed ({said}), {what}", object=place.text, operation="health",
                                     remedy="see why it does not work with the new key, then run again"))  # fmt: skip
            c.wait_for(f"{place.text} does not work with the new key; the old one was not touched")
        elif said:
            c.open.append({"object": place.text, "why": f"its check fails: {said}", "due": None})

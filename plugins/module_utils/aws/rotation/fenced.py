# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user whom a containment denies everything: the new key is denied as well, until the fence is lifted. AWS has no condition on the id of a key."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable

from ...common import restore
from ...common.errors import EvictError
from ...common.reader import Reader
from .. import policy
from ..principal import Principal

READS = ("iam:GetUserPolicy",)
_REMEDY = "recover.yml of this case lifts it, and keeps the old key and its sessions dead"


def fence(case: t.Any, user: Principal, reader: Reader) -> bool:
    """Whether this case's deny of everything stands on ``user``: its inline policy, or what the ledger says that stands in its place."""
    name = case.incident.policy_name("quarantine")
    if reader.read(policy.inline("user", user.name, name, user.target)[0]) is not None:
        return True
    beside = (f"{user.arn}#attached/", f"{user.arn}#boundary")
    return any(latest.id.startswith(beside) and latest.after for _first, latest in restore.standing(case.history))


def rows(case: t.Any, machines: Iterable[t.Any], reader: Reader) -> list[dict[str, t.Any]]:
    """One of what stays open for each user whose dependents have a key that is denied."""
    found = []
    for machine in machines:
        if not machine.new:
            continue
        try:
            denied = fence(case, machine.user, reader)
        except EvictError as error:
            why = f"whether the containment of this case denies the new key {machine.new} as well is not known: {error.message}"
            found.append({"object": machine.user.arn, "why": why, "due": None})
            continue
        if denied:
            held = [p.text for p in machine.places if machine.shown.get(p.id) == "new"]
            why = f"is denied everything by the containment of this case, its new key {machine.new} too: {', '.join(held) or 'nobody'}" + (
                f" {'has' if len(held) == 1 else 'have'} it and will work when the fence is lifted; {_REMEDY}"
                if held
                else f" has it yet; {_REMEDY}"
            )
            found.append({"object": machine.user.arn, "why": why, "due": None})
    return found


def warn(case: t.Any, machine: t.Any, reader: Reader) -> None:
    """In the plan, before anything is done."""
    if fence(case, machine.user, reader):
        machine.run_of.warn(f"{machine.user.arn} is denied everything by the containment of this case, so its dependents will not work with a new key before"
                            f" that is lifted: {_REMEDY}")  # fmt: skip

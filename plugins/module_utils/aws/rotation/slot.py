# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user has two slots for access keys. Which of them a rotation may use, by rule, before anything is touched."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

SLOTS = 2


@dataclasses.dataclass(frozen=True)
class Slot:
    """``free``: the id of the key that has to be deleted first, "" for none; ``why``: by which rule; ``refused``: why there is no slot."""

    free: str = ""
    why: str = "a slot is free"
    refused: str = ""


def decide(
    keys: Sequence[Mapping[str, t.Any]], old: str, compromised: t.Collection[str], used: Mapping[str, str], held: t.Collection[str]
) -> Slot:
    """``keys``: [{id, status}]; ``old``: the one that is rotated; ``used``: {key id:

    when it was last used, "" = never}; ``held``: keys that dependents hold.
    """
    others = [key for key in keys if key["id"] != old]
    if len(keys) < SLOTS or not others:
        return Slot()
    other = others[0]
    name = str(other["id"])
    if name in held:
        way = (
            "use mode: emergency, which ends both and gives all of them the new one"
            if name in compromised
            else f"move those of {name} to {old} first"
        )
        return Slot(refused=f"both keys are in use: dependents hold {old} and {name}, and there is no slot for a third; {way}")
    if name in compromised:
        return Slot(name, "it is compromised, or was named under free_slot, and no dependent lives on it")
    if other["status"] != "Active":
        last = used.get(name, "")
        return Slot(refused=f"the second slot holds {name}, which is inactive ({'used last at ' + last if last else 'never used'}): delete it, or name it"
                    " under free_slot, if nobody will want it back")  # fmt: skip
    return Slot(refused=f"the second slot holds {name}, which is active and not known to be compromised: whoever uses it would be cut; free it by hand, or"
                " name it under free_slot")  # fmt: skip

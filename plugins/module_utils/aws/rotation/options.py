# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rotation is asked for, and the dependents that it has to move."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping, Sequence

from ...common import declared as declared_
from ...common import dependents
from ...common.errors import InvalidInput
from ...common.plan import Target
from ...common.schema import Fields, Problem
from .. import targets
from ..principal import Principal

STATES = (
    "PLANNED",
    "SLOT_READY",
    "MINTED",
    "STORED",
    "DISTRIBUTED",
    "VERIFIED_NEW",
    "OLD_QUIESCENT",
    "OLD_DISABLED",
    "SOAKED",
    "OLD_DELETED",
)
DEADLINES = {"graceful": 3600.0, "bridge": 86400.0, "emergency": 0.0}  # seconds for which the old key may live on


@dataclasses.dataclass(frozen=True)
class Options:
    """Times in seconds. ``quiet``: without a call of the old key before it is switched off; ``soak``: inactive before it is deleted."""

    mode: str = "graceful"
    quiet: float = 900.0
    soak: float = 86400.0
    valid: float = 60.0
    free_slot: str = ""
    deadline: str = ""
    by: str = ""
    reason: str = ""


def places(entries: Sequence[t.Any], user: Principal, where: str) -> list[targets.Place]:
    """The declared dependents as places. Raises ``InvalidInput`` with every problem by its path (``where``:

    what they stand in). Free texts are for people and no places.
    """
    problems: list[Problem] = []
    declared = dependents.read(Fields({"dependents": list(entries)}, where, problems, ("dependents",)))
    found: list[targets.Place] = []
    for number, entry in enumerate(declared):
        if not isinstance(entry, Mapping):
            continue
        kind = targets.KINDS.get(entry["kind"])
        if kind is None:
            problems.append(
                (
                    f"{where}.dependents[{number}].kind",
                    f"cannot be written by this release; it can be one of {', '.join(sorted(targets.KINDS))}",
                )
            )
            continue
        if lacking := declared_.missing(entry):
            path = f"{where}.dependents[{number}]"
            problems += [(f"{path}.{key}" if key else path, f"{why}, and a rotation cannot do without") for key, why in lacking]
            continue
        declared_.check(entry, f"{where}.dependents[{number}]", problems)
        if placed := getattr(kind, "place", None):
            if problems:  # it may lack what its address is made of
                continue
            target, name = placed(entry, user.account)
            if kind.KIND == "vault" and (target, entry["name"]) in [(p.target, p.spec["name"]) for p in found]:
                problems.append((f"{where}.dependents[{number}]", "is in a secret that is declared already: declare it once, without field, since a version"
                                                                  " holds all fields"))  # fmt: skip
            found.append(targets.Place(target, kind.KIND, name, str(entry.get("half") or ""), dict(entry), kind.NOUN))
            continue
        name = str(entry.get("arn") or entry.get("name"))
        parts = name.split(":") if name.startswith("arn:") else []
        region = str(entry.get("region") or (parts[3] if len(parts) > 3 else ""))
        account = str(entry.get("account") or (parts[4] if len(parts) > 4 else "") or user.account)
        if kind.KIND == "ssm_parameter" and parts:  # SSM takes names for most of its operations
            name = re.sub(r"^parameter(?=/[^/]+/)|^parameter/", "", parts[5])
        found.append(targets.Place(Target("aws", account, region), kind.KIND, name, str(entry.get("half") or ""), dict(entry), kind.NOUN))
    if problems:
        raise InvalidInput("the dependents were refused", problems)
    # What holds both can give the secret back; so can a secret that stands alone, and never an id that does: that is moved last.
    # What nobody can read comes behind what can give the secret back.
    return sorted(found, key=lambda p: (("", "secret", "id").index(p.half), targets.opaque(p)))

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of credential share that a rotation replaces, and the rule about slots."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence

from ....common.plan import Call, Path, Phase, Probe, Ref, Step
from ....common.reader import Reader
from ...principal import Principal
from .handover import Handover


@dataclasses.dataclass(frozen=True)
class Order:
    """One replacement, as a kind sees it. ``step``: id of the Step that makes the new one; ``entry``: of the incident; ``handover``: for a new secret."""

    user: Principal
    entry: Mapping[str, t.Any]
    step: str
    service: str = ""  # of a service-specific credential
    handover: Handover | None = None

    def made(self, listing: Call, ids: Path, new: Path, *, do: Call, undo: Callable[[Ref], Call], reader: Reader) -> Step:
        """The Step that creates it; an orphan of a crash is an id that nobody knew. ``undo``: from the id."""
        probe, made = Probe(listing, ids), Ref(self.step, new)
        return Step(
            id=self.step, principal=self.user.arn, resource=f"{self.user.arn} new {self.entry['kind'].replace('_', ' ')}", action="create",
            phase=Phase.CREDENTIAL, before=reader.read(probe), after=None, probe=probe, owns=made, do=(do,),
            undo=(undo(made),),
        )  # fmt: skip


class Kind(t.Protocol):
    """A file of this folder. ``LIMIT``: how many a user may have (of a service); ``NEW``: where the answer has the new id, () for one without;

    ``steps``: make the new one, and hand over what is secret of it; ``tell``: what its owner is told, without a secret.
    """

    KIND: str
    NOUN: str
    LIMIT: int
    NEW: Path

    def steps(self, order: Order, reader: Reader) -> Iterator[Step]: ...

    def tell(self, order: Order, new: str) -> str: ...


@dataclasses.dataclass(frozen=True)
class Slot:
    """``free``: the id that has to be deleted first, "" for none; ``refused``: why there is no slot."""

    free: str = ""
    refused: str = ""


def slot(held: Sequence[Mapping[str, t.Any]], limit: int, olds: t.Collection[str], named: str) -> Slot:
    """Whose place the new one takes. Of those that are replaced one that is off may go early: nobody lives on it. What is active, or nobody's old one,

    goes only when its owner names it (``free_slot``).
    """
    if len(held) < limit:
        return Slot()
    if named and any(one["id"] == named for one in held):
        return Slot(named)
    off = sorted((str(one.get("created", "")), str(one["id"])) for one in held if one["id"] in olds and one["status"] != "Active")
    if off:
        return Slot(off[0][1])
    there = ", ".join(f"{one['id']} ({one['status']})" for one in held)
    return Slot(refused=f"all {limit} places are taken, and none by one that is replaced and off: {there}")

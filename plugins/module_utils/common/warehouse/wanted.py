# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lineage, as far as it is known, still has to see: the handles that a warehouse is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..analysis.lineage import Lineage
from ..suspect import Suspect
from .question import BEFORE, FIRST, KINDS, Handle


@dataclass(frozen=True, order=True)
class Wanted:
    """``past``: also what was before, the first of each kind; it tells whose a network is, or who came before."""

    kind: str
    value: str
    past: bool

    @property
    def handle(self) -> Handle:
        return Handle(self.kind, self.value)


def wanted(lineage: Lineage, suspects: Sequence[Suspect], cloud: str, seen: frozenset[Handle]) -> list[Wanted]:
    """In order. ``seen``: what was asked so far: an address is looked at altogether only when it is known that nobody used it before."""
    found: dict[Handle, Wanted] = {}
    for one in _all(lineage, suspects, cloud, seen):
        known = found.get(one.handle)
        found[one.handle] = one if known is None or one.past else known
    return sorted(found.values())


def _all(lineage: Lineage, suspects: Sequence[Suspect], cloud: str, seen: frozenset[Handle]) -> Iterator[Wanted]:
    for key, match in lineage.matches:
        if match.handle in KINDS and lineage.nodes[key].cloud in ("", cloud):
            yield Wanted(match.handle, match.value, match.pick != "all")
    for suspect in suspects:
        if suspect.kind == "gcp_service_account_key" and cloud == "gcp":
            yield Wanted("key_name", suspect.value.rsplit("/", 1)[-1], True)
    for node in lineage.nodes.values():
        for watch in node.watches:
            yield Wanted("request", watch.find, watch.mode == "trust")
    for _kind, name in lineage.looked:
        yield Wanted("response", name, False)
    for handle, value in lineage.networks.owners:
        yield Wanted(f"{handle}_before", value, True)
    for address in lineage.networks.candidates:
        yield Wanted("address_first", address, True)
    for address in lineage.networks.attackers:
        if Handle("address_first", address) in seen:
            yield Wanted("address", address, False)


def only_past(kind: str) -> bool:
    return KINDS[kind].mode in (BEFORE, FIRST)

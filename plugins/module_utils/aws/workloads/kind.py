# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of workload share: what one is, and which of them are not given new credentials."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Collection, Iterable, Iterator, Mapping

from ...common.plan import Step, Target
from ...common.reader import Reader

if t.TYPE_CHECKING:
    from ..principal import Principal

MARK = "#refresh/"  # in the id of every Step of ours


@dataclasses.dataclass(frozen=True)
class Workload:
    """Something that runs as a role. ``id``: its ARN or id; ``text``: in words; ``sessions``: names of the role sessions that it uses;

    ``data``: what its kind needs to refresh it; ``why``: when it cannot be refreshed here.
    """

    target: Target
    id: str
    role: str
    text: str
    sessions: frozenset[str] = frozenset()
    data: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    why: str = ""

    def kept_from(self, sessions: Collection[str]) -> str:
        """Why it is not refreshed: new credentials would go to the attacker who sits in it."""
        mine = sorted(self.sessions.intersection(sessions))
        return f"its own session {mine[0]} is suspect, so new credentials would go to the attacker: isolate it first" if mine else self.why


class Kind(t.Protocol):
    """A file of this folder. ``SERVICE``: whom a role must trust to be used so; ``LONGEST``: for how long cached credentials may last;

    ``SURE``: whether the refresh is known to replace them at once. ``held``: workloads of a role; ``steps``: what refreshes one;
    ``mark`` names the incident and the cutoff.
    """

    KIND: str
    NOUN: str
    SERVICE: str
    LONGEST: datetime.timedelta
    SURE: bool
    READS: tuple[str, ...]

    def held(self, role: Principal, target: Target, reader: Reader, /) -> Iterable[Workload]: ...

    def steps(self, workload: Workload, mark: str, reader: Reader, /) -> Iterator[Step]: ...

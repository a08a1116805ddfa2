# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of credential share: what a verb asks of them, and the Step that switches a status."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Callable, Iterator, Mapping

from ...common.plan import Call, Phase, Probe, Step
from ...common.reader import Reader
from ..session import iso, parse

if t.TYPE_CHECKING:
    from ..principal import Principal

_BEFORE = datetime.timedelta(days=7)  # how long before it was opened an incident is taken to have begun, when its file does not say


def begin(incident: t.Any) -> datetime.datetime:
    """When the attacker may first have been at work."""
    start: datetime.datetime = incident.window.start or incident.opened - _BEFORE
    return start


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a verb wants of a kind. ``only``: these ids, None = all; ``since``, ``until`` (RFC 3339, "" = not known): the incident's window."""

    only: t.Collection[str] | None = None
    since: str = ""
    until: str = ""

    @classmethod
    def by(cls, incident: t.Any, only: t.Collection[str] | None = None) -> Asked:
        """What a verb asks on behalf of ``incident``; a window without an end is not over."""
        return cls(only, iso(begin(incident)), iso(incident.window.end) if incident.window.end else "")

    def wants(self, identity: str) -> bool:
        return self.only is None or identity in self.only

    def during(self, moment: str) -> bool:
        """Whether ``moment`` (RFC 3339) lies in the incident's window; never, while no window is known."""
        if not self.since or not moment or parse(moment) < parse(self.since):
            return False
        return not self.until or parse(moment) <= parse(self.until)


ALL = Asked()


class Kind(t.Protocol):
    """A file of this folder. ``FRAGMENT``: what its Steps' ids say after the user's ARN; ``NOUN``: its name in sentences, in the plural.

    ``PHASE``: when containment disables it (RESOURCE, last, for what cannot be given back). ``KEEP``: the field of the incident whose value
    "keep" leaves it alone, or "". ``held``: [{"id", "status", "created", …}]; ``steps``: to ``disabled``, ``enabled`` or ``absent``.
    """

    KIND: str
    NOUN: str
    FRAGMENT: str
    PHASE: Phase
    KEEP: str
    READS: tuple[str, ...]

    def held(self, user: Principal, reader: Reader) -> list[dict[str, t.Any]]: ...

    def steps(self, user: Principal, state: str, reader: Reader, asked: Asked = ALL) -> Iterator[Step]: ...


def switched(
    user: Principal, entry: Mapping[str, t.Any], state: str, asked: Asked, *, fragment: str, name: str, update: Callable[[str], Call],
    delete: Call, probe: Probe, gone: str,
) -> list[Step]:  # fmt: skip
    """The Step that brings a credential with a status to ``state``, and back to the status it had; none for what is not asked for.

    ``name``: in words; ``update``: from a status to the Call that sets it; ``gone``: why a deleted one does not come back. What has expired
    (service-specific credentials do) is dead, and AWS takes no status for it.
    """
    before = entry["status"]
    if not asked.wants(entry["id"]) or (before == "Expired" and state != "absent"):
        return []
    after = {"disabled": "Inactive", "enabled": "Active", "absent": None}[state]
    return [
        Step(
            id=f"{user.arn}#{fragment}/{entry['id']}", principal=user.arn, resource=f"{user.arn} {name}", phase=Phase.CREDENTIAL,
            action={"disabled": "deactivate", "enabled": "activate", "absent": "delete"}[state], before=before, after=after,
            do=(delete if after is None else update(after),), undo=() if after is None else (update(before),),
            irreversible=gone if after is None else "", probe=probe,
        )
    ]  # fmt: skip

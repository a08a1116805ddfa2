# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of workload share: what one is, and which of them are not given new credentials."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t
from collections.abc import Collection, Iterable, Iterator, Mapping

from ...common.plan import Step, Target
from ...common.reader import Reader

if t.TYPE_CHECKING:
    from ..principal import Principal

MARK = "#refresh/"  # in the id of every Step of ours
_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[\w-]+)\.amazonaws\.com(\.cn)?/(?P<name>[^:@]+)(:[^@]*)?$"
)  # by a tag, or none


@dataclasses.dataclass(frozen=True)
class Workload:
    """Something that runs as a role. ``id``: its ARN or id; ``text``: in words; ``sessions``: names of the role sessions that it uses;

    ``data``: what its kind needs to refresh it; ``images``: what its new containers would be started from;
    ``why``: when it cannot be refreshed here.
    """

    target: Target
    id: str
    role: str
    text: str
    sessions: frozenset[str] = frozenset()
    data: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    images: frozenset[str] = frozenset()
    why: str = ""

    def kept_from(self, sessions: Collection[str]) -> str:
        """Why it is not refreshed: new credentials would go to the attacker who sits in it."""
        mine = sorted(self.sessions.intersection(sessions))
        return f"its own session {mine[0]} is suspect, so new credentials would go to the attacker: isolate it first" if mine else self.why


def pushed(workload: Workload, calls: Iterable[Mapping[str, t.Any]]) -> str:
    """Why it is not started anew: a suspect wrote to the repository of an image that is named by its tag; "" when none did."""
    written = set()
    for call in calls:
        if (call.get("eventSource"), call.get("eventName")) == ("ecr.amazonaws.com", "PutImage"):
            given = call.get("requestParameters")
            given = given if isinstance(given, Mapping) else {}
            account = str(given.get("registryId") or call.get("recipientAccountId"))
            written.add((account, str(call.get("awsRegion")), str(given.get("repositoryName"))))
    found = [image for image in map(_IMAGE.match, workload.images) if image]
    names = sorted({image["name"] for image in found if (image["account"], image["region"], image["name"]) in written})
    return (
        f"a suspect pushed to {', '.join(names)}, and new containers would be started from that: check the image, then deploy it"
        if names
        else ""
    )


class Kind(t.Protocol):
    """A file of this folder. ``SERVICE``: whom a role must trust to be used so; ``LONGEST``: for how long cached credentials may last;

    ``QUICK``: whether AWS does it within seconds. ``held``: workloads of a role; ``steps``: what refreshes one; ``mark`` names the incident and
    the cutoff. ``renewed``: whether one that was refreshed is seen to have credentials from after the cutoff.
    """

    KIND: str
    NOUN: str
    SERVICE: str
    LONGEST: datetime.timedelta
    QUICK: bool
    READS: tuple[str, ...]

    def held(self, role: Principal, target: Target, reader: Reader, /) -> Iterable[Workload]: ...

    def steps(self, workload: Workload, mark: str, reader: Reader, /) -> Iterator[Step]: ...

    def renewed(self, workload: Workload, cutoff: datetime.datetime, reader: Reader, /) -> bool: ...

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Runner and the Reader get as ``clouds``: AWS, and each place outside of it when it is asked for first."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..common.errors import CloudError, EvictError
from ..common.plan import Call, Edit, Probe
from ..common.reader import Cloud

if t.TYPE_CHECKING:
    from ..common.incident import Incident
    from .kind import Kind


class Clouds(dict[str, Cloud]):
    """``dependents``: as declared, for places whose connection stands there."""

    def __init__(self, known: Mapping[str, Cloud], incident: Incident, dependents: Sequence[t.Any] = ()) -> None:
        super().__init__(known)
        self._incident, self._dependents = incident, list(dependents)

    def __missing__(self, cloud: str) -> Cloud:
        from . import KINDS  # only here: most runs need none of them

        if cloud not in KINDS:
            raise EvictError(f"this release does not know {cloud!r} as a place", object=cloud, operation="connect")
        kind = KINDS[cloud]
        connections = getattr(kind, "connections", None)
        found = connections(self._incident, self._dependents) if connections else self._incident.connection.get(cloud, {})
        self[cloud] = Outside(kind, found)
        return self[cloud]


class Outside:
    """One kind of place, as ``reader.Cloud``. ``connections``: {name: what the incident file says of it}."""

    def __init__(self, kind: Kind, connections: Mapping[str, Mapping[str, t.Any]]) -> None:
        self.kind, self.connections = kind, connections

    def call(self, call: Call, parameters: Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
        name = call.target.account
        if name not in self.connections:
            where = f"connection.{self.kind.CLOUD}.{name}" if not hasattr(self.kind, "connections") else f"{self.kind.CLOUD} {name}"
            raise EvictError(f"{where} is not declared in the incident", object=name, operation=call.name,
                             remedy="declare it in the incident file, then run again")  # fmt: skip
        try:
            return self.kind.carry_out(self.connections[name], call, call.parameters if parameters is None else parameters)
        except (
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
        ) as error:  # a page of a proxy, not of the server; what it says may be a secret
            raise CloudError(f"{call.name} on {name}: could not be understood ({type(error).__name__})", code="NotUnderstood", lost=True, object=name,
                             operation=call.name, remedy="check the address and what answers there, then run the same command again") from None  # fmt: skip

    def document(self, edit: Edit) -> tuple[Probe, Callable[[t.Any], Call]]:
        """How to read and write the document that ``edit`` names."""
        kind = edit.document.get("kind")
        if kind not in self.kind.DOCUMENTS:
            raise EvictError(f"no such document: {kind!r}", operation="edit")
        return self.kind.DOCUMENTS[str(kind)](edit.target, edit.document)

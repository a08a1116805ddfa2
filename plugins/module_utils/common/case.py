# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One incident, opened by one module run: the validated incident, its store, ledger and lease."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import typing as t
from collections.abc import Mapping

from . import incident as incidents
from . import process
from .errors import EvictError, InvalidInput
from .incident import Incident
from .lease import Lease
from .ledger import Ledger
from .ledger_record import now
from .spool import Spooled
from .store import NotFound, Store, case_store, open_store

INCIDENT = "incident.json"

# For argument_spec; documented in the doc fragment `case`.
ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "case": {"type": "str"},
    "incident": {"type": "path"},
    "incident_data": {"type": "dict"},
    "takeover": {"type": "bool", "default": False},
}


class Case:
    """Use ``open``. ``check``: nothing is written anywhere, and the store need not exist. ``warnings``: for the module's result."""

    def __init__(self, incident: Incident, store: Store, ledger: Ledger, lease: Lease | None, check: bool) -> None:
        self.incident, self.store, self.ledger, self.lease, self.check = incident, store, ledger, lease, check
        self.warnings: list[str] = []
        self._evidence: set[str] | None = None
        self._manifest: list[dict[str, t.Any]] = []
        self._lock = threading.Lock()

    @classmethod
    def open(cls, params: Mapping[str, t.Any], *, module: str, check: bool, contain: bool = False) -> Case:
        """The case that ``params`` name: ``case`` (<store>/<id>), or ``incident`` (path of an incident file), or ``incident_data``.

        Every mutating run takes the lease; containment takes it over. Raises InvalidInput, Refused (held by somebody), StoreUnavailable.
        """
        incident, store = _find(params)
        emergency = contain and incident.mode == "emergency" and store.remote
        spooled = Spooled(store, incident.id) if emergency else None
        ledger = Ledger.open(spooled or store, incident=incident.id, module=module, check=check, contain=contain)
        if spooled and not check:
            spooled.merge()
        lease = None
        if not check:
            holder = f"{process.user()}@{socket.gethostname()} ({module}, pid {os.getpid()})"
            lease = Lease.acquire(
                spooled or store, run=ledger.run, verb=module, holder=holder, never_wait=contain, takeover=bool(params.get("takeover"))
            )
        case = cls(incident, spooled or store, ledger, lease, check)
        case._keep_incident()
        if lease and lease.takeover_of:
            case.warnings.append(f"another run held this case and was taken over: {lease.takeover_of}")
        return case

    def _keep_incident(self) -> None:
        """``incident.json`` of a case that no ``case`` task opened; an edited incident file is refused here, since only ``case`` records the change."""
        if self.check:
            return
        try:
            kept = incidents.validate(incidents.loads(self.store.get(INCIDENT), INCIDENT), INCIDENT)
        except NotFound:
            self.store.put(INCIDENT, json.dumps({"incident": self.incident.as_dict()}, sort_keys=True, indent=1).encode())
            return
        if kept.as_dict() != self.incident.as_dict():
            self.close()
            raise EvictError(
                f"{self.store.url} was opened with another text of the incident file", object=self.incident.id, operation="open",
                remedy="record the change first: the case module with state: open and this incident file (every playbook does so)",
            )  # fmt: skip

    # -- ledger ------------------------------------------------------------------------------------------------------------------

    @property
    def history(self) -> dict[str, dict[str, t.Any]]:
        """{step id: what the ledger knows of it}, see ``ledger_state.State.steps``."""
        return self.ledger.state.steps

    @property
    def answers(self) -> dict[str, dict[str, t.Any]]:
        """{step id: {"outcome": the latest outcome that kept values of an answer}}, for ``Runner(history=…)``."""
        return {i: {"outcome": h["answered"]} for i, h in self.history.items() if h.get("answered")}

    def notes(self, kind: str) -> list[dict[str, t.Any]]:
        return list(self.ledger.state.notes.get(kind, ()))

    def note(self, kind: str, data: dict[str, t.Any]) -> None:
        self.ledger.note(kind, data)

    def go_on(self) -> bool:
        """False once another run has taken the case over."""
        return self.lease is None or self.lease.held()

    def end(self, status: str, result: dict[str, t.Any] | None = None, **counts: t.Any) -> str:
        """Write the evidence manifest, the end of the chain and ``result.json``; give the lease back. Returns the head."""
        if self._manifest and not self.check:
            self.store.put(f"evidence/manifest/{self.ledger.run}.json", json.dumps(self._manifest, sort_keys=True, indent=1).encode())
        head = self.ledger.end(status, **counts)
        if result is not None and not self.check:
            self.store.replace("result.json", json.dumps({**result, "head": head}, sort_keys=True, indent=1).encode())
        self.close()
        return head

    def close(self) -> None:
        if self.lease:
            self.lease.release()
        if isinstance(self.store, Spooled) and self.store.failed:
            self.warnings.append(
                f"THE STORE {self.store.url} CANNOT BE WRITTEN ({self.store.failed}). Everything is recorded on THIS machine only, under the spool;"
                " run the same command again when the store works, and it is merged"
            )

    # -- evidence ----------------------------------------------------------------------------------------------------------------

    def has_evidence(self, name: str) -> bool:
        with self._lock:
            if self._evidence is None:
                self._evidence = set(self.store.list("evidence"))
            return f"evidence/{name}" in self._evidence

    def keep_evidence(self, name: str, data: bytes, *, source: str) -> None:
        """Store it once, with its SHA-256, size, source and time in the manifest and in the ledger. Check mode keeps nothing."""
        if self.check:
            return
        entry = {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "source": source, "collected_by": self.ledger.caller,
                 "collected_at": now(), "run": self.ledger.run}  # fmt: skip
        self.store.put(f"evidence/{name}", data)
        self.note("evidence", entry)
        with self._lock:
            self._manifest.append(entry)
            if self._evidence is not None:
                self._evidence.add(f"evidence/{name}")


def _find(params: Mapping[str, t.Any]) -> tuple[Incident, Store]:
    """(incident, its case's store). An open case's own ``incident.json`` is what counts for it."""
    given, path, data = params.get("case"), params.get("incident"), params.get("incident_data")
    store: Store | None = None
    if given:
        store = open_store(str(given))
        try:
            return incidents.validate(incidents.loads(store.get(INCIDENT), f"{given}/{INCIDENT}"), f"{given}/{INCIDENT}"), store
        except NotFound:
            if not (path or data):
                raise EvictError(
                    f"{store.url} is not a case: it has no {INCIDENT}",
                    object=store.url,
                    operation="open",
                    remedy="open it: evict.cloud.case",
                ) from None
    if path:
        incident = incidents.validate(incidents.load(str(path)), str(path))
    elif data:
        incident = incidents.validate(data, "incident_data")
    else:
        raise InvalidInput("no case", [("case", "give case (<store>/<id>) or incident (the path of an incident file)")])
    where = incidents.absolute_store(incident.store, os.getcwd())
    return incident, store or case_store(where, incident.id)

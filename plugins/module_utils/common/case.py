# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One incident, opened by one module run: the validated incident, its store, ledger and lease."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import threading
import typing as t
from collections.abc import Callable, Mapping

from . import errors, process
from . import incident as incidents
from .errors import EvictError, InvalidInput
from .guard import identity
from .incident import Incident
from .lease import Lease
from .ledger import Ledger
from .ledger_record import now
from .result import write
from .spool import Spooled, emergency_store, standing_in
from .store import NotFound, Store, case_store, open_store

# For argument_spec; documented in the doc fragment `case`.
ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "case": {"type": "str"},
    "incident": {"type": "path"},
    "incident_data": {"type": "dict"},
    "store": {"type": "dict"},
    "takeover": {"type": "bool", "default": False},
}


class Case:
    """Use ``open``. ``check``: nothing is written anywhere, and the store need not exist. ``warnings``: for the module's result."""

    def __init__(
        self, incident: Incident, store: Store, ledger: Ledger, lease: Lease | None, check: bool, contain: bool = False, module: str = ""
    ) -> None:
        self.incident, self.store, self.ledger, self.lease, self.check, self._contain = incident, store, ledger, lease, check, contain
        self.warnings: list[str] = []
        self._module = module
        self._evidence: set[str] | None = None
        self._manifest: list[dict[str, t.Any]] = []
        self._lock = threading.Lock()

    @classmethod
    def open(cls, params: Mapping[str, t.Any], *, module: str, check: bool, contain: bool = False) -> Case:
        """The case that ``params`` name: ``case`` (<store>/<id>), or ``incident`` (path of an incident file), or ``incident_data``.

        Every mutating run takes the lease; containment takes it over. Raises InvalidInput, Refused (held by somebody), StoreUnavailable.
        """
        incident, plain, store = _find(params, emergency_store if contain else lambda store, _id: store)
        store = store if incident.mode == "emergency" else plain
        told: list[str] = []
        if not check:
            store.sure(incidents.FILE)
        if store.remote:  # what an emergency left on this machine belongs to the case, whatever this run does
            spool = store if isinstance(store, Spooled) else Spooled(store, incident.id)
            if check:
                store = spool if spool.waiting() else store
            else:
                told = spool.merge()
            if not (check or contain or params.get("takeover")):
                spool.refuse_if_held()
        ledger = Ledger.open(store, incident=incident.id, module=module, check=check, contain=contain)
        lease = None
        if not check:
            holder = f"{process.user()}@{socket.gethostname()} ({module}, pid {os.getpid()})"
            lease = Lease.acquire(
                store, run=ledger.run, verb=module, holder=holder, never_wait=contain, takeover=bool(params.get("takeover")),
                ended=ledger.state.ended(),
            )  # fmt: skip
        case = cls(incident, store, ledger, lease, check, contain, module)
        case.warnings += told
        case._keep_incident()
        before = ledger.state.runs.get(lease.takeover_of, {}) if lease else {}
        if lease and lease.takeover_of and not (contain and before.get("module") == module):  # hosts contain side by side
            case.warnings.append(f"another run held this case and was taken over: {lease.taken_from} (run {lease.takeover_of})")
        return case

    def _keep_incident(self) -> None:
        """``incident.json`` of a case that no ``case`` task opened; an edited incident file is refused here, since only ``case`` records the change."""
        if self.check:
            return
        try:
            kept = incidents.from_case(self.store)
        except NotFound:
            if self.store.keep(incidents.FILE, incidents.text(self.incident.as_dict()).encode()):
                return
            kept = incidents.from_case(self.store)  # another run was first
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

    def compromised(self) -> tuple[set[str], set[str]]:
        """(credential ids, identities all of whose credentials) that are in wrong hands, as the incident and what was found say.

        Not those that a named person has judged to be false positives.
        """
        cleared = {n["data"]["suspect"] for n in self.notes("verdict")}
        known = [n["data"] for n in self.notes("suspect") if not n["data"]["suspect"] or n["data"]["suspect"] not in cleared]
        named = [s for s in self.incident.suspects if s.value not in cleared]
        keys = {key for d in known for key in d["keys"]} | {s.value for s in named if s.kind in ("access_key", "service_credential")}
        return keys, {identity(d["arn"]) for d in known if d["whole"]} | {
            identity(s.value) for s in named if s.kind in ("user_arn", "role_arn")
        }

    def stopped(self) -> str:
        """Why nothing more may be begun, "" as long as it may. A containment gives way only to a person who took the case over for something else."""
        if self.lease is None:
            return ""
        return self.lease.yields() if self._contain else self.lease.lost()

    def end(self, status: str, result: dict[str, t.Any] | None, **counts: t.Any) -> str:
        """Write the evidence manifest, the end of the chain and ``result.json``; give the lease back. Returns the head."""
        if self._manifest and not self.check:
            self.store.keep(f"evidence/manifest/{self.ledger.run}.json", json.dumps(self._manifest, sort_keys=True, indent=1).encode())
        head = self.ledger.end(status, **counts)
        if result is not None and not self.check:
            self.warnings += write(self.store, self.ledger.run, {**result, "head": head})
            if self.store_lost(result):  # in this moment
                self.warnings += write(self.store, self.ledger.run, {**result, "head": head})
        self.close()
        return head

    def store_lost(self, result: dict[str, t.Any]) -> bool:
        """Say in ``result`` that the store failed and where the records lie; whether that is new."""
        if self.check or not isinstance(self.store, Spooled) or not self.store.failed or self.store.item in result["open"]:
            return False
        result["open"].append(self.store.item)
        result["status"] = "open" if result["status"] == "ok" else result["status"]
        return True

    def abort(self, error: Exception | None = None, changed: int = 0) -> None:
        """The run stops with an error: its chain is ended as far as the store allows. Raises nothing, so that nothing hides the error.

        With ``error`` ``result.json`` says so as well: what an earlier run left there is not true of this one.
        """
        head = ""
        with contextlib.suppress(EvictError):
            head = self.ledger.end("error")
        if error is None or self.check:
            return
        try:
            if not self.stopped():  # else the result is that of whoever took the case over
                failed = [errors.as_entry(error, self.incident.id, self._module)]
                self.warnings += write(self.store, self.ledger.run, {**errors.early(self.incident.id, failed, changed), "head": head})
        except EvictError as failure:
            self.warnings.append(f"result.json cannot be written ({failure.message}), so it is not of this run, which failed")

    def close(self) -> None:
        if self.lease:
            self.lease.release()
        if isinstance(self.store, Spooled) and self.store.banner and self.store.banner not in self.warnings:
            self.warnings.append(self.store.banner)

    # -- evidence ----------------------------------------------------------------------------------------------------------------

    def wants_evidence(self, name: str) -> bool:
        """True once for each name that is not there yet: whoever asks first collects it. Check mode keeps nothing."""
        with self._lock:
            if self._evidence is None:
                self._evidence = set(self.store.list("evidence"))
            wanted = not self.check and f"evidence/{name}" not in self._evidence
            self._evidence.add(f"evidence/{name}")
            return wanted

    def keep_evidence(self, name: str, data: bytes, *, source: str) -> None:
        """Store it once, with its SHA-256, size, source and time in the manifest and in the ledger."""
        entry = {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "source": source, "collected_by": self.ledger.caller,
                 "collected_at": now(), "run": self.ledger.run}  # fmt: skip
        if not self.store.keep(f"evidence/{name}", data):
            return  # another host of this run was first
        self.note("evidence", entry)
        with self._lock:
            self._manifest.append(entry)


def look_up(params: Mapping[str, t.Any]) -> tuple[Incident, Store]:
    """(incident, its case's store) of what ``Case.open`` takes, for who needs no lease. What an emergency has left on this machine stands in."""
    incident, _plain, store = _find(params, standing_in)
    return incident, store


def _find(params: Mapping[str, t.Any], behind: Callable[[Store, str], Store]) -> tuple[Incident, Store, Store]:
    """(incident, its case's store, the same with what ``behind`` puts behind it). An open case's own ``incident.json`` is what counts for it."""
    given, path, data = params.get("case"), params.get("incident"), params.get("incident_data")
    incident: Incident | None = None
    if path:
        incident = incidents.validate(incidents.load(str(path)), str(path))
    elif data:
        incident = incidents.validate(data, "incident_data")
    if given:
        plain = open_store({**(params.get("store") or {}), "url": str(given)})
        store = behind(plain, str(given).rstrip("/").rsplit("/", 1)[-1])
        try:
            incident = incidents.from_case(store)
        except NotFound:
            if not incident:
                raise
    elif incident:
        plain = case_store(incidents.absolute_store(incident.store, os.getcwd()), incident.id)
        store = behind(plain, incident.id)
    else:
        raise InvalidInput("no case", [("case", "give case (<store>/<id>) or incident (the path of an incident file)")])
    return incident, plain, store

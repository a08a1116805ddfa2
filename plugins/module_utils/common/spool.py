# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In an emergency a remote store that cannot be written (an attacker may have broken it) does not stop containment: a local directory stands in.

Each run has a chain of its own, so what was spooled is merged later by copying it to where it belongs. A lease is not: it says who works
with the spool, on this machine.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import typing as t
from pathlib import Path

from . import lease
from .container import lost_with_container
from .errors import EvictError
from .store import Kept, NotFound, Store, StoreUnavailable, case_store, open_store

Paths = list[str]  # inside Spooled the name list is taken
_LEASES = "lease"


def folder() -> Path:
    """``$XDG_STATE_HOME/evict/spool``: survives a reboot, belongs to the responder."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "evict" / "spool"


class Spooled(Store):
    """``remote``, until it fails; from then on the spool."""

    remote = True

    def __init__(self, remote: Store, incident_id: str) -> None:
        self._remote, self._spool = remote, case_store(open_store(str(folder())), incident_id)
        self.url = remote.url

    def _away(self, error: StoreUnavailable) -> None:
        self.failed = self.failed or error.message

    def put(self, path: str, data: bytes) -> None:
        if not self.failed:
            try:
                return self._remote.put(path, data)
            except StoreUnavailable as error:
                self._away(error)
        return self._spool.put(path, data)

    def keep(self, path: str, data: bytes) -> bool:
        """Where the remote has the path taken and then does not say by what, it may be our own, whose answer was lost: ``merge`` compares."""
        if not self.failed:
            try:
                return self._remote.keep(path, data)
            except StoreUnavailable as error:
                self._away(error)
        return self._spool.keep(path, data)

    def replace(self, path: str, data: bytes) -> None:
        if not self.failed:
            try:
                return self._remote.replace(path, data)
            except Kept:  # it works; this object is not to be replaced
                raise
            except StoreUnavailable as error:
                self._away(error)
        return self._spool.replace(path, data)

    def get(self, path: str) -> bytes:
        if self.failed:
            return self._spool.get(path)
        try:
            return self._remote.get(path)
        except NotFound:
            if path.startswith(f"{_LEASES}/"):
                raise
        except StoreUnavailable as error:
            self._away(error)
            try:
                return self._spool.get(path)
            except NotFound:
                raise NotFound(
                    f"{self.url}/{path} cannot be read: {error.message}", object=path, operation="read", remedy=error.remedy
                ) from error
        return self._spool.get(path)

    def list(self, prefix: str = "") -> Paths:
        if self.failed:
            return self._spool.list(prefix)
        try:
            there = self._remote.list(prefix)
        except StoreUnavailable as error:
            self._away(error)
            return self._spool.list(prefix)
        waiting = [path for path in self._spool.list(prefix) if not path.startswith(f"{_LEASES}/")]
        return sorted({*waiting, *there})

    def delete(self, path: str) -> None:
        if self.failed or not path.startswith(f"{_LEASES}/"):
            self._spool.delete(path)
        if not self.failed:
            self._remote.delete(path)

    def sure(self, unless: str) -> None:
        if not self.failed:
            try:
                self._remote.sure(unless)
            except StoreUnavailable as error:
                self._away(error)

    def written(self, path: str) -> datetime.datetime | None:
        return (self._spool if self.failed else self._remote).written(path)

    @property
    def banner(self) -> str:
        """What everybody must know while the remote store does not work; "" when it does."""
        if not self.failed:
            return ""
        return f"THE STORE {self.url} CANNOT BE USED ({self.failed}). Everything is recorded ON THIS MACHINE ONLY, {self._where}"

    @property
    def item(self) -> dict[str, t.Any]:
        """The same as an open item of a result."""
        why = f"it cannot be used ({self.failed}); everything is recorded on this machine only, {self._where}"
        return {"object": self.url, "why": why, "due": None, "kind": "store"}

    @property
    def _where(self) -> str:
        lost = lost_with_container(str(self._spool.root))
        lost = f", WHICH {lost.upper()}: copy it to a safe place before this container ends" if lost else ""
        return f"in {self._spool.url}{lost}; run the same command again, on this machine, when the store works, and it is merged"

    def merge(self) -> Paths:
        """Bring what an earlier run spooled to the remote store; what a person must know of it. Stops, without error, when the remote fails.

        Of an object that has changed in both places the remote's stands, and this machine's is kept beside it, under ``spooled/``.
        """
        moved, told = 0, []
        if self.failed:
            return []
        for path in self._spool.list():
            if path.startswith(f"{_LEASES}/"):
                continue
            try:
                data = self._spool.get(path)
                if not self._remote.keep(path, data):
                    beside = f"spooled/{hashlib.sha256(data).hexdigest()[:16]}/{path}"
                    self._remote.keep(beside, data)
                    told.append(f"{path} was written in {self.url} and on this machine: the former counts, the latter is kept as {beside}")
            except NotFound:
                continue  # another run on this machine merges too
            except StoreUnavailable as error:
                self._away(error)
                break
            self._spool.delete(path)
            moved += 1
        else:
            if not lease.live_runs(self._spool):
                for path in self._spool.list(_LEASES):
                    self._spool.delete(path)
        if moved:
            told.insert(0, f"{moved} objects that an earlier run kept on this machine, in {self._spool.url}, are in {self.url} now")
        return told

    def refuse_if_held(self) -> None:
        """``Refused`` while a run on this machine still works with the spool."""
        lease.refuse_if_held(self._spool)

    def waiting(self) -> bool:
        """Whether the spool holds something of this case."""
        try:
            return bool(self._spool.list())
        except EvictError:
            return False


def emergency_store(store: Store, incident_id: str) -> Store:
    """``store``, with a spool behind it where it is remote. Only for mode emergency: elsewhere a store that fails stops the run."""
    return Spooled(store, incident_id) if store.remote else store


def standing_in(store: Store, incident_id: str) -> Store:
    """``store``, with the spool behind it where an emergency has put something there."""
    spooled = Spooled(store, incident_id) if store.remote else None
    return spooled if spooled and spooled.waiting() else store

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In an emergency a remote store that cannot be written (an attacker may have broken it) does not stop containment: a local directory stands in.

Each run has a chain of its own, so what was spooled is merged later by copying it to where it belongs.
"""

from __future__ import annotations

import os
from pathlib import Path

from .store import Exists, NotFound, Store, StoreUnavailable, case_store, open_store

Paths = list[str]


def folder() -> Path:
    """``$XDG_STATE_HOME/evict/spool``: survives a reboot, belongs to the responder."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "evict" / "spool"


class Spooled(Store):
    """``remote``, until it fails; from then on the spool. ``failed`` says why ("" while the remote works)."""

    remote = True

    def __init__(self, remote: Store, incident_id: str) -> None:
        self._remote, self._spool = remote, case_store(open_store(str(folder())), incident_id)
        self.url, self.failed = remote.url, ""

    def _away(self, error: StoreUnavailable) -> None:
        self.failed = self.failed or error.message

    def put(self, path: str, data: bytes) -> None:
        if not self.failed:
            try:
                return self._remote.put(path, data)
            except StoreUnavailable as error:
                self._away(error)
        return self._spool.put(path, data)

    def replace(self, path: str, data: bytes) -> None:
        if not self.failed:
            try:
                return self._remote.replace(path, data)
            except StoreUnavailable as error:
                self._away(error)
        return self._spool.replace(path, data)

    def get(self, path: str) -> bytes:
        try:
            return self._spool.get(path)
        except NotFound:
            if self.failed:
                raise
        try:
            return self._remote.get(path)
        except StoreUnavailable as error:
            self._away(error)
            raise NotFound(
                f"{self.url}/{path} cannot be read: {error.message}", object=path, operation="read", remedy=error.remedy
            ) from error

    def list(self, prefix: str = "") -> Paths:
        spooled = self._spool.list(prefix)
        if self.failed:
            return spooled
        try:
            return sorted({*spooled, *self._remote.list(prefix)})
        except StoreUnavailable as error:
            self._away(error)
            return spooled

    def delete(self, path: str) -> None:
        self._spool.delete(path)
        if not self.failed:
            self._remote.delete(path)

    @property
    def banner(self) -> str:
        """What everybody must know while the remote store does not work; "" when it does."""
        if not self.failed:
            return ""
        return (
            f"THE STORE {self.url} CANNOT BE USED ({self.failed}). Everything is recorded ON THIS MACHINE ONLY, in {self._spool.url};"
            " run the same command again when the store works, and it is merged"
        )

    def merge(self) -> int:
        """Bring what an earlier run spooled to the remote store; returns how many objects. Stops, without error, when the remote fails."""
        moved = 0
        for path in self._spool.list():
            data = self._spool.get(path)
            try:
                self._remote.put(path, data)
            except Exists:
                if self._remote.get(path) != data:
                    continue  # kept here: somebody must look at the two
            except StoreUnavailable as error:
                self._away(error)
                return moved
            self._spool.delete(path)
            moved += 1
        return moved


def emergency_store(store: Store, incident_id: str) -> Store:
    """``store``, with a spool behind it where it is remote. Only for mode emergency: elsewhere a store that fails stops the run."""
    return Spooled(store, incident_id) if store.remote else store

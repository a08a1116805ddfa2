# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both kinds of store offer, their errors, and which paths they take. The only importer of obstore."""

from __future__ import annotations

import concurrent.futures
import datetime
import re
import typing as t
from pathlib import Path

from ..errors import EvictError, MissingLibrary, Refused

try:
    import obstore
    import obstore.exceptions
    import obstore.store
except ImportError:  # reported by library(), at first use
    obstore = None  # type: ignore[assignment]

UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")
STAGED = ".tmp-"
_RESERVED = re.compile(r"#\d+\Z")  # obstore's own staging names
_READERS = 16
Paths = list[str]  # inside Store the name list is taken


class Exists(EvictError):
    """A create-only put found the path taken."""


class NotFound(EvictError):
    """Nothing is stored under this path."""


class StoreUnavailable(EvictError):
    """The store cannot be read or written: missing rights, full, read-only, unreachable. ``remedy`` says what to do."""


class Kept(StoreUnavailable):
    """The store works, and a retention policy keeps this object as it is: it can be neither replaced nor deleted."""


class Store:
    """Objects under ``url``. Paths are relative, with ``/``; any other form is ``Refused``. Safe to use from many threads."""

    url: str
    remote: bool = False
    root: Path | None = None
    failed: str = ""  # why a remote store is not used any more (see spool.py)

    def put(self, path: str, data: bytes) -> None:
        """Create an object, atomically; durable on return. ``Exists`` when the path is taken, ``StoreUnavailable``."""
        raise NotImplementedError

    def replace(self, path: str, data: bytes) -> None:
        """Create or overwrite an object, atomically; durable on return. ``StoreUnavailable``."""
        raise NotImplementedError

    def get(self, path: str) -> bytes:
        """The bytes of an object. ``NotFound``, ``StoreUnavailable``."""
        raise NotImplementedError

    def list(self, prefix: str = "") -> Paths:
        """Full paths below a folder, sorted, all pages; ``[]`` when there is nothing, not even the store."""
        raise NotImplementedError

    def delete(self, path: str) -> None:
        """Remove an object; no error when it is not there. ``StoreUnavailable``."""
        raise NotImplementedError

    def sure(self, unless: str) -> None:
        """``StoreUnavailable`` for a service that overwrites what is there in a create-only put. Not tried again where the object ``unless`` is."""

    def written(self, path: str) -> datetime.datetime | None:
        """When an object was last written, by the clock of the store; None when it does not tell. ``NotFound``, ``StoreUnavailable``."""
        raise NotImplementedError

    def child(self, name: str) -> Store:
        """The store rooted at a folder of this one."""
        raise NotImplementedError

    def keep(self, path: str, data: bytes) -> bool:
        """``put``, and whether these bytes are there now. A put whose answer was lost is sent again, and then finds itself. ``StoreUnavailable``."""
        try:
            self.put(path, data)
        except Exists:
            try:
                return self.get(path) == data
            except NotFound:  # taken, and gone again
                return False
        return True

    def get_many(self, paths: t.Iterable[str]) -> t.Iterator[tuple[str, bytes | EvictError]]:
        """(path, bytes or the error) in the order given, read by 16 threads when the store is remote."""

        def read(path: str) -> tuple[str, bytes | EvictError]:
            try:
                return path, self.get(path)
            except EvictError as error:
                return path, error

        if not self.remote:
            yield from map(read, paths)
            return
        names = list(paths)
        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            for start in range(0, len(names), 8 * _READERS):  # in windows: a ledger need not fit into memory
                yield from pool.map(read, names[start : start + 8 * _READERS])


def checked(path: str) -> str:
    """``path`` itself, or ``Refused``: parts of paths come from names that attackers chose."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.startswith(STAGED) or _RESERVED.search(part) for part in parts) or UNSAFE.search(path):
        raise Refused(
            f"unsafe path {path!r}",
            object=path,
            operation="store",
            remedy="a path is relative, without '..', empty parts or control characters",
        )
    return path


def folder(prefix: str) -> str:
    return checked(prefix.removesuffix("/")) if prefix else ""


def library() -> None:
    if obstore is None:
        raise not_installed("obstore", "to keep the case")


def not_installed(what: str, why: str) -> MissingLibrary:
    from ansible.module_utils.basic import missing_required_lib

    return MissingLibrary(missing_required_lib(what, reason=why), object=what, operation="import")


def first_line(text: str) -> str:
    return " ".join(text.split("\n\nDebug source", maxsplit=1)[0].split())[:300]

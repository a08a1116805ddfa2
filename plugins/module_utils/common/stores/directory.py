# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A case in a directory.

Staging is our own (0600 from the first byte, durable before it gets its name), publishing is obstore's create-only rename.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import secrets
import stat
import threading
import typing as t
from pathlib import Path

from .. import durable
from ..errors import EvictError, Refused
from . import interface
from .interface import STAGED, Exists, NotFound, Paths, Store, StoreUnavailable, checked, first_line, folder, library


class Directory(Store):
    """A directory. Staging is our own (0600 from the first byte, durable before it gets its name), publishing is obstore's create-only rename."""

    def __init__(self, root: Path, boundary: Path) -> None:
        self.root: Path = root
        self.url = str(root)
        self._boundary = boundary  # what no symbolic link may lead out of; a case may not leave its store either
        self._made: set[Path] = set()
        self._lock = threading.Lock()
        self._backend: t.Any = None

    def put(self, path: str, data: bytes) -> None:
        self._write(path, data, overwrite=False)

    def replace(self, path: str, data: bytes) -> None:
        self._write(path, data, overwrite=True)

    def get(self, path: str) -> bytes:
        target = self._inside(checked(path))
        with self._errors("read", path):
            if not stat.S_ISREG(os.stat(target).st_mode):  # a pipe would block for ever
                raise Refused(
                    f"{target} is not a file",
                    object=str(target),
                    operation="read",
                    remedy="somebody put it there: look at it, then remove it",
                )
            return bytes(interface.obstore.get(self._open(), path).bytes())

    def list(self, prefix: str = "") -> Paths:
        # Not obstore's listing: it follows links, and one loop or odd name in the case would make it fail as a whole.
        below = folder(prefix)
        self._inside(below)
        with self._errors("list", below):
            return sorted(durable.walk(self.root, below, STAGED))

    def delete(self, path: str) -> None:
        target = self._inside(checked(path))
        with self._errors("delete", path), contextlib.suppress(FileNotFoundError):
            os.lstat(target)  # an answer without obstore's text, and without a missing root
            interface.obstore.delete(self._open(), path)

    def written(self, path: str) -> datetime.datetime | None:
        with self._errors("read", path):
            return datetime.datetime.fromtimestamp(os.stat(self._inside(checked(path))).st_mtime, datetime.UTC)

    def child(self, name: str) -> Store:
        return Directory(self.root / checked(name), self._boundary)

    def _open(self) -> t.Any:
        with self._lock:
            if self._backend is None:
                library()
                self._backend = interface.obstore.store.LocalStore(str(self.root))
            return self._backend

    def _inside(self, path: str) -> Path:
        """The file of a path; ``Refused`` when a symbolic link leads out of the store."""
        target = self.root / path
        real, boundary = os.path.realpath(target), os.path.realpath(self._boundary)
        if real != boundary and not real.startswith(boundary.rstrip("/") + "/"):
            raise Refused(
                f"{target} leads out of the store, to {real!r}", object=str(target), operation="store", remedy="remove the symbolic link"
            )
        return target

    def _write(self, path: str, data: bytes, *, overwrite: bool) -> None:
        target = self._inside(checked(path))
        staged = f"{STAGED}{secrets.token_hex(8)}"
        library()
        with self._errors("write", path):
            if target.parent not in self._made:
                durable.make_folder(target.parent, self._boundary)
                self._made.add(target.parent)
            durable.write_file(target.parent / staged, data)
            try:
                interface.obstore.rename(self._open(), "/".join([*path.split("/")[:-1], staged]), path, overwrite=overwrite)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(target.parent / staged)
                raise
            durable.sync_folder(target.parent)

    @contextlib.contextmanager
    def _errors(self, operation: str, path: str) -> t.Iterator[None]:
        where = str(self.root / path)
        try:
            yield
        except EvictError:
            raise
        except FileNotFoundError as error:
            if operation == "write":
                self._made.clear()  # somebody removed a directory: made again next time
                raise _unavailable(where, operation, "its directory was removed in this moment") from error
            raise NotFound(f"{where}: not found", object=where, operation=operation) from error
        except OSError as error:
            raise _unavailable(where, operation, error.strerror or str(error), error.errno) from error
        except Exception as error:  # obstore's own types, which carry the system's error number in their text
            text = str(error)
            number = re.search(r"\(os error (\d+)\)", text)
            if type(error).__name__ == "AlreadyExistsError":
                raise Exists(f"{where}: exists already", object=where, operation=operation) from error
            raise _unavailable(where, operation, first_line(text), int(number[1]) if number else None) from error


def _unavailable(where: str, operation: str, why: str, number: int | None = None) -> StoreUnavailable:
    remedy = durable.REMEDIES.get(number or 0, "check that it exists and can be read and written, or choose another store")
    return StoreUnavailable(f"cannot {operation} {where}: {why}", object=where, operation=operation, remedy=remedy)

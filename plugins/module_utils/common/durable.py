# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are private from their first byte, and on disk when the call returns."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import typing as t
from pathlib import Path

REMEDIES = {
    errno.ENOSPC: "free some space or choose another store",
    errno.EDQUOT: "raise the quota or choose another store",
    errno.EFBIG: "raise the file size limit or choose another store",
    errno.EROFS: "the file system is read-only: choose another store",
    errno.EACCES: "give the user who runs this the right to read and write there, or choose another store",
    errno.EPERM: "give the user who runs this the right to read and write there (the file system must have hard links), or choose another store",
    errno.ENOTDIR: "a file is in the way of a directory: choose another store",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def write_file(path: Path, data: bytes) -> None:
    """Write a new file, 0600 whatever the umask, on disk on return. ``OSError``, with the file removed again as far as possible."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, 0o600)
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        _sync(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(handle)


def make_folder(folder: Path, boundary: Path) -> None:
    """Make ``folder`` and what is missing above it (0700); each entry on the way, at least from ``boundary`` on, is on disk on return. ``OSError``."""
    missing = []
    step = folder
    while not step.is_dir() and step != step.parent:
        missing.append(step)
        step = step.parent
    for new in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process made it in this moment; a file in the way shows below
            os.mkdir(new, 0o700)
    # Folders that were there already are synced too: their maker may not have come to its own fsync yet.
    for parent in {new.parent for new in missing} | {part for part in (folder, *folder.parents) if part.is_relative_to(boundary)}:
        sync_folder(parent)


def sync_folder(path: Path) -> None:
    """Bring the entries of a directory to disk. ``OSError``."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have no fsync of directories
            raise
    finally:
        os.close(handle)


def walk(root: Path, below: str, hidden: str) -> t.Iterator[str]:
    """The files below a folder of ``root``, as relative paths in no order; links are entries, never followed; names with ``hidden`` in front are left out.

    What vanishes meanwhile is left out; ``OSError`` for a folder that cannot be read.
    """
    pending = [below]
    while pending:
        folder = pending.pop()
        with contextlib.suppress(FileNotFoundError), os.scandir(root / folder) as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name)
                elif not entry.name.startswith(hidden):
                    yield name


def _sync(handle: int) -> None:
    full: int | None = vars(fcntl).get("F_FULLFSYNC")  # macOS, where fsync alone stops at the drive's cache
    if full is not None:
        with contextlib.suppress(OSError):  # not every file system there has it
            fcntl.fcntl(handle, full)
            return
    os.fsync(handle)

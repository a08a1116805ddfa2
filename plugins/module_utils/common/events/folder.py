# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs from a folder of this machine."""

from __future__ import annotations

import hashlib
import os
import typing as t
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import EvictError
from ..store import Store
from . import layout
from .database import MEMORY, Database
from .formats import Format
from .load import BATCH, File, Loader, Summary
from .parts import Parts


def find(folder: Path) -> list[File]:
    """The regular files below ``folder``, in the order of their times; links are not followed. ``EvictError``."""
    if not folder.is_dir():
        raise EvictError(f"{folder} is not a folder", object=str(folder), operation="list", remedy="give the folder that holds the logs")
    found: list[tuple[tuple[str, str], File]] = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in names:
            path = Path(place, name)
            about = path.lstat()
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            file = File(shown, path, about.st_size, str(about.st_mtime_ns))
            found.append((layout.sort_key(shown, about.st_mtime), file))
    found.sort(key=lambda pair: pair[0])
    return [file for _key, file in found]


def _hashed(files: list[File], known: Callable[[str, int, str], bool]) -> Iterator[File]:
    """Hashes are made when a file's turn comes, and not of what was read before."""
    for file in files:
        if known(file.name, file.size, file.tag) or not file.path.is_file() or file.path.is_symlink():
            yield file
            continue
        try:
            with open(file.path, "rb") as data:
                digest = hashlib.file_digest(data, "sha256").hexdigest()
        except OSError:
            digest = ""  # the loader says why
        yield File(file.name, file.path, file.size, file.tag, digest)


def load(
    store: Store, wanted: Sequence[Format], folder: Path, *, now: str, say: Callable[[str], None] = lambda _text: None, check: bool = False,
    memory: str = MEMORY, threads: int = 0, batch: int = BATCH, **more: t.Any,
) -> Summary:  # fmt: skip
    """Load what is new in ``folder`` into the case of ``store``. ``check``: only count what would be looked at."""
    kept = [(fmt, Parts(store, fmt.source)) for fmt in wanted]

    def known(name: str, size: int, tag: str) -> bool:
        return all(parts.knows(name, size, tag) for _format, parts in kept)

    folder = Path(os.path.realpath(folder))
    files = find(folder)
    if check or all(known(f.name, f.size, f.tag) for f in files):
        fresh = sum(not known(f.name, f.size, f.tag) for f in files)
        return Summary(files=len(files), known=len(files) - fresh, waiting=fresh)
    with kept[0][1].scratch() as scratch:
        reads = [folder, scratch, *([store.root] if store.root else [])]
        with Database.memory(reads=reads, scratch=scratch / "spill", memory=memory, threads=threads) as database:
            return Loader(database, kept, scratch, now=now, say=say, batch=batch, **more).load(_hashed(files, known))

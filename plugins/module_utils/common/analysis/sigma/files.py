# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of rules: those that are named, and those below the folders that are named."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Iterable

MOST = 5000  # files; the public collections of all products have some four thousand


def name(path: str) -> str:
    """What a file or folder is called in the report: not where it lies on this machine."""
    return os.path.basename(os.path.abspath(path)) or "/"


def found(given: Iterable[str]) -> t.Iterator[tuple[str, str, str]]:
    """(path, name in the report, why it is not read), in an order that is the same each time."""
    count = 0
    for path, called, why in (one for entry in given for one in _below(os.path.abspath(entry))):
        count += not why
        if count > MOST:
            yield path, called, f"it and what comes after it is more than {MOST} files"
            return
        yield path, called, why


def _below(path: str) -> t.Iterator[tuple[str, str, str]]:
    if not os.path.isdir(path):
        yield path, name(path), ""
        return
    refused: list[OSError] = []
    count = 0
    for folder, folders, listed in os.walk(path, onerror=refused.append):
        folders.sort()
        for file in sorted(listed):
            if not file.lower().endswith((".yml", ".yaml")):
                continue
            count += 1
            whole = os.path.join(folder, file)
            called = f"{name(path)}/{os.path.relpath(whole, path)}"
            yield whole, called, "is a link, and links in folders are not followed" if os.path.islink(whole) else ""
    for error in refused:
        yield path, f"{name(path)}/{os.path.relpath(str(error.filename), path)}", f"cannot be read: {error.strerror}"
    if not count and not refused:
        yield path, name(path), "holds no file whose name ends with .yml or .yaml"

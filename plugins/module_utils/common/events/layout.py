# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file of logs looks like, from its first bytes and its size: how its records are wrapped, and whether DuckDB may have it.

Nothing here trusts a file: what is odd is said, and such a file goes to the bounded reader alone.
"""

from __future__ import annotations

import os
import re
import stat
import typing as t
import zlib
from dataclasses import dataclass
from pathlib import Path

# The lists in which clouds wrap records: files and REST answers; LookupEvents, whose records are texts within.
WRAPPERS = ("Records", "records", "value", "entries", "Events")
_HEAD = 65536
_TOKEN = re.compile(r'"(?:[^"\\\n]++|\\[^\n])*+"?|[{}\[\]:,]')
_NAMES = re.compile(r"\.(?:json|jsonl|ndjson|log|gz)(?:\.gz)?\Z", re.IGNORECASE)
# As AWS delivers it, and nobody else writes: such a file holds nothing of another cloud.
_DELIVERED = re.compile(r'\{\s*"Records"\s*:\s*\[\s*\{\s*"eventVersion"\s*:')
_DIGEST, _INSIGHT = re.compile(r"[/_]CloudTrail-Digest[/_]"), re.compile(r"[/_]CloudTrail-Insight[/_]")
_OBJECT = 192 << 20  # bytes: the largest JSON value that DuckDB is given
_RATIO, _SMALL = 120, 8 << 20  # a CloudTrail file shrinks to a tenth or a twentieth


@dataclass(frozen=True)
class Look:
    """``layout``: "lines", "values", "array" or one of WRAPPERS. ``plain``: bytes when unpacked, as the file itself says."""

    layout: str = ""
    packed: bool = False
    size: int = 0
    plain: int = 0
    skip: str = ""  # digest, insight, empty, other: not a log of events
    odd: str = ""  # why it goes to the bounded reader
    of: str = ""  # the one log of which the whole file is, where its beginning says so


def look(path: Path, name: str = "") -> Look:
    """``name``: what it is called where it comes from, in which a digest shows. ``OSError`` when it cannot be read."""
    name = name or str(path)
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            return Look(skip="other")
        size = about.st_size
        if not size:
            return Look(skip="empty")
        if not _NAMES.search(name):
            return Look(skip="other", size=size)
        if kind := "digest" if _DIGEST.search(name) else "insight" if _INSIGHT.search(name) else "":
            return Look(skip=kind, size=size)
        head = file.read(_HEAD)
        packed, plain = head[:2] == b"\x1f\x8b", size
        if packed:
            file.seek(-4, os.SEEK_END)
            plain = int.from_bytes(file.read(4), "little")
            try:
                head = zlib.decompressobj(31).decompress(head, _HEAD)
            except zlib.error as error:
                return Look(layout="values", packed=True, size=size, plain=plain, odd=f"its gzip cannot be read ({error})")
    known = {"packed": packed, "size": size, "plain": plain}
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = head[: len(head) // 2 * 2].decode("utf-16", "replace")
        return Look(layout=_layout(text) or "values", odd="it is UTF-16", **known)  # type: ignore[arg-type]
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if not text:
        return Look(skip="empty", size=size)
    layout = _layout(text)
    if not layout:
        return Look(skip="other", size=size)
    if layout in ("lines", "values") and '"digestStartTime"' in text[:4096]:
        return Look(skip="digest", size=size)
    of = "cloudtrail" if _DELIVERED.match(text) else ""
    return Look(layout=layout, odd=_odd(layout, packed, size, plain), of=of, **known)  # type: ignore[arg-type]


def larger(path: Path, claimed: int) -> bool:
    """Whether a gzip unpacks to more than it says of itself; read no further than that. ``OSError``."""
    got = 0
    unpack = zlib.decompressobj(31)
    with open(path, "rb") as file:
        while data := file.read(65536):
            while data:
                try:
                    got += len(unpack.decompress(data, claimed + 1))
                except zlib.error:
                    return False  # damaged: DuckDB says so by itself
                if got > claimed:
                    return True
                data, unpack = (unpack.unused_data, zlib.decompressobj(31)) if unpack.eof else (unpack.unconsumed_tail, unpack)
    return False


def _odd(layout: str, packed: bool, size: int, plain: int) -> str:
    if packed and plain > _SMALL and plain > size * _RATIO:
        return f"{size} bytes unpack to {plain}"
    if layout != "lines" and plain > _OBJECT:
        return f"one JSON value of {plain} bytes"
    return ""


def _layout(text: str) -> str:
    if text[:1] == "[":
        return "array"
    if text[:1] != "{":
        return ""
    depth, key, before = 0, "", ""
    end = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "{[":
            if mark == "[" and depth == 1 and before == ":" and key in WRAPPERS:
                return key
            depth += 1
        elif mark in "}]":
            depth -= 1
            end = token.end()
            if depth == 0:
                break
        elif mark[0] == '"' and depth == 1 and before in ("{", ","):
            key = mark[1:-1]
        before = mark if len(mark) == 1 else '"'
    # One object in a line, or objects of any shape after each other?
    return "lines" if depth or "\n" not in text[:end].rstrip() else "values"


def sort_key(name: str, modified: float) -> tuple[str, str]:
    """Files in the order of what they hold, as far as their names say: then duplicates are near each other."""
    found = re.search(r"_(\d{8}T\d{4}Z)_", name) or re.search(r"(\d{4})/(\d{2})/(\d{2})", name)
    return ("".join(found.groups()) if found else f"~{modified:020.3f}"), name


def place(name: str) -> dict[str, t.Any]:
    """What a file's path tells of its events when the file itself does not: account, region, start and end (naive UTC)."""
    import datetime

    found = re.search(r"(?:\A|/)(\d{12})/CloudTrail/([a-z0-9-]{1,40})/(\d{4})/(\d{2})/(\d{2})(?:/|\Z)", name)
    if not found:
        return {}
    try:
        start = datetime.datetime(int(found[3]), int(found[4]), int(found[5]))  # noqa: DTZ001 - the tables hold UTC without saying so
    except ValueError:
        return {"account": found[1], "region": found[2]}
    return {"account": found[1], "region": found[2], "start": start, "end": start + datetime.timedelta(days=1)}

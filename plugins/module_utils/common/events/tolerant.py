# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bounded reader: takes out of a damaged or hostile file what can be read, within limits, and says what it could not.

It writes JSON lines that DuckDB can read. Whatever the file holds, it needs at most a few times ``Limits.plain`` bytes of memory and time in proportion.
"""

from __future__ import annotations

import json
import os
import re
import typing as t
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# A string never goes on after the end of its line, whatever is missing; possessive, so that nothing is tried twice.
_TOKEN = re.compile(r'"(?:[^"\\\n]++|\\[^\n])*+"?|[{}\[\]]|\n')
_UNUSUAL = re.compile(r"\\u[dD][89a-fA-F]|NaN|Infinity|[\x00-\x1f]|\d[eE]\+?\d{3}")


@dataclass(frozen=True)
class Limits:
    plain: int = 128 << 20  # bytes unpacked
    ratio: int = 200  # unpacked to packed, once it is more than small
    small: int = 16 << 20
    record: int = 16 << 20  # characters of one record
    depth: int = 100  # levels of one record; what is nested deeper is left out of it


LIMITS = Limits()


@dataclass
class Report:
    records: int = 0
    lost: int = 0  # records that could not be read
    cut: int = 0  # records of which something was left out
    why: list[str] = field(default_factory=list)

    def say(self, why: str) -> None:
        if why not in self.why:
            self.why.append(why)


def read(path: Path, packed: bool, layout: str, out: t.BinaryIO, limits: Limits = LIMITS) -> Report:
    """Write the records of ``path`` to ``out``, a line each. ``OSError`` when it cannot be read at all."""
    report = Report()
    text = _text(_plain(path, packed, limits, report), report)
    for record, depth in _records(text, layout, report):
        if len(record) > limits.record:
            report.lost += 1
            report.say(f"a record of more than {limits.record} characters")
            continue
        line = _line(record, depth, layout, limits, report)
        if line is None:
            report.lost += 1
            report.say("a record that is not JSON")
        else:
            out.write(line + b"\n")
            report.records += 1
    return report


def _plain(path: Path, packed: bool, limits: Limits, report: Report) -> bytes:
    chunks: list[bytes] = []
    got = taken = 0
    unpack = zlib.decompressobj(31)
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        while data := file.read(65536):
            taken += len(data)
            if packed:
                try:
                    piece = unpack.decompress(data, limits.plain - got + 1)
                    while unpack.eof and unpack.unused_data and got + len(piece) <= limits.plain:  # the next member
                        rest, unpack = unpack.unused_data, zlib.decompressobj(31)
                        piece += unpack.decompress(rest, limits.plain - got - len(piece) + 1)
                except zlib.error as error:
                    report.say(f"its gzip is damaged after {got} bytes ({error})")
                    break
            else:
                piece = data
            got += len(piece)
            chunks.append(piece)
            if got > limits.plain:
                report.say(f"more than {limits.plain} bytes: the rest was not read")
                break
            if packed and got > limits.small and got > taken * limits.ratio:
                report.say(f"it unpacks to more than {limits.ratio} times its size: the rest was not read")
                break
        else:
            if packed and not unpack.eof:
                report.say("its gzip ends too early")
    return b"".join(chunks)[: limits.plain]


def _text(data: bytes, report: Report) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        report.say("bytes that are not UTF-8")
        return data.decode("utf-8-sig", "replace")


def _records(text: str, layout: str, report: Report) -> Iterator[tuple[str, int]]:
    """The text of each record, and how deep it is nested."""
    outside = {"lines": 0, "values": 0, "array": 1}.get(layout, 2)  # how many brackets are open around a record
    depth = deepest = start = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark == "\n":
            if layout == "lines" and depth:  # a line that ends within a record: the next one is for itself
                report.lost += 1
                report.say("a line that ends too early")
                depth = 0
        elif mark in "{[":
            if depth == outside and mark == "{":
                start, deepest = token.start(), 0
            depth += 1
            deepest = max(deepest, depth - outside)
        elif mark in "}]":
            depth -= 1
            if depth == outside and mark == "}":
                yield text[start : token.end()], deepest
            if depth < 0:
                report.say("brackets that do not match")
                depth = 0
    if depth:
        report.say("it ends too early")
        report.lost += depth > outside


def _line(record: str, depth: int, layout: str, limits: Limits, report: Report) -> bytes | None:
    if depth > limits.depth:
        record = _shallow(record, limits.depth)
        report.cut += 1
        report.say(f"a record that is nested deeper than {limits.depth} levels: what is deeper was left out")
    flat = record.replace("\r", " ").replace("\n", " ")
    try:
        value = json.loads(flat, parse_constant=lambda _name: None, strict=False)
        if layout == "Events":  # LookupEvents wraps the record into a text
            flat = str(value["CloudTrailEvent"])
            value = json.loads(flat, parse_constant=lambda _name: None, strict=False)
            flat = flat.replace("\r", " ").replace("\n", " ")
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    if not isinstance(value, dict):
        return None
    if _UNUSUAL.search(flat):
        flat = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("Infinity", "null")
    return flat.encode("utf-8", "replace")


def _shallow(record: str, limit: int) -> str:
    """The record without what is nested deeper than ``limit``."""
    parts: list[str] = []
    depth = kept = 0
    for token in _TOKEN.finditer(record):
        mark = token[0]
        if mark in "{[":
            depth += 1
            if depth == limit + 1:
                parts.append(record[kept : token.start()] + '"(left out: nested too deep)"')
        elif mark in "}]":
            depth -= 1
            if depth == limit:
                kept = token.end()
    return "".join(parts) + record[kept:]

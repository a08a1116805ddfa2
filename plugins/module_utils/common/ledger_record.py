# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One record of a ledger: its bytes, its name, its checks."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
import secrets
import time
import typing as t

from .errors import EvictError

VERSION = 1
FOLDER = "ledger"
CHECKPOINTS = f"{FOLDER}/checkpoint"

Record = dict[str, t.Any]

_RUN = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_NAME = re.compile(rf"{FOLDER}/({_RUN})/([0-9]{{8}})\.json")
_CHECKPOINT = re.compile(rf"{CHECKPOINTS}/{_RUN}\.json")


def canonical(value: t.Any) -> bytes:
    """The one JSON text of a plain value: sorted keys, no spaces, UTF-8."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can carry and UTF-8 cannot: names are the attacker's choice
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def plain(value: t.Any, where: str) -> t.Any:
    """A deep copy made of JSON types only; ``EvictError`` names the place of anything else."""
    try:
        return _plain(value, where)
    except RecursionError as error:
        raise EvictError(f"{where} is nested too deeply for the ledger", object=where, operation="ledger") from error


def _plain(value: t.Any, where: str) -> t.Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {str.__str__(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{number}]") for number, item in enumerate(value)]
    what = "a dict with a key that is no text" if isinstance(value, dict) else type(value).__name__
    raise EvictError(f"{where} cannot be kept in the ledger: {what} is not JSON", object=where, operation="ledger")


def digest(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def new_id() -> str:
    """A UUIDv7: sorts by the millisecond in which it was made."""
    number = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def path(run: str, seq: int) -> str:
    """Where a record lies."""
    return f"{FOLDER}/{run}/{seq:08d}.json"


def rfc3339(milliseconds: int) -> str:
    """``2026-11-22T09:00:00.123Z`` of milliseconds since 1970."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def now() -> str:
    """The time of this machine."""
    return rfc3339(time.time_ns() // 1_000_000)


class Layout(t.NamedTuple):
    """What a listing of the ledger holds: sequence numbers by run, checkpoints (oldest first), and names that do not belong there."""

    chains: dict[str, list[int]]
    checkpoints: list[str]
    foreign: list[str]


def layout(names: t.Iterable[str]) -> Layout:
    """Sort a listing."""
    found = Layout({}, [], [])
    for name in names:
        if match := _NAME.fullmatch(name):
            found.chains.setdefault(match[1], []).append(int(match[2]))
        elif _CHECKPOINT.fullmatch(name):
            found.checkpoints.append(name)
        else:
            found.foreign.append(name)
    for numbers in found.chains.values():
        numbers.sort()
    found.checkpoints.sort()
    return found


def fields(step: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    """What a step says of itself: the step, or the inside of a tagged one (``{"$step": {...}}``)."""
    if "id" not in step and len(step) == 1:
        ((tag, inner),) = step.items()
        if tag.startswith("$") and isinstance(inner, dict):
            return inner
    return step


def parse(data: bytes, run: str, seq: int) -> Record:
    """A record whose every used part has the right type; ``ValueError`` says what is wrong with it."""
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({type(error).__name__})") from error
    if not isinstance(record, dict):
        raise ValueError("not a record")
    if record.get("version") != VERSION:
        raise ValueError(f"version {str(record.get('version'))[:20]!r} is not known")
    if record.get("run") != run or record.get("seq") != seq:
        raise ValueError("belongs to another place: run or seq differ from its name")
    wrong = [name for name in ("prev", "time", "kind", "incident", "host", "caller", "module") if not isinstance(record.get(name), str)]
    if not _number(record.get("order")):
        wrong.append("order")
    wrong += [name for name, key in (("intents", "id"), ("outcomes", "id"), ("notes", "kind")) if not _entries(record.get(name, []), key)]
    if not _heads(record.get("heads", {})):
        wrong.append("heads")
    if record.get("kind") == "end" and not isinstance(record.get("status"), str):
        wrong.append("status")
    if wrong:
        raise ValueError(f"missing or wrong: {', '.join(wrong)}")
    return record


def _entries(value: t.Any, key: str) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) and isinstance(fields(entry).get(key), str) for entry in value)


def _number(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _heads(value: t.Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(head, dict) and _number(head.get("seq")) and isinstance(head.get("sha256"), str) and isinstance(head.get("ended"), bool)
        for head in value.values()
    )

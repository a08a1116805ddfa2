# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An access key inside somebody's text: where its two halves stand, and the same text with both replaced and nothing else changed.

Texts are JSON (any depth), lines of ``NAME=value`` (``.env``, shell exports, ini, properties), or one half alone. Maps of names to values (environments)
are like one JSON object. Nothing here logs, returns or raises a value.
"""

from __future__ import annotations

import json
import re
import typing as t

from .errors import EvictError

Place = tuple[t.Any, ...]  # keys and positions into a document, or (line number,) of lines
_SECRET_NAME = re.compile(r"secret|passw", re.IGNORECASE)
_HALF = re.compile(r"[A-Za-z0-9/+=]{40}")
_LINE = re.compile(
    r"""^(?P<name>\s*(?:export\s+|set\s+)?[\w.$-]+)(?P<equals>\s*[=:]\s*)(?P<quote>["']?)(?P<value>.*?)(?P<end>["']?\s*[;,]?\s*)$"""
)
_LIMIT = 1_000_000  # characters of a text that is looked through
WHOLE: Place = ()


def identities(value: t.Any, keys: t.Collection[str]) -> set[str]:
    """Which of ``keys`` (access key ids) a document holds as a value of its own."""
    return {key for _form, place, found in _values(value) for key in keys if found == key and place is not None}


def replaced(value: t.Any, old: str, new: str, secret: str) -> t.Any:
    """``value`` (text, or a map of texts) with the key ``old`` and its secret replaced by ``new`` and ``secret``; unchanged when it holds ``new``.

    Raises ``EvictError`` when it holds neither, or when it cannot be told which value is the secret of ``old``.
    """
    if isinstance(value, t.Mapping):
        return _replaced_in(dict(value), old, new, secret)
    text = str(value)
    if len(text) > _LIMIT:
        raise _problem(f"it is longer than {_LIMIT:,} characters")
    if (document := _json(text)) is not None:
        return _written(text, document, _replaced_in(document, old, new, secret))
    if text.strip() in (old, new):
        return text.replace(old, new)  # the id alone; its secret is in another place
    if "\n" in text or _LINE.match(text):
        return _lines(text, old, new, secret)
    raise _problem(f"it does not hold {old} as a value")


def half(value: t.Any, new: str) -> str:
    """``new`` in the place of a text that is one half and nothing else. Raises when it is more than that."""
    text = str(value)
    if not _HALF.fullmatch(text.strip()):
        raise _problem("it is no secret access key and nothing else")
    return text.replace(text.strip(), new)


def secret_of(value: t.Any, key: str) -> str:
    """The secret that stands beside ``key``; "" when there is none or it cannot be told."""
    document = dict(value) if isinstance(value, t.Mapping) else _json(str(value))
    try:
        if document is not None:
            places = [p for p in _pairs(document, key) if p[1]]
            return str(_at(document, places[0][1])) if places else ""
        rows = str(value).splitlines()
        found = [n for n, name, text, section in _parsed(rows) if text == key]
        return next((text for n, _name, text, _s in _parsed(rows) if n == _partner(rows, found[0], key)), "") if found else ""
    except EvictError:
        return ""


# -- documents ---------------------------------------------------------------------------------------------------------------------


def _json(text: str) -> t.Any:
    """An object or list; None for anything else."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (dict, list)) else None


def _walk(value: t.Any, place: Place = (), depth: int = 0) -> t.Iterator[tuple[Place, t.Any]]:
    if depth > 64:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*place, key), depth + 1)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _walk(inner, (*place, position), depth + 1)
    else:
        yield place, value


def _values(value: t.Any) -> t.Iterator[tuple[str, Place | None, t.Any]]:
    document = dict(value) if isinstance(value, t.Mapping) else _json(str(value))
    if document is not None:
        for place, found in _walk(document):
            yield "document", place, found
        return
    text = str(value)[:_LIMIT]
    yield "whole", WHOLE, text.strip()
    for number, _name, found, _section in _parsed(text.splitlines()):
        yield "lines", (number,), found


def _at(document: t.Any, place: Place) -> t.Any:
    for part in place:
        document = document[part]
    return document


def _pairs(document: t.Any, key: str) -> list[tuple[Place, Place]]:
    """(place of the id, place of its secret or () when the id stands alone) of every time that ``key`` stands in it."""
    found = []
    for place, value in _walk(document):
        if value != key:
            continue
        parent = _at(document, place[:-1])
        names = [n for n, v in parent.items() if isinstance(v, str) and v != key] if isinstance(parent, dict) else []
        likely = [n for n in names if _SECRET_NAME.search(str(n)) and _HALF.fullmatch(parent[n].strip())]
        likely = likely or [n for n in names if _HALF.fullmatch(parent[n].strip())]
        if len(likely) > 1:
            likely = _nearest(str(place[-1]), likely)
        if len(likely) > 1:
            raise _problem(f"more than one value beside {key} may be its secret: {', '.join(map(str, likely))}")
        found.append((place, (*place[:-1], likely[0]) if likely else ()))
    return found


def _nearest(name: str, others: list[t.Any]) -> list[t.Any]:
    """Those whose names share the longest beginning with ``name``: AWS_ACCESS_KEY_ID goes with AWS_SECRET_ACCESS_KEY, not with MAIL_SECRET_KEY."""

    def shared(other: t.Any) -> int:
        return next(
            (i for i, (a, b) in enumerate(zip(name.lower(), str(other).lower(), strict=False)) if a != b), min(len(name), len(str(other)))
        )

    best = max(map(shared, others))
    return [other for other in others if shared(other) == best]


def _replaced_in(document: t.Any, old: str, new: str, secret: str) -> t.Any:
    pairs = _pairs(document, old)
    if not pairs:
        if any(value == new for _place, value in _walk(document)):
            return document
        raise _problem(f"it does not hold {old} as a value")
    changed = json.loads(json.dumps(document))
    for place, partner in pairs:
        if not partner:
            raise _problem(f"it holds {old}, but no secret beside it")
        _put(changed, place, new)
        _put(changed, partner, secret)
    return changed


def _put(document: t.Any, place: Place, value: str) -> None:
    _at(document, place[:-1])[place[-1]] = value


def _written(text: str, before: t.Any, after: t.Any) -> str:
    """``after`` as text: token by token in ``text``, so that blanks and order stay as somebody wrote them; dumped anew where that is not possible."""
    if before == after:
        return text
    swaps = {_at(before, place): value for place, value in _walk(after) if _at(before, place) != value}
    edited = text
    for old, new in swaps.items():
        edited = edited.replace(json.dumps(old), json.dumps(new))
    if _json(edited) == after:
        return edited
    return json.dumps(after, indent=2 if "\n" in text else None, ensure_ascii=False)


# -- lines -------------------------------------------------------------------------------------------------------------------------


def _parsed(rows: t.Sequence[str]) -> t.Iterator[tuple[int, str, str, int]]:
    """(number, name, value, number of the section) of each ``NAME=value``."""
    section = 0
    for number, row in enumerate(rows):
        if row.lstrip().startswith("["):
            section = number + 1
        elif not row.lstrip().startswith(("#", ";")) and (found := _LINE.match(row)):
            name = found["name"].split()[-1]
            yield number, name, found["value"], section


def _partner(rows: t.Sequence[str], number: int, key: str) -> int | None:
    """The line of the secret that belongs to the id in line ``number``: in its section, the one with the nearest name."""
    parsed = list(_parsed(rows))
    _n, mine, _v, section = next(row for row in parsed if row[0] == number)
    near = [(n, name) for n, name, value, where in parsed if where == section and n != number and _HALF.fullmatch(value)]
    near = [row for row in near if _SECRET_NAME.search(row[1])] or near
    if len(near) > 1:
        best = _nearest(mine, [name for _n, name in near])
        near = [row for row in near if row[1] in best]
    if len(near) > 1:
        raise _problem(f"more than one line may hold the secret of {key}: {', '.join(name for _n, name in near)}")
    return near[0][0] if near else None


def _lines(text: str, old: str, new: str, secret: str) -> str:
    rows = text.splitlines(keepends=True)
    bare = [row.rstrip("\r\n") for row in rows]
    held = [number for number, _name, value, _s in _parsed(bare) if value == old]
    if not held:
        if any(value == new for _n, _name, value, _s in _parsed(bare)):
            return text
        raise _problem(f"it does not hold {old} as a value")
    for number in held:
        partner = _partner(bare, number, old)
        if partner is None:
            raise _problem(f"it holds {old}, but no secret beside it")
        rows[number] = _set(rows[number], bare[number], new)
        rows[partner] = _set(rows[partner], bare[partner], secret)
    return "".join(rows)


def _set(row: str, bare: str, value: str) -> str:
    found = _LINE.match(bare)
    if found is None:
        raise AssertionError("it was parsed before")
    return f"{found['name']}{found['equals']}{found['quote']}{value}{found['end']}{row[len(bare) :]}"


def _problem(why: str) -> EvictError:
    return EvictError(why, operation="replace_credential")

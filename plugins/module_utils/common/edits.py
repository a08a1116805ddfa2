# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure functions on policy documents, registered by name: an ``Edit`` in the ledger names one of them.

Each takes the document just read and returns a new one; what others wrote elsewhere in it stays as it is.
"""

from __future__ import annotations

import copy
import json
import typing as t

from . import credential_text
from .errors import EvictError

Document = dict[str, t.Any]


def statements_of(document: Document) -> list[Document]:
    found = document.get("Statement", [])
    return [found] if isinstance(found, dict) else list(found)  # AWS allows a lone statement


def add_statement(document: Document | None, statement: Document) -> Document:
    """``document`` with ``statement``, replacing the one that has its Sid; an absent document is made."""
    new: Document = copy.deepcopy(document) if document else {"Version": "2012-10-17"}
    new["Statement"] = [s for s in statements_of(new) if s.get("Sid") != statement["Sid"]] + [statement]
    return new


def remove_statement(document: Document | None, sid: str) -> Document | None:
    """``document`` without the statement of that Sid; None when nothing is left, so that the caller deletes the document."""
    if not document:
        return None
    new = copy.deepcopy(document)
    new["Statement"] = [s for s in statements_of(new) if s.get("Sid") != sid]
    return new if new["Statement"] else None


def set_statements(document: Document | None, sids: list[str], statements: list[Document]) -> Document | None:
    """``document`` with ``statements`` in the place of those that have one of ``sids``; None when nothing is left."""
    new: Document = copy.deepcopy(document) if document else {"Version": "2012-10-17"}
    new["Statement"] = [s for s in statements_of(new) if s.get("Sid") not in sids] + list(statements)
    return new if new["Statement"] else None


class Overtaken(EvictError):
    """Somebody has written what was to be replaced since it was read."""

    code = "Overtaken"


def exchange_statements(document: Document | None, prefix: str, before: list[Document], statements: list[Document]) -> Document | None:
    """``document`` with ``statements`` in the place of ``before``, which are all whose Sid begins with ``prefix``. ``Overtaken`` when they are not any more."""
    mine = [s for s in statements_of(document or {}) if str(s.get("Sid")).startswith(prefix)]
    if sorted(mine, key=_sid) == sorted(statements, key=_sid):
        return document
    if sorted(mine, key=_sid) != sorted(before, key=_sid):
        raise Overtaken("another run has written into the same policy in this moment", operation="edit", remedy="run again")
    return set_statements(document, [_sid(s) for s in mine], statements)


def _sid(statement: Document) -> str:
    return str(statement.get("Sid"))


def restore_statements(document: Document | None, sids: list[str], statements: list[Document], text: str = "") -> Document | str | None:
    """As ``set_statements``; when what is left is what ``text`` says, it is that text, to the byte."""
    left = set_statements(document, sids, statements)
    try:
        first = json.loads(text) if text else None
    except ValueError:
        return left
    return text if left is not None and isinstance(first, dict) and {**first, "Statement": statements_of(first)} == left else left


def swap_statements(document: Document | None, remove: list[Document], add: list[Document]) -> Document | None:
    """``document`` without the statements that equal one of ``remove``, and with those of ``add`` that it lacks; None when nothing is left."""
    new: Document = copy.deepcopy(document) if document else {"Version": "2012-10-17"}
    kept = [s for s in statements_of(new) if s not in remove]
    new["Statement"] = kept + [s for s in add if s not in kept]
    return new if new["Statement"] else None


def set_rule_status(document: Document | None, rule: str, status: str) -> Document | None:
    """A lifecycle configuration with the status of its rule of that ID; unchanged when it has none."""
    new = copy.deepcopy(document)
    for entry in (new or {}).get("Rules", []):
        if entry.get("ID") == rule:
            entry["Status"] = status
    return new


def replace_value(document: Document | None, path: list[t.Any], value: t.Any) -> Document:
    """``document`` with the value at ``path`` (keys and positions); a missing parent is an error, not a guess."""
    new = copy.deepcopy(document) if document else {}
    place: t.Any = new
    try:
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
    except (KeyError, IndexError, TypeError):
        raise EvictError(f"the document has nothing at {'.'.join(map(str, path))}", operation="replace_value") from None
    return new


def replace_credential(document: t.Any, old: str, new: str, secret: str, at: list[t.Any] | None = None, half: str = "") -> t.Any:
    """``document`` with the access key ``old`` and its secret replaced, in the value at ``at`` (keys). ``half``: the value is one half alone, id or secret."""
    value = document
    for part in at or ():
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        raise EvictError(f"the document has nothing at {'.'.join(map(str, at or ('the top',)))}", operation="replace_credential")
    changed = credential_text.half(value, secret) if half == "secret" else credential_text.replaced(value, old, new, secret)
    return replace_value(document, list(at), changed) if at else changed


def replace_in_variables(document: t.Any, lists: list[list[t.Any]], old: str, new: str, secret: str) -> t.Any:
    """``document`` with the access key ``old`` and its secret replaced in lists of ``{name, value}``, each at its path; entries with a ``type`` other than

    PLAINTEXT are references and stay as they are.
    """
    changed = copy.deepcopy(document)
    found: dict[str, list[Document]] = {}
    for number, path in enumerate(lists):
        place: t.Any = changed
        for part in path:
            place = place.get(part) if isinstance(place, dict) else place[part] if isinstance(place, list) and len(place) > part else None
        found[str(number)] = [entry for entry in place or () if "value" in entry and entry.get("type", "PLAINTEXT") == "PLAINTEXT"]
    after = credential_text.replaced({n: {e["name"]: e["value"] for e in entries} for n, entries in found.items()}, old, new, secret)
    for key, entries in found.items():
        for entry in entries:
            entry["value"] = after[key][entry["name"]]
    return changed


def only(document: Document | None, keys: list[str]) -> Document:
    """What ``document`` has under ``keys``: the part of an older version that is to be written again."""
    return {key: (document or {})[key] for key in keys if key in (document or {})}


EDITS: dict[str, t.Callable[..., Document | str | None]] = {
    f.__name__: f
    for f in (
        add_statement,
        remove_statement,
        set_statements,
        exchange_statements,
        restore_statements,
        swap_statements,
        set_rule_status,
        replace_value,
        replace_credential,
        replace_in_variables,
        only,
    )
}


_STATEMENTS = ("add_statement", "remove_statement", "set_statements", "exchange_statements", "restore_statements", "swap_statements")


def apply(name: str, document: Document | None, arguments: t.Mapping[str, t.Any]) -> Document | str | None:
    if isinstance(document, str) and name in _STATEMENTS:
        raise EvictError("the policy is no valid JSON, so nothing is written into it", operation="edit")
    if name not in EDITS:
        raise EvictError(f"no such edit: {name}", operation="edit")
    return EDITS[name](document, **arguments)

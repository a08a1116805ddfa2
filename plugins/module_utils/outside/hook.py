# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the user's own: one gets the new credential on stdin, one says which key is in place. Their output is in no message, log or file.

``Apply``: ``{"version": 1, "user", "old": {"access_key_id"}, "new": {"access_key_id", "secret_access_key"}}``; it may come twice for one key.
``Verify``: on stdin the same without ``new``; on stdout the id alone, or ``{"access_key_id": ID}``.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Mapping, Sequence

from ..common import dependents as declared
from ..common.errors import EvictError
from ..common.plan import Call
from ..common.schema import Fields
from .commands import run
from .kind import Answer, Connection, Documents

if t.TYPE_CHECKING:
    from ..common.incident import Incident

CLOUD = "hook"
SECONDS = 60
DOCUMENTS: Documents = {}
_ID = re.compile(r"[A-Z0-9]{16,128}")


def connections(_incident: Incident, dependents: Sequence[t.Any]) -> dict[str, Connection]:
    """The hooks as they are declared among the dependents, by name. Commands come from there alone, never from the ledger."""
    return declared_as(CLOUD, dependents)


def declared_as(kind: str, dependents: Sequence[t.Any]) -> dict[str, Connection]:
    problems: list[tuple[str, str]] = []
    entries = declared.read(Fields({"dependents": list(dependents)}, "dependents", problems, ("dependents",)))
    return {str(e["name"]): e for e in entries if isinstance(e, dict) and e.get("kind") == kind and e.get("name")} if not problems else {}


def carry_out(connection: Connection, call: Call, parameters: Mapping[str, t.Any]) -> Answer:
    """``Apply`` {user, old, new, secret}: {}; ``Verify`` {}: {access_key_id}, None where it names none."""
    name = f"hook {call.target.account}"
    words = connection["command" if call.operation == "Apply" else "verify"]
    out = run(words, message(call.operation, parameters), float(connection.get("seconds") or SECONDS), name)
    return {} if call.operation == "Apply" else said(out, name)


def message(operation: str, parameters: Mapping[str, t.Any]) -> bytes:
    given: dict[str, t.Any] = {"version": 1, "operation": operation.lower()}
    if operation == "Apply":
        new = {"access_key_id": parameters["new"], "secret_access_key": parameters["secret"]}
        given |= {"user": parameters["user"], "old": {"access_key_id": parameters["old"]}, "new": new}
    return json.dumps(given).encode()


def said(answer: bytes, name: str) -> Answer:
    """The id of the key that is in place, and nothing else of what was answered."""
    text = answer.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        try:
            text = str(json.loads(text).get("access_key_id") or "")
        except ValueError:
            text = "?"
    if text and not _ID.fullmatch(text):
        raise EvictError(f"{name}: verify did not answer with the id of a key and nothing else", object=name, operation="verify")
    return {"access_key_id": text or None}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the user's own: the new credential is posted over TLS, signed; a signed GET answers which key is in place.

``X-Evict-Timestamp``: seconds since 1970; ``X-Evict-Signature``: ``sha256=`` and the HMAC of ``TIMESTAMP.METHOD.PATH.BODY`` under the shared secret. The
receiver checks both, refuses what is older than five minutes, and takes the same key twice. Bodies are those of ``hook``.
"""

from __future__ import annotations

import hashlib
import hmac
import time
import typing as t
import urllib.parse
from collections.abc import Mapping, Sequence

from ..common.plan import Call
from . import hook, session
from .kind import Answer, Connection, Documents, secret, server

if t.TYPE_CHECKING:
    from ..common.incident import Incident

CLOUD = "webhook"
DOCUMENTS: Documents = {}


def connections(_incident: Incident, dependents: Sequence[t.Any]) -> dict[str, Connection]:
    return hook.declared_as(CLOUD, dependents)


def carry_out(connection: Connection, call: Call, parameters: Mapping[str, t.Any]) -> Answer:
    """As ``hook.carry_out``."""
    name, post = f"webhook {call.target.account}", call.operation == "Apply"
    url = urllib.parse.urlsplit(str(connection["url" if post else "verify"]))
    body, method, path = (hook.message(call.operation, parameters) if post else b""), "POST" if post else "GET", url.path or "/"
    stamp = str(int(time.time()))
    signed = hmac.new(secret(connection, "secret", name).encode(), f"{stamp}.{method}.{path}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "X-Evict-Timestamp": stamp,
        "X-Evict-Signature": f"sha256={signed}",
        **({"Content-Type": "application/json"} if post else {}),
    }
    where = server(connection, name, {}, f"{url.scheme}://{url.netloc}")
    answer = session.request(where, call, method, path, data=body or None, headers=headers, subject=name,
                             seconds=float(connection.get("seconds") or session.SECONDS))  # fmt: skip
    return {} if post else hook.said(answer.body, name)

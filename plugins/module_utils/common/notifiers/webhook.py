# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A webhook of your own: JSON, signed with HMAC-SHA256 over time and body.

``X-Evict-Signature: v1=<hex>`` of ``<X-Evict-Timestamp>.<body>``. A receiver compares it, refuses old timestamps, and drops an ``X-Evict-Id`` that it has seen.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import typing as t

from ..message import Message
from .kind import Channel, Option, Request, Secrets, body, post

KIND, GROUP, BY = "webhook", "machine", "uri"
OPTIONS: dict[str, Option] = {}
SECRETS = {"url": True, "secret": True}
ANSWERS = (200, 201, 202, 204)
VERSION = 1
_SECONDS = re.compile(r"[0-9]{10}")


def payload(message: Message, _channel: Channel, _ref: str) -> dict[str, t.Any]:
    return {
        "version": VERSION, "id": message.key, "incident": message.incident, "event": message.event, "severity": message.severity, "at": message.at,
        "headline": message.headline, "title": message.title, "facts": dict(message.facts), "lines": list(message.lines),
    }  # fmt: skip


def signature(secret: str, timestamp: str, text: str) -> str:
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.{text}".encode(), hashlib.sha256).hexdigest()


def request(channel: Channel, payload: t.Any, secrets: Secrets) -> Request:
    """``channel["sent_at"]``: seconds since 1970, the same for all that is asked about one message."""
    timestamp = str(channel["sent_at"])
    if not _SECONDS.fullmatch(timestamp):
        raise ValueError(timestamp)
    headers = {
        "X-Evict-Id": str(payload["id"]),
        "X-Evict-Timestamp": timestamp,
        "X-Evict-Signature": signature(secrets["secret"], timestamp, body(payload)),
    }
    return post(secrets["url"], payload, headers)

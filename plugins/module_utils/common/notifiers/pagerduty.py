# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PagerDuty: Events API v2. One alert for an incident (``dedup_key``), which an acknowledgement acknowledges and a release resolves."""

from __future__ import annotations

import typing as t

from ..message import Message
from .kind import Channel, Request, Secrets, endpoint, post

KIND, GROUP, BY = "pagerduty", "page", "uri"
OPTIONS = {"endpoint_url": endpoint(False)}
SECRETS = {"routing_key": True}
ANSWERS = (202,)
_ENDPOINT = "https://events.pagerduty.com"
_ACTIONS = {"acknowledged": "acknowledge", "released": "resolve"}
_SEVERITIES = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}


def payload(message: Message, _channel: Channel, _ref: str) -> dict[str, t.Any]:
    details = {**dict(message.facts), "Lines": list(message.lines)}
    return {
        "event_action": _ACTIONS.get(message.event, "trigger"),
        "dedup_key": f"evict-{message.incident}"[:255],
        "client": "evict.cloud",
        "payload": {
            "summary": message.subject[:1024], "source": "evict.cloud", "severity": _SEVERITIES[message.severity], "timestamp": message.at,
            "class": message.event, "custom_details": details,
        },
    }  # fmt: skip


def request(channel: Channel, payload: t.Any, secrets: Secrets) -> Request:
    url = str(channel.get("endpoint_url") or _ENDPOINT).rstrip("/") + "/v2/enqueue"
    return post(url, {**payload, "routing_key": secrets["routing_key"]})

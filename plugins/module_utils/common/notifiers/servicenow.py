# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ServiceNow: one record of the incident table for an incident, then work notes on it. ``[code]``, which would let HTML through, is broken up."""

from __future__ import annotations

import base64
import re
import typing as t

from ..message import Message
from .kind import WORD, Channel, Option, Request, Secrets, endpoint, post

KIND, GROUP, BY = "servicenow", "ticket", "uri"
OPTIONS = {
    "endpoint_url": endpoint(True),
    "user": Option(WORD, "not a name", True),
    "table": Option(re.compile(r"[a-z][a-z0-9_]{0,79}", re.ASCII), "not the name of a table"),
}
SECRETS = {"password": True}
ANSWERS = (200, 201)
REF = re.compile(r"[0-9a-f]{32}")
_URGENCY = {"critical": "1", "high": "1", "medium": "2", "low": "3"}
_CODE = re.compile(r"\[(?=/?\s*code)", re.IGNORECASE)


def defused(text: str) -> str:
    """No HTML and no switch to it."""
    return _CODE.sub("(", text).replace("<", "\u2039").replace(">", "\u203a")


def payload(message: Message, channel: Channel, ref: str) -> dict[str, t.Any]:
    """{"path", "method", "json"}: a new record, or a work note on ``ref``."""
    path = f"/api/now/table/{channel.get('table') or 'incident'}"
    if ref:
        return {"path": f"{path}/{ref}", "method": "PATCH", "json": {"work_notes": defused(message.text)}}
    fields = {
        "short_description": defused(message.subject)[:160], "description": defused(message.text), "urgency": _URGENCY[message.severity],
        "impact": _URGENCY[message.severity], "correlation_id": f"evict-{message.incident}", "correlation_display": "evict.cloud",
    }  # fmt: skip
    return {"path": path, "method": "POST", "json": fields}


def request(channel: Channel, payload: t.Any, secrets: Secrets) -> Request:
    login = base64.b64encode(f"{channel['user']}:{secrets['password']}".encode()).decode()
    url = str(channel["endpoint_url"]).rstrip("/") + payload["path"]
    return post(url, payload["json"], {"Authorization": f"Basic {login}", "Accept": "application/json"}, payload["method"])


def ref(answer: t.Any) -> str:
    """The id of the record in an answer; "" when there is none."""
    made = answer.get("result") if isinstance(answer, dict) else None
    found = str(made.get("sys_id") or "") if isinstance(made, dict) else ""
    return found if REF.fullmatch(found) else ""

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jira Cloud: one issue for an incident, then comments on it. Text of others stands in text nodes (Atlassian Document Format), never in markup."""

from __future__ import annotations

import base64
import re
import typing as t

from ..message import Message
from .kind import ADDRESS, WORD, Channel, Option, Request, Secrets, endpoint, post

KIND, GROUP, BY = "jira", "ticket", "uri"
OPTIONS = {
    "endpoint_url": endpoint(True),
    "user": Option(ADDRESS, "not an e-mail address", True),
    "project": Option(re.compile(r"[A-Z][A-Z0-9_]{1,30}", re.ASCII), "not the key of a project", True),
    "issue_type": Option(WORD, "not a name"),
}
SECRETS = {"token": True}
ANSWERS = (200, 201)
REF = re.compile(r"[A-Z][A-Z0-9_]{1,30}-[0-9]{1,10}", re.ASCII)


def payload(message: Message, channel: Channel, ref: str) -> dict[str, t.Any]:
    """{"path", "json"}: a new issue, or a comment on ``ref``."""
    if ref:
        return {"path": f"/rest/api/3/issue/{ref}/comment", "json": {"body": _document(message)}}
    fields = {
        "project": {"key": channel["project"]}, "issuetype": {"name": channel.get("issue_type") or "Task"}, "summary": message.subject[:250],
        "description": _document(message), "labels": ["evict", f"evict-{message.incident}"],
    }  # fmt: skip
    return {"path": "/rest/api/3/issue", "json": {"fields": fields}}


def request(channel: Channel, payload: t.Any, secrets: Secrets) -> Request:
    login = base64.b64encode(f"{channel['user']}:{secrets['token']}".encode()).decode()
    url = str(channel["endpoint_url"]).rstrip("/") + payload["path"]
    return post(url, payload["json"], {"Authorization": f"Basic {login}", "Accept": "application/json"})


def ref(answer: t.Any) -> str:
    """The key of the issue in an answer; "" when there is none."""
    found = str(answer.get("key") or "") if isinstance(answer, dict) else ""
    return found if REF.fullmatch(found) else ""


def _document(message: Message) -> dict[str, t.Any]:
    lines = [message.subject, *(f"{label}: {text}" for label, text in message.facts)]
    content: list[dict[str, t.Any]] = [_paragraph(line) for line in lines]
    if message.lines:
        content.append({"type": "bulletList", "content": [{"type": "listItem", "content": [_paragraph(line)]} for line in message.lines]})
    return {"type": "doc", "version": 1, "content": content}


def _paragraph(text: str) -> dict[str, t.Any]:
    return {"type": "paragraph", "content": [{"type": "text", "text": text}]}

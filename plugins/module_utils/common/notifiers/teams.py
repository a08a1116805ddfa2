# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Teams: a Workflows webhook that takes an Adaptive Card. Text of others stands in TextRuns, which know no Markdown."""

from __future__ import annotations

import typing as t

from ..message import Message
from .kind import Channel, Option, Request, Secrets, post

KIND, GROUP, BY = "teams", "chat", "uri"
OPTIONS: dict[str, Option] = {}
SECRETS = {"url": True}
ANSWERS = (200, 202)
_SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"


def payload(message: Message, _channel: Channel, _ref: str) -> dict[str, t.Any]:
    body = [_text(message.subject, weight="Bolder", size="Medium")]
    body += [_text(f"{label}: {text}") for label, text in message.facts] + [_text(line) for line in message.lines]
    card = {"$schema": _SCHEMA, "type": "AdaptiveCard", "version": "1.4", "body": body}
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}],
    }


def request(_channel: Channel, payload: t.Any, secrets: Secrets) -> Request:
    return post(secrets["url"], payload)


def _text(text: str, **style: str) -> dict[str, t.Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}

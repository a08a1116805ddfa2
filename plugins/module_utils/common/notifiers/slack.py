# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack: an incoming webhook. Text of others stands in plain_text only, escaped, and mentions nobody."""

from __future__ import annotations

import re
import typing as t

from ..message import Message
from .kind import Channel, Option, Request, Secrets, post

KIND, GROUP, BY = "slack", "chat", "uri"
OPTIONS: dict[str, Option] = {}
SECRETS = {"url": True}
ANSWERS = (200,)
_HEADER, _SECTION = 150, 2900  # characters that a block takes
_MENTION = re.compile(r"@(?=here|channel|everyone)", re.IGNORECASE)


def escaped(text: str) -> str:
    """Slack's three control characters, which begin links, mentions and broadcasts; @here and its like are broken up."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub("@\u200b", text)


def payload(message: Message, _channel: Channel, _ref: str) -> dict[str, t.Any]:
    facts = escaped("\n".join(f"{label}: {text}" for label, text in message.facts))[:_SECTION]
    blocks = [
        {"type": "header", "text": _plain(escaped(message.subject)[:_HEADER])},
        {"type": "section", "text": _plain(facts)},
    ]
    if message.lines:
        blocks.append({"type": "section", "text": _plain(escaped("\n".join(message.lines))[:_SECTION])})
    return {
        "text": escaped(message.subject),
        "mrkdwn": False,
        "link_names": False,
        "parse": "none",
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": blocks,
    }


def request(_channel: Channel, payload: t.Any, secrets: Secrets) -> Request:
    return post(secrets["url"], payload)


def _plain(text: str) -> dict[str, t.Any]:
    return {"type": "plain_text", "text": text, "emoji": False}

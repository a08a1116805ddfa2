# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""E-mail: plain text only, so there is no HTML to inject into; headers are one line each. Sent by ``case_mail``."""

from __future__ import annotations

import re
import typing as t

from ..message import Message
from .kind import ADDRESS, HOST, WORD, Channel, Option, Request, Secrets

KIND, GROUP, BY = "email", "mail", "mail"
OPTIONS = {
    "host": Option(HOST, "not a host", True),
    "port": Option(re.compile(r"[0-9]{1,5}"), 'not a port in quotes, as "587"'),
    "tls": Option(re.compile(r"starttls|tls|none"), "must be starttls, tls or none"),
    "ca_file": Option(WORD, "not a path"),
    "from": Option(ADDRESS, "not an e-mail address", True),
    "to": Option(ADDRESS, "not an e-mail address", True, True),
    "user": Option(WORD, "not a name"),
}
SECRETS = {"password": False}
ANSWERS: tuple[int, ...] = ()
_SUBJECT = 200


def payload(message: Message, channel: Channel, _ref: str) -> dict[str, t.Any]:
    thread = f"<{message.incident}.evict@{str(channel['from']).rpartition('@')[2]}>"
    headers = {"Subject": message.subject[:_SUBJECT], "In-Reply-To": thread, "References": thread, "Auto-Submitted": "auto-generated"}
    return {"id": f"<{message.key}@{str(channel['from']).rpartition('@')[2]}>", "headers": headers, "text": message.text + "\n"}


def request(_channel: Channel, _payload: t.Any, _secrets: Secrets) -> Request:
    raise NotImplementedError("case_mail sends it")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind of notifier declares, and what they share."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from collections.abc import Mapping

from ..message import Message

LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?(?:/.*)?", re.ASCII)
URL = re.compile(r"https://(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::[0-9]{1,5})?(?:[/?][!-~]{0,2000})?", re.ASCII)
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[?[0-9A-Fa-f:]{2,45}\]?", re.ASCII)
ADDRESS = re.compile(r"[A-Za-z0-9._%+=-]{1,64}@[A-Za-z0-9.-]{1,253}", re.ASCII)
WORD = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,256}")
Channel = Mapping[str, t.Any]
Secrets = Mapping[str, str]


class Option(t.NamedTuple):
    """One option of a channel: text that matches, or with ``many`` a list of such texts."""

    pattern: re.Pattern[str]
    says: str
    required: bool = False
    many: bool = False


@dataclasses.dataclass(frozen=True)
class Request:
    """What is sent. Holds secrets, so it is made where it is sent and kept nowhere."""

    url: str
    headers: dict[str, str]
    body: str
    method: str = "POST"


class Kind(t.Protocol):
    """A file of this folder. ``GROUP``: its row of the severity matrix; ``BY``: what sends it (uri, mail, sns); ``SECRETS``: {name: whether it must be there};

    ``ANSWERS``: statuses of success. ``payload``: what is sent, without secrets, as JSON; ``ref``: what an earlier message of the incident made there.
    """

    KIND: str
    GROUP: str
    BY: str
    OPTIONS: dict[str, Option]
    SECRETS: dict[str, bool]
    ANSWERS: tuple[int, ...]

    def payload(self, message: Message, channel: Channel, ref: str, /) -> dict[str, t.Any]: ...

    def request(self, channel: Channel, payload: t.Any, secrets: Secrets, /) -> Request: ...


def allowed(url: str) -> bool:
    """https, or http to this machine: anything else would send the message in the clear."""
    return bool(URL.fullmatch(url) or LOOPBACK.fullmatch(url))


def endpoint(required: bool) -> Option:
    """``endpoint_url``: an address that is no secret."""
    return Option(re.compile(f"{URL.pattern}|{LOOPBACK.pattern}", re.ASCII), "not an https URL", required)


def body(payload: t.Any) -> str:
    """The one text that is sent and signed. ASCII: no character of others reaches a receiver unescaped."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"))


def post(url: str, payload: t.Any, headers: Mapping[str, str] | None = None, method: str = "POST") -> Request:
    """JSON to ``url``."""
    return Request(url, {"Content-Type": "application/json", "User-Agent": "evict.cloud", **(headers or {})}, body(payload), method)

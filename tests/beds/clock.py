"""The cloud's clock, which may differ from the laptop's: a cutoff taken from the wrong one spares the attacker."""

from __future__ import annotations

import datetime
import time
from email.utils import formatdate
from typing import Any

_offset = {"seconds": 0.0}


def set_offset(seconds: float) -> None:
    """How far the cloud is ahead. Raises ValueError beyond 4 minutes: AWS refuses signatures 5 minutes off."""
    if abs(seconds) > 240:
        raise ValueError(f"the clocks may differ by 240 seconds at most, not {seconds}")
    _offset["seconds"] = float(seconds)


def offset() -> float:
    """Seconds the cloud is ahead."""
    return _offset["seconds"]


def now() -> float:
    """The cloud's time."""
    return time.time() + _offset["seconds"]


def _stamp(seconds: float = 0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now() + seconds))


def dated(send: Any) -> Any:
    """An ASGI send that puts the cloud's time into Date."""

    async def send_dated(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and _offset["seconds"]:
            headers = [(name, value) for name, value in message.get("headers", []) if name.lower() != b"date"]
            message = {**message, "headers": [*headers, (b"date", formatdate(now(), usegmt=True).encode())]}
        await send(message)

    return send_dated


def install() -> None:
    """Issue times, expirations, creation dates and aws:CurrentTime by the cloud's clock."""
    from ministack.core import iam_evaluator as ev
    from ministack.services import iam, sts

    iam._now = _stamp
    iam._future = sts._future = _stamp
    register, resolve = sts.register_session, ev._resolve_condition_key

    def register_session(access_key: str, session: dict[str, Any]) -> None:
        register(access_key, {**session, "IssuedAt": now()})

    def resolve_condition_key(key: str, context: Any) -> Any:
        if key.lower() == "aws:currenttime":
            return datetime.datetime.fromtimestamp(now(), datetime.UTC).isoformat()
        return str(int(now())) if key.lower() == "aws:epochtime" else resolve(key, context)

    sts.register_session = register_session
    ev._resolve_condition_key = resolve_condition_key
    sts._evict_expired_sessions = lambda: None  # an expired token is ExpiredToken for good, not an unknown one

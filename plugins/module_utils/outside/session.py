# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to places outside of the clouds: TLS on, proxies of the environment, no redirect, bounded, repeated where nothing can be done twice.

The only file that does so, with what Python has: a rotation sends a few requests to each of them.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import ssl
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping

from ..common.errors import CloudError
from ..common.plan import Call
from ..common.schema import printable

SECONDS = 20.0
_PAUSES = (0.5, 1.0, 2.0, 4.0)  # seconds before it is sent again
_LONGEST = 10.0  # seconds that a server may ask us to wait
_MAX = 8 * 1024 * 1024  # bytes of an answer
_SAID = 300  # characters of what a server says


@dataclasses.dataclass(frozen=True)
class Server:
    """Where requests go. ``headers`` hold what authorizes them: it is in no message."""

    url: str
    headers: Mapping[str, str]
    context: ssl.SSLContext | None = None


@dataclasses.dataclass(frozen=True)
class Answer:
    """``headers``: by their names in small letters, as some servers send them."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, t.Any]:
        """An object; anything else is under ``items``; {} for nothing."""
        found = json.loads(self.body) if self.body.strip() else {}
        return found if isinstance(found, dict) else {"items": found}


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect would take the credentials to somebody else."""

    def redirect_request(self, *_args: t.Any, **_more: t.Any) -> None:
        return None


def request(
    server: Server,
    call: Call,
    method: str,
    path: str,
    *,
    json_body: t.Any = None,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    subject: str = "",
    explain: Callable[[Answer], str] = lambda _answer: "",
    seconds: float = SECONDS,
    most: int = _MAX,
) -> Answer:
    """Send it; ``path`` is quoted already (``quoted``). Any 2xx is an answer; the rest raises ``CloudError``, with ``explain`` of what the server said.

    ``most``: bytes of an answer.

    What is not idempotent is sent once more only when it was refused before it was carried out (429, or nobody listens there).
    """
    body = json.dumps(json_body).encode() if json_body is not None else data
    sent = {"Accept": "application/json", "User-Agent": "evict.cloud", **server.headers, **(headers or {})}
    if json_body is not None:
        sent.setdefault("Content-Type", "application/json")
    name = subject or call.target.account
    again = call.idempotent or method in ("GET", "HEAD")
    for pause in (*_PAUSES, None):
        try:
            return _send(server, method, path, body, sent, seconds, most)
        except urllib.error.HTTPError as error:
            answer = Answer(error.code, _small(error.headers or {}), _said(error))
            failure = _refused(call, name, answer, explain)
            wait = answer.headers.get("retry-after", "")
            pause = min(float(wait), _LONGEST) if pause is not None and wait.isdigit() else pause  # noqa: PLW2901
            repeat = error.code == 429 or (again and error.code in (500, 502, 503, 504))
        except (OSError, http.client.HTTPException, ValueError) as error:  # URLError is an OSError
            reason = getattr(error, "reason", error)
            unsure = not isinstance(reason, (ConnectionRefusedError, ssl.SSLCertVerificationError)) and type(reason).__name__ != "gaierror"
            failure = CloudError(
                f"{call.name} on {name}: no answer from {server.url} ({type(reason).__name__})", code=type(reason).__name__, lost=unsure, object=name,
                operation=call.name, remedy="check the address, the CA and the network, then run the same command again",
            )  # fmt: skip
            repeat = not isinstance(reason, (ssl.SSLError, ValueError)) and (again or not unsure)
        if pause is None or not repeat:
            raise failure
        time.sleep(pause)
    raise AssertionError("not reached")


def _send(server: Server, method: str, path: str, body: bytes | None, headers: Mapping[str, str], seconds: float, most: int) -> Answer:
    # Without a context of its own urllib reads the machine's CAs for each request; this one trusts nobody.
    context = server.context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    local = (
        [urllib.request.ProxyHandler({})] if server.url.startswith("http://") else []
    )  # on this machine: a proxy would be told the token
    opener = urllib.request.build_opener(_Stay(), urllib.request.HTTPSHandler(context=context), *local)
    asked = urllib.request.Request(server.url.rstrip("/") + path, data=body, headers=dict(headers), method=method)
    with opener.open(asked, timeout=seconds) as answer:
        return Answer(answer.status, _small(answer.headers), _read(answer, most))


def _small(headers: t.Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _read(answer: t.Any, most: int = _MAX) -> bytes:
    found: bytes = answer.read(most + 1)
    if len(found) > most:
        raise ValueError("the answer is too long")
    if getattr(answer, "length", None):  # Python does not say so of itself, and half an answer may look like one that says nothing
        raise http.client.IncompleteRead(found, answer.length)
    return found


def _said(error: urllib.error.HTTPError) -> bytes:
    try:
        return _read(error)
    except (OSError, http.client.HTTPException, ValueError):  # cut in the middle, or endless: its status is what counts
        return b""


def _refused(call: Call, name: str, answer: Answer, explain: Callable[[Answer], str]) -> CloudError:
    code = status_name(answer.status)
    try:
        said = printable(explain(answer), _SAID)
    except (ValueError, KeyError, TypeError, AttributeError):  # a page of a proxy, not of the server
        said = ""
    remedy = {
        "Unauthorized": "its credentials are not valid: renew them, then run again",
        "Forbidden": f"its credentials may not {call.operation}",
    }
    return CloudError(f"{call.name} on {name}: {code}" + (f": {said}" if said else ""), code=code, lost=answer.status >= 500, object=name,
                      operation=call.name, remedy=remedy.get(code, ""))  # fmt: skip


def status_name(status: int) -> str:
    """404: NotFound."""
    try:
        return "".join(word.capitalize() for word in http.HTTPStatus(status).phrase.replace("-", " ").split())
    except ValueError:
        return f"Status{status}"


def quoted(*parts: str) -> str:
    """``/a/b%2Fc``: each part as one segment of a path."""
    return "".join(f"/{urllib.parse.quote(part, safe='')}" for part in parts)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""E-mail by SMTP: TLS with the certificate checked, bounded waits, and nothing in a header that could begin another."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
import typing as t
from collections.abc import Callable, Iterator, Mapping
from email.message import EmailMessage
from email.policy import SMTP

from .channels import TIMEOUT
from .errors import EvictError
from .message import tame

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
Channel = Mapping[str, t.Any]


def build(channel: Channel, payload: Mapping[str, t.Any]) -> EmailMessage:
    """The mail: one part of plain text."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Message-ID"] = channel["from"], ", ".join(channel["to"]), payload["id"]
    for name, value in payload["headers"].items():
        mail[name] = tame(value, 900) if name == "Subject" else value
    mail.set_content(payload["text"], charset="utf-8", cte="quoted-printable")
    return mail


def send(channel: Channel, payload: Mapping[str, t.Any], secrets: Mapping[str, str]) -> list[str]:
    """Hand the mail to the server; the recipients that it refused, while it took the others. Raises ``EvictError`` when it took none.

    Once it has taken the mail, whatever goes wrong is no reason to send it again.
    """
    mail, taken, refused = build(channel, payload), False, list[str]()
    try:
        with _server(channel, secrets) as server:
            refused = sorted(server.send_message(mail, channel["from"], list(channel["to"])))
            taken = True
    except EvictError:
        if not taken:
            raise
    return refused


def test(channel: Channel, secrets: Mapping[str, str]) -> None:
    """The server is reached, speaks TLS and takes the login; no mail. Raises ``EvictError``."""
    with _server(channel, secrets) as server:
        server.noop()


def run(params: Mapping[str, t.Any], resolve: Callable[[Channel], Mapping[str, str]], *, check: bool) -> dict[str, t.Any]:
    """The body of ``case_mail``; ``resolve`` reads the channel's secrets."""
    channel, refused = params["channel"], list[str]()
    if params["state"] == "tested":
        test(channel, resolve(channel))
    elif not check:
        refused = send(channel, params["payload"], resolve(channel))
    return {"changed": params["state"] == "sent", "to": [one for one in channel["to"] if one not in refused], "refused": refused}


@contextlib.contextmanager
def _server(channel: Channel, secrets: Mapping[str, str]) -> Iterator[smtplib.SMTP]:
    tls, host, wait = channel.get("tls") or "starttls", str(channel["host"]).strip("[]"), int(channel.get("timeout") or TIMEOUT)
    port = int(channel.get("port") or _PORTS[tls])
    try:
        context = ssl.create_default_context(cafile=channel.get("ca_file")) if tls != "none" else None
        with (
            smtplib.SMTP_SSL(host, port, timeout=wait, context=context)
            if tls == "tls"
            else smtplib.SMTP(host, port, timeout=wait) as server
        ):
            if tls == "starttls":
                server.starttls(context=context)
            if secrets.get("password"):
                server.login(str(channel.get("user") or channel["from"]), secrets["password"])
            yield server
    except smtplib.SMTPAuthenticationError as error:
        raise _error(channel, f"the server refused the login ({error.smtp_code})") from None
    except smtplib.SMTPRecipientsRefused as error:
        raise _error(channel, f"the server refused {', '.join(sorted(error.recipients))}") from None
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
        raise _error(channel, f"the server answered {error.smtp_code} {tame(said, 120)}") from None
    except (OSError, smtplib.SMTPException, ValueError) as error:  # ssl.SSLError is an OSError
        words = (
            "no answer in time"
            if isinstance(error, TimeoutError) or "timed out" in str(error)
            else f"{type(error).__name__}: {tame(error, 160)}"
        )
        raise _error(channel, words) from None


def _error(channel: Channel, why: str) -> EvictError:
    return EvictError(f"{channel['host']}: {why}", object=f"notifier {channel['name']}", operation="mail")

"""E-mail against a server on loopback: STARTTLS with the certificate checked, login, refusals, no answer."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from ansible_collections.evict.cloud.plugins.module_utils.common import mailing
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import EvictError
from tests.beds.receivers import MailServer

PAYLOAD = {"id": "<1@example.com>", "headers": {"Subject": "s\r\nBcc: x@example.com"}, "text": "text\n.\nmore \u00e9\n"}


def channel(server: MailServer, **more: Any) -> dict[str, Any]:
    return {
        "kind": "email",
        "name": "m",
        "host": "localhost",
        "port": str(server.port),
        "from": "ir@example.com",
        "to": ["a@example.com"],
        "timeout": 5,
    } | more


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    made = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("localhost").configure_cert(context)
    path = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return context, str(path)


def test_over_tls_with_login(authority: tuple[ssl.SSLContext, str]) -> None:
    context, path = authority
    with MailServer(context, password="pa55word") as server:
        one = channel(server, ca_file=path, user="ir")
        mailing.test(one, {"password": "pa55word"})
        assert server.got == [] and server.logins == ["pa55word"]
        mailing.send(one, PAYLOAD, {"password": "pa55word"})
        ((envelope, text),) = server.got
        assert envelope["tls"] and "Subject: s\\r\\nBcc" in text and "\nBcc:" not in text and text.endswith("text\r\n.\r\nmore =C3=A9\r\n")
        with pytest.raises(EvictError, match=r"refused the login \(535\)"):
            mailing.send(one, PAYLOAD, {"password": "wrong"})
        with pytest.raises(EvictError, match=r"SSLCertVerificationError|certificate"):
            mailing.send(channel(server, user="ir"), PAYLOAD, {"password": "pa55word"})
        assert len(server.got) == 1 and "pa55word" not in server.got[0][1]


def test_without_tls_it_is_not_sent_unless_asked_for() -> None:
    with MailServer() as server:
        with pytest.raises(EvictError, match="STARTTLS"):
            mailing.send(channel(server), PAYLOAD, {})
        assert server.got == []
        mailing.send(channel(server, tls="none"), PAYLOAD, {})
        assert len(server.got) == 1


def test_a_recipient_that_is_refused_is_named_and_the_others_are_told_once() -> None:
    with MailServer() as server:
        server.bye = "421 overloaded"  # after the mail was taken: no reason to send it again
        one = channel(server, tls="none", to=["a@example.com", "nobody@example.com"])
        found = mailing.run({"channel": one, "payload": PAYLOAD, "state": "sent"}, lambda _channel: {}, check=False)
        assert found == {"changed": True, "to": ["a@example.com"], "refused": ["nobody@example.com"]} and len(server.got) == 1
        server.bye = "221 bye"
        with pytest.raises(EvictError, match=r"refused nobody@example\.com"):
            mailing.send(channel(server, tls="none", to=["nobody@example.com"]), PAYLOAD, {})


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = {
            "kind": "email",
            "name": "m",
            "host": "127.0.0.1",
            "port": str(silent.getsockname()[1]),
            "from": "a@b.cc",
            "to": ["a@b.cc"],
            "timeout": 1,
        }
        with pytest.raises(EvictError, match="no answer in time"):
            mailing.send(one, PAYLOAD, {})


def test_check_mode_sends_nothing() -> None:
    with MailServer() as server:
        params = {"channel": channel(server, tls="none"), "payload": PAYLOAD, "state": "sent"}
        assert mailing.run(params, lambda _channel: {}, check=True)["changed"] and server.got == []

"""Requests to places outside of the clouds: what is sent again, what is told, where credentials never go."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Target
from ansible_collections.evict.cloud.plugins.module_utils.outside import session
from ansible_collections.evict.cloud.plugins.module_utils.outside.clouds import Clouds
from ansible_collections.evict.cloud.plugins.module_utils.outside.session import Server


class Scripted:
    """Answers as told: a status, "lost", "cut" and "short" (an error, an answer, in the middle of its body), (status, headers), or a body."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.seen: list[str] = []
        scripted = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _go(self) -> None:
                scripted.seen.append(f"{self.command} {self.path} {self.headers.get('Authorization')}")
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                told = scripted.script.pop(0) if scripted.script else 200
                if told == "lost":
                    self.connection.close()
                    return
                body = told if isinstance(told, bytes) else b"{}"
                told = 200 if isinstance(told, bytes) else told
                status, headers = told if isinstance(told, tuple) else ({"cut": 409, "short": 200}.get(told, told), {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "99" if told in ("cut", "short") else str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _go  # noqa: N815 - http.server's names

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    monkeypatch.setattr(session, "_PAUSES", (0.0, 0.0))
    found = Scripted()
    yield found
    found.close()


def ask(server: Scripted, method: str = "POST", idempotent: bool = False) -> session.Answer:
    call = Call(Target("webhook", "x"), "webhook", "Apply", {}, idempotent=idempotent)
    return session.request(Server(server.url, {"Authorization": "Bearer hidden"}), call, method, "/a", json_body={"a": 1}, seconds=5)


@pytest.mark.parametrize(
    ("script", "idempotent", "times"),
    [([503, 503, 200], True, 3), (["lost", 200], True, 2), (["short", 200], True, 2), ([(429, {"Retry-After": "0"}), 200], False, 2)],
)
def test_what_can_do_no_harm_is_sent_again(scripted: Scripted, script: list[Any], idempotent: bool, times: int) -> None:
    scripted.script = script
    assert ask(scripted, idempotent=idempotent).status == 200 and len(scripted.seen) == times


@pytest.mark.parametrize(
    ("told", "code", "lost"), [(503, "ServiceUnavailable", True), ("lost", "RemoteDisconnected", True), (409, "Conflict", False), ("cut", "Conflict", False), ("short", "IncompleteRead", True),
                               (412, "PreconditionFailed", False), (404, "NotFound", False)],
)  # fmt: skip
def test_what_is_not_idempotent_is_sent_once_and_says_whether_it_may_have_been_carried_out(
    scripted: Scripted, told: Any, code: str, lost: bool
) -> None:
    scripted.script = [told]
    with pytest.raises(CloudError) as caught:
        ask(scripted)
    assert (caught.value.code, caught.value.lost, len(scripted.seen)) == (code, lost, 1)
    assert "hidden" not in caught.value.message


def test_a_redirect_takes_no_credentials_anywhere(scripted: Scripted) -> None:
    other = Scripted()
    try:
        scripted.script = [(302, {"Location": f"{other.url}/stolen"})]
        with pytest.raises(CloudError) as caught:
            ask(scripted, "GET", idempotent=True)
        assert caught.value.code == "Found" and other.seen == []
    finally:
        other.close()


def test_nobody_listens_there(scripted: Scripted) -> None:
    scripted.close()
    with pytest.raises(CloudError) as caught:
        ask(scripted)
    assert caught.value.code == "ConnectionRefusedError" and not caught.value.lost


def test_what_is_on_this_machine_is_asked_without_a_proxy(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its token would go to the proxy, in the clear."""
    proxy = Scripted()
    try:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert ask(scripted).status == 200 and proxy.seen == []
    finally:
        proxy.close()


@pytest.mark.parametrize("told", [b"<html>log in, Bearer hidden</html>", b"{}", b'{"data": []}', b"[1]"])
def test_an_answer_that_is_not_the_servers_is_an_error_that_names_the_object(
    scripted: Scripted, told: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "hvs.hidden")
    scripted.script = [told]
    incident: Any = SimpleNamespace(connection={"vault": {"prod": {"url": scripted.url}}})
    call = Call(Target("vault", "prod", "secret"), "vault", "ReadSecret", {"mount": "secret", "path": "app"})
    with pytest.raises(CloudError) as caught:
        Clouds({}, incident)["vault"].call(call)
    assert caught.value.object == "prod" and caught.value.operation == "vault:ReadSecret" and caught.value.lost
    assert "could not be understood" in caught.value.message and "hidden" not in caught.value.message

"""Servers on loopback that take messages: an HTTP one that can answer, fail, redirect, hang and drip, and an SMTP one. They keep what they got."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """An HTTP server. ``answers``: {path: status, or a callable of the request that returns (status, JSON)}; ``got``: requests in their order."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {}
        self.over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                seen = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": data.decode(), "at": time.time()}
                outer.got.append(seen)
                what = next((answer for path, answer in outer.answers.items() if self.path.startswith(path)), 200)
                if what == "hang":
                    outer.over.wait(120)
                    return
                if what == "drip":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                    with contextlib.suppress(OSError):
                        while not outer.over.wait(0.5):
                            self.wfile.write(b"X-More: 1\r\n")
                            self.wfile.flush()
                    return
                status, body = what(seen) if callable(what) else (what, {})
                text = json.dumps(body).encode()
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"http://127.0.0.1:{outer.port}/elsewhere")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_PATCH = do_GET = do_PUT = do_POST  # noqa: N815

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def on(self, path: str) -> list[dict[str, Any]]:
        return [request for request in self.got if request["path"].startswith(path)]

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


class MailServer:
    """An SMTP server: EHLO, AUTH PLAIN, MAIL, RCPT, DATA; with ``context`` also STARTTLS. ``got``: (envelope, text) of each mail."""

    def __init__(self, context: Any = None, password: str = "") -> None:
        self.got: list[tuple[dict[str, Any], str]] = []
        self.logins: list[str] = []
        self.bye = "221 bye"
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, text: str) -> None:
                self.wfile.write(text.encode() + b"\r\n")

            def handle(self) -> None:
                secure, envelope = False, {"from": "", "to": [], "tls": False}
                self.say("220 loopback")
                while line := self.rfile.readline().decode("utf-8", "replace").rstrip("\r\n"):
                    verb, rest = line[:4].upper(), line[5:]
                    if verb == "EHLO":
                        self.wfile.write(
                            b"250-loopback\r\n" + (b"250-STARTTLS\r\n" if context and not secure else b"") + b"250 AUTH PLAIN\r\n"
                        )
                    elif verb == "STAR" and context and not secure:
                        self.say("220 go on")
                        self.request = context.wrap_socket(self.request, server_side=True)
                        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
                        secure = envelope["tls"] = True
                    elif verb == "AUTH":
                        import base64

                        given = base64.b64decode(rest.split()[-1]).decode().split("\0")[-1]
                        outer.logins.append(given)
                        self.say("235 ok" if given == password else "535 no\x1b[31m")
                    elif verb == "MAIL":
                        envelope["from"] = rest
                        self.say("250 ok")
                    elif verb == "RCPT":
                        envelope["to"].append(rest)
                        self.say("250 ok" if "nobody@" not in rest else "550 unknown")
                    elif verb == "DATA":
                        self.say("354 go")
                        lines = []
                        while (text := self.rfile.readline()) not in (b".\r\n", b""):
                            lines.append(text[1:] if text.startswith(b"..") else text)
                        outer.got.append((dict(envelope), b"".join(lines).decode()))
                        self.say("250 kept")
                    elif verb == "QUIT":
                        self.say(outer.bye)
                        return
                    else:
                        self.say("250 ok")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self) -> MailServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def receivers() -> Iterator[tuple[Receiver, MailServer]]:
    with Receiver() as http, MailServer() as mail:
        yield http, mail

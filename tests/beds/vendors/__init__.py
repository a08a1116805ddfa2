"""Stand-ins on loopback for the stores of other vendors: they keep state, check each request against what the vendor documents, and fail on order."""

from __future__ import annotations

import json
import re
import ssl
import threading
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


class Problem(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__(status)
        self.status, self.body = status, body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Asked:
    """One request. ``query``: {name: value}; ``body``: JSON, or None."""

    def __init__(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> None:
        self.method, self.headers, self.raw = method, {k.lower(): v for k, v in headers.items()}, raw
        self.path, _mark, query = target.partition("?")
        self.pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        self.query = dict(self.pairs)
        try:
            self.body = json.loads(raw) if raw else None
        except ValueError:
            self.body = raw.decode(errors="replace")


Route = tuple[str, str, str, set[str]]  # method, pattern of the path, name of the method that answers, parameters of the query


class Vendor:
    """``faults``: [(method, pattern of the path, what)], used up one by one; what: (status, headers, body), "lost" (done, and no answer) or "reset"."""

    ROUTES: ClassVar[list[Route]] = []

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.violations: list[str] = []
        self.faults: list[tuple[str, str, Any]] = []
        self.before: Callable[[Asked], None] = lambda _asked: None  # what somebody else does meanwhile
        self._lock = threading.RLock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(self.command, self.path, dict(self.headers), raw)
                found = outer.answer(asked)
                if found is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                status, body, headers = found
                text = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                for name, value in ({"Content-Type": "application/json"} | headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"https://localhost:{self.port}" if context else f"http://127.0.0.1:{self.port}"

    def answer(self, asked: Asked) -> tuple[int, Any, dict[str, str]] | None:
        with self._lock:
            self.asked.append(asked)
            self.before(asked)
            fault = next((f for f in self.faults if f[0] == asked.method and re.search(f[1], asked.path)), None)
            if fault:
                self.faults.remove(fault)
                if fault[2] == "reset":
                    return None
                if fault[2] != "lost":
                    status, headers, body = fault[2]
                    return status, body, headers
            try:
                found = self._route(asked)
            except Problem as problem:
                found = problem.status, problem.body, problem.headers
            return None if fault else found

    def _route(self, asked: Asked) -> tuple[int, Any, dict[str, str]]:
        for method, pattern, name, query in self.ROUTES:
            if method == asked.method and (match := re.fullmatch(pattern, asked.path)):
                if extra := set(asked.query) - query:
                    raise self.wrong(asked, f"no such parameter: {sorted(extra)}")
                if len(asked.pairs) != len(asked.query):
                    raise self.wrong(asked, "a parameter twice")
                self.admit(asked, name)
                status, body = getattr(self, name)(asked, *(urllib.parse.unquote(group or "") for group in match.groups()))
                return status, body, {}
        raise self.wrong(asked, "no such operation", 404)

    def admit(self, asked: Asked, name: str) -> None:
        """Raises when the request does not say who asks, or with what."""

    def wrong(self, asked: Asked, why: str, status: int = 400) -> Problem:
        """Not what the vendor documents: kept, so that a test fails."""
        self.violations.append(f"{asked.method} {asked.path}: {why}")
        return Problem(status, {"message": why, "error": {"code": "BadRequest", "message": why}, "errors": [why]})

    def takes(self, asked: Asked, required: set[str], optional: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
        """The body, an object with these members and no others."""
        if asked.headers.get("content-type", "").split(";")[0] != "application/json" or not isinstance(asked.body, dict):
            raise self.wrong(asked, "the body is no JSON object")
        if missing := required - set(asked.body):
            raise self.wrong(asked, f"missing: {sorted(missing)}")
        if extra := set(asked.body) - required - optional:
            raise self.wrong(asked, f"unknown: {sorted(extra)}")
        return asked.body

    def on(self, method: str, pattern: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == method and re.search(pattern, asked.path)]

    def __enter__(self) -> Any:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

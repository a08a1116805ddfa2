"""The bed's reverse proxy: `python -m tests.beds.proxy --port N --upstream http://127.0.0.1:M`. Loopback only.

In front of the launcher it records CloudTrail, answers LookupEvents, adds latency, counts calls and plays faults.
Requests are forwarded byte for byte, so signatures stay valid (they cover the proxy's own Host).

Control, JSON:
  GET  /_bed/ready                                 GET  /_bed/calls      the calls so far
  POST /_bed/config {latency_ms, record, trail_delay, lookup_rate, clock}       GET /_bed/events   all CloudTrail records
  POST /_bed/rules  Rule (see rules.py)            GET  /_bed/rules      with seen and fired
  POST /_bed/reset  forget calls, records, rules; defaults again
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
import uuid
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

from tests.beds import http1
from tests.beds.aws_request import AwsRequest, error_answer, parse_answer, parse_error, parse_request
from tests.beds.orphan import exit_with_parent
from tests.beds.rules import Rule
from tests.beds.trail import UNAUTHENTICATED, LookupRefusal, Trail

_LOOKUP_TARGET = "LookupEvents"


class Proxy:
    """State of the proxy and the handling of one connection."""

    def __init__(self, upstream: http1.Upstream) -> None:
        self._upstream = upstream
        self._identities: dict[str, dict[str, Any]] = {}
        self._trail = Trail()
        self._reset()

    def _reset(self) -> None:
        self._identities.clear()
        self._trail.clear()
        self._trail.delay, self._trail.rate, self._trail.clock = 0.0, 2.0, 0.0
        self._calls: list[dict[str, Any]] = []
        self._rules: list[Rule] = []
        self._latency = 0.0
        self._record = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client connection."""
        try:
            while True:
                message = await http1.read_head(reader)
                if message.headers.get("expect", "").lower() == "100-continue":
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    message.head = b"\r\n".join(line for line in message.head.split(b"\r\n") if not line.lower().startswith(b"expect:"))
                message.body = await http1.read_body(reader, message.headers)
                path = message.start[1]
                reply = await self._control(message) if path.startswith("/_bed/") else await self._forward(message, writer)
                if reply is None:  # played dead
                    writer.transport.abort()
                    return
                if reply:
                    writer.write(reply)
                    await writer.drain()
                if not message.keep_alive:
                    return
        except (http1.Closed, ConnectionError):
            pass
        finally:
            writer.close()

    # -- forwarding ------------------------------------------------------------------------------------------------

    async def _forward(self, message: http1.Message, writer: asyncio.StreamWriter) -> bytes | None:
        """The answer's bytes; b"" when it was streamed; None to drop the connection."""
        content = message.body
        if content and message.headers.get("transfer-encoding", "").lower() == "chunked":
            content = http1.unchunk(content)
        request = parse_request(message.start[0], message.start[1], message.headers, content)
        if request is None:
            reply, _ = await self._send(message, writer)
            return reply if isinstance(reply, bytes) else reply.head + reply.body
        started, clock = time.time(), time.perf_counter()
        identity = await self._identity(request.access_key)
        rule = next((r for r in self._rules if r.match(request, (identity or {}).get("arn", ""))), None)
        if self._latency:
            await asyncio.sleep(self._latency)
        if rule and rule.when == "before":
            rule.kill()
            self._note(request, identity, started, clock, 0, "killed before", "")
            return None
        if rule and rule.when == "fail":
            self._note(request, identity, started, clock, rule.status, rule.code, "")
            return self._refuse(request, rule.status, rule.code, rule.message)
        if request.operation == _LOOKUP_TARGET and identity and self._trail.throttled(identity["accountId"], request.region):
            self._note(request, identity, started, clock, 400, "ThrottlingException", "")
            return self._refuse(request, 400, "ThrottlingException", "Rate exceeded")
        reply, status = await self._send(message, writer)
        if isinstance(reply, bytes):
            self._note(request, identity, started, clock, status, "", "")
            return reply
        reply = self._after(request, message, reply, status, identity, started, clock)
        if rule:  # after and lost: the cloud has acted, the caller never learns
            if rule.when == "after":
                rule.kill()
            return None
        return reply

    def _after(
        self,
        request: AwsRequest,
        message: http1.Message,
        reply: http1.Message,
        status: int,
        identity: dict[str, Any] | None,
        started: float,
        clock: float,
    ) -> bytes:
        body = reply.body
        if reply.headers.get("transfer-encoding", "").lower() == "chunked":
            body = http1.unchunk(body)
        code, text = parse_error(status, reply.headers, body)
        request_id = reply.headers.get("x-amzn-requestid") or str(uuid.uuid4())
        raw = reply.head + reply.body
        if request.operation == _LOOKUP_TARGET and not code and identity:
            try:
                answer = self._trail.lookup(identity["accountId"], request.region, request.parameters)
                raw = self._reply(200, {"content-type": "application/x-amz-json-1.1"}, json.dumps(answer).encode(), request_id)
            except LookupRefusal as exc:
                status, code, text = 400, exc.args[0], exc.args[1]
                raw = self._refuse(request, status, code, text)
        self._note(request, identity, started, clock, status, code, request_id)
        if self._record and identity and code not in UNAUTHENTICATED:
            needs_answer = not code and (request.mutating or request.service == "sts")
            self._trail.record(
                started,
                request,
                identity,
                code,
                text,
                parse_answer(request.protocol, body) if needs_answer and body else {},
                message.headers.get("x-bed-source-ip", "127.0.0.1"),
                message.headers.get("user-agent", ""),
                request_id,
            )
        return raw

    async def _send(self, message: http1.Message, writer: asyncio.StreamWriter) -> tuple[http1.Message | bytes, int]:
        """Forward and read the answer; a long one is streamed to the client at once (b"" then)."""
        connection = out_reader, out = await self._upstream.take()
        out.write(message.head + message.body)
        try:
            await out.drain()
            reply = await http1.read_head(out_reader)
            while reply.start[1] == "100":
                reply = await http1.read_head(out_reader)
        except (http1.Closed, ConnectionError):
            out.close()
            return http1.answer(502, {"connection": "close"}, b""), 502
        status = int(reply.start[1])
        length = int(reply.headers.get("content-length", 0))
        if message.start[0] == "HEAD" or status in (204, 304):
            pass
        elif length > http1.STREAM_OVER:
            writer.write(reply.head)
            while length:
                part = await out_reader.read(min(length, 1 << 16))
                if not part:
                    raise http1.Closed
                writer.write(part)
                await writer.drain()
                length -= len(part)
            self._upstream.give(connection)
            return b"", status
        else:
            reply.body = await http1.read_body(out_reader, reply.headers)
        if reply.keep_alive:
            self._upstream.give(connection)
        else:
            out.close()
        return reply, status

    async def _identity(self, key: str) -> dict[str, Any] | None:
        """CloudTrail's userIdentity of a key, asked of the launcher once."""
        known = self._identities.get(key)
        if known is None:
            status, body = await self._upstream.call("GET", f"/_bed/identity/{key}")
            if status != 200:
                return None
            known = self._identities[key] = json.loads(body)
        return known

    def _note(
        self, request: AwsRequest, identity: dict[str, Any] | None, started: float, clock: float, status: int, error: str, request_id: str
    ) -> None:
        self._calls.append(
            {
                "time": started,
                "service": request.service,
                "operation": request.operation,
                "region": request.region,
                "access_key": request.access_key,
                "principal": (identity or {}).get("arn", ""),
                "account": (identity or {}).get("accountId", ""),
                "status": status,
                "error": error,
                "mutating": request.mutating,
                "ms": round(1000 * (time.perf_counter() - clock), 2),
                "request_id": request_id,
            }
        )

    def _reply(self, status: int, headers: dict[str, str], body: bytes, request_id: str = "") -> bytes:
        own = {"date": formatdate(time.time() + self._trail.clock, usegmt=True), "x-amzn-requestid": request_id or str(uuid.uuid4())}
        return http1.answer(status, {**headers, **own}, body)

    def _refuse(self, request: AwsRequest, status: int, code: str, message: str) -> bytes:
        return self._reply(status, *error_answer(request.protocol, status, code, message))

    # -- control ---------------------------------------------------------------------------------------------------

    async def _control(self, message: http1.Message) -> bytes:
        verb, path = message.start[0], message.start[1][len("/_bed/") :]
        try:
            result = self._controlled(verb, path, json.loads(message.body or b"{}"))
        except (TypeError, ValueError, KeyError) as exc:
            return self._reply(400, {"content-type": "application/json"}, json.dumps({"error": str(exc)}).encode())
        return self._reply(200 if result is not None else 404, {"content-type": "application/json"}, json.dumps(result).encode())

    def _controlled(self, verb: str, path: str, payload: dict[str, Any]) -> Any:
        if path == "ready":
            return {"ready": True}
        if path == "calls":
            return self._calls
        if path == "events":
            return self._trail.all()
        if path == "rules":
            if verb == "POST":
                self._rules.append(Rule(**payload))
            elif verb == "DELETE":
                self._rules.clear()
            return [rule.public() for rule in self._rules]
        if path == "reset":
            self._reset()
            return {}
        if path == "config":
            unknown = set(payload) - {"latency_ms", "record", "trail_delay", "lookup_rate", "clock"}
            if unknown:
                raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
            self._latency = float(payload.get("latency_ms", self._latency * 1000)) / 1000
            self._record = bool(payload.get("record", self._record))
            self._trail.delay = float(payload.get("trail_delay", self._trail.delay))
            self._trail.clock = float(payload.get("clock", self._trail.clock))
            self._trail.rate = float(payload.get("lookup_rate", self._trail.rate))
            return {
                "latency_ms": self._latency * 1000,
                "record": self._record,
                "trail_delay": self._trail.delay,
                "lookup_rate": self._trail.rate,
            }
        return None


async def _main(port: int, upstream: str) -> None:
    target = urlsplit(upstream)
    if target.hostname not in ("127.0.0.1", "localhost") or not target.port:
        raise SystemExit(f"the upstream must be http://127.0.0.1:PORT, not {upstream}")
    proxy = Proxy(http1.Upstream(target.hostname, target.port))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port, limit=1 << 20, backlog=512)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Parse arguments, serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    options = parser.parse_args()
    exit_with_parent()
    gc.freeze()  # as in ministack.py
    gc.set_threshold(50_000)
    asyncio.run(_main(options.port, options.upstream))


if __name__ == "__main__":
    main()

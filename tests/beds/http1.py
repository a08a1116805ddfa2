"""The little HTTP/1.1 that a local reverse proxy needs, on asyncio streams."""

from __future__ import annotations

import asyncio
import dataclasses

_LIMIT = 1 << 20  # longest head
STREAM_OVER = 4 << 20  # longer answers are passed on without being read whole


class Closed(Exception):
    """The other side closed the connection between messages."""


@dataclasses.dataclass
class Message:
    """One request or answer: `start` is its first line, header names are lower case, `head` and `body` as sent."""

    start: list[str]
    headers: dict[str, str]
    head: bytes
    body: bytes

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may carry another message."""
        return self.headers.get("connection", "").lower() != "close"


async def read_head(reader: asyncio.StreamReader) -> Message:
    """The head of the next message. Raises Closed at a clean end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as exc:
        raise Closed from exc
    except (ConnectionError, asyncio.LimitOverrunError) as exc:
        raise Closed from exc
    lines = head[:-4].decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Message(lines[0].split(" ", 2), headers, head, b"")


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """The body as sent: chunked bodies keep their framing."""
    try:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            parts = []
            while True:
                size = await reader.readuntil(b"\r\n")
                parts.append(size)
                length = int(size.split(b";")[0], 16)
                if length == 0:
                    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
                        parts.append(line)
                    parts.append(b"\r\n")
                    return b"".join(parts)
                parts.append(await reader.readexactly(length + 2))
        length = int(headers.get("content-length", 0))
        return await reader.readexactly(length) if length else b""
    except (asyncio.IncompleteReadError, ConnectionError) as exc:
        raise Closed from exc


def unchunk(body: bytes) -> bytes:
    """The content of a chunked body as read by read_body."""
    parts, rest = [], body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if not length:
            break
        parts.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(parts)


def answer(status: int, headers: dict[str, str], body: bytes) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} Bed", *(f"{name}: {value}" for name, value in headers.items()), f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


class Upstream:
    """A pool of connections to one loopback address."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """An open connection, kept alive from before when there is one."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(*self._address, limit=_LIMIT)

    def give(self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Return a connection whose answer was read to its end."""
        self._idle.append(connection)

    async def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """A control request of our own."""
        connection = reader, writer = await self.take()
        writer.write(
            (f"{method} {path} HTTP/1.1\r\nhost: {self._address[0]}:{self._address[1]}\r\ncontent-length: {len(body)}\r\n\r\n").encode(
                "latin-1"
            )
            + body
        )
        reply = await read_head(reader)
        content = await read_body(reader, reply.headers)
        self.give(connection)
        return int(reply.start[1]), content

"""What Cloud Storage's XML API documents of the few requests that a store makes, as a server on loopback: `with Rules() as gcs: …`.

Our own reading of the reference, not an emulator that others keep: of those, fake-gcs-server 1.54 refuses the XML API's PUT, and
gcp-storage-emulator 2026.7 has no listing and no ETag. So it shows what is asked, and what is made of the documented answers; nothing more.
"""

from __future__ import annotations

import http.server
import threading
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_PAGE = 1000


class Rules:
    """The server. `objects`: {(bucket, name): (generation, bytes)}. `kept`: names that a retention policy keeps."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.buckets: set[str] = set()
        self.kept: set[str] = set()
        self.seen: list[tuple[str, str, dict[str, str]]] = []  # method, path, headers
        self.lost = 0  # this many next writes are carried out and answered with 503
        self.lock = threading.Lock()
        self.generation = 0
        rules = self

        class Handler(_Handler):
            bed = rules

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    bed: Rules
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _error(self, status: int, code: str) -> None:
        self._answer(status, f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>".encode())

    def _facts(self, generation: int) -> dict[str, str]:
        return {"ETag": f'"{generation}"', "Last_Modified": "Mon, 23 Nov 2026 09:00:00 GMT", "x_goog_generation": str(generation)}

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        bucket, _slash, name = unquote(url.path).lstrip("/").partition("/")
        bed = self.bed
        with bed.lock:
            bed.seen.append((self.command, unquote(self.path), {k.lower(): v for k, v in self.headers.items()}))
            if bucket not in bed.buckets:
                return self._error(404, "NoSuchBucket")
            if not name:
                return self._listing(bucket, parse_qs(url.query))
            there = bed.objects.get((bucket, name))
            if self.command in ("GET", "HEAD"):
                return self._answer(200, there[1], **self._facts(there[0])) if there else self._error(404, "NoSuchKey")
            if self.command == "PUT":
                wanted = self.headers.get("x-goog-if-generation-match")
                if wanted is not None and int(wanted) != (there[0] if there else 0):
                    return self._error(412, "PreconditionFailed")
            elif not there:
                return self._error(404, "NoSuchKey")
            if there and name in bed.kept:
                return self._error(403, "retentionPolicyNotMet")
            if self.command == "DELETE":
                del bed.objects[bucket, name]
                return self._answer(204)
            bed.generation += 1
            bed.objects[bucket, name] = (bed.generation, body)
            if bed.lost:
                bed.lost -= 1
                return self._error(503, "ServiceUnavailable")
            return self._answer(200, **self._facts(bed.generation))

    def _listing(self, bucket: str, query: dict[str, list[str]]) -> None:
        prefix, after = query.get("prefix", [""])[0], query.get("continuation-token", [""])[0]
        names = sorted(n for b, n in self.bed.objects if b == bucket and n.startswith(prefix) and n > after)
        page, more = names[:_PAGE], len(names) > _PAGE
        rows = "".join(
            f"<Contents><Key>{escape(n)}</Key><LastModified>2026-11-23T09:00:00.000Z</LastModified><ETag>x</ETag>"
            f"<Size>{len(self.bed.objects[bucket, n][1])}</Size></Contents>"
            for n in page
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        text = f"<?xml version='1.0' encoding='UTF-8'?><ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        self._answer(200, text.encode(), Content_Type="application/xml")

    do_GET = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815

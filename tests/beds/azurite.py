"""Azure's blob service on loopback, by azurite: `with Azurite() as azure: azure.make("cases")`. `missing()` says why it cannot be had."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from types import TracebackType
from typing import Self

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_MAIN = _ROOT / "build" / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # published, the same in every azurite


def missing() -> str:
    """Why azurite cannot be started here; "" when it can."""
    if not shutil.which("node"):
        return "az:// needs azurite, and there is no node here to run it"
    return "" if _MAIN.is_file() else "az:// needs azurite: run python3 tests/tools/emulators.py (it uses npm)"


class Azurite:
    """A running server, in memory; `--loose=false`: what it does not implement is an error."""

    def __init__(self) -> None:
        self.endpoint = ""
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self._netloc = f"127.0.0.1:{port}"
        self.endpoint = f"http://{self._netloc}/{ACCOUNT}"
        command = ["node", str(_MAIN), "--inMemoryPersistence", "--extentMemoryLimit", "256", "--disableTelemetry", "--silent", "--loose=false",
                   "--blobHost", "127.0.0.1", "--blobPort", str(port)]  # fmt: skip
        self._child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return self
            except OSError:
                if self._child.poll() is not None or time.monotonic() > deadline:
                    self.__exit__(None, None, None)
                    raise RuntimeError("azurite did not start") from None
                time.sleep(0.05)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._child and self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def make(self, container: str) -> None:
        """Create a container."""
        path, date, version = f"/{ACCOUNT}/{container}", email.utils.formatdate(usegmt=True), "2021-08-06"
        signed = f"PUT{chr(10) * 12}x-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}{path}\nrestype:container"
        digest = base64.b64encode(hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()).decode()
        connection = http.client.HTTPConnection(self._netloc, timeout=20)
        headers = {"x-ms-date": date, "x-ms-version": version, "Authorization": f"SharedKey {ACCOUNT}:{digest}", "Content-Length": "0"}
        connection.request("PUT", f"{path}?restype=container", headers=headers)
        answer = connection.getresponse()
        if answer.status != 201:
            raise RuntimeError(f"{answer.status} {answer.read()!r}")
        connection.close()

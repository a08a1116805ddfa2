"""Faults between a client and the bed, by microburst: `with Faults(bed) as faults: faults.set(service="iam", operation=…, times=1, …)`.

microburst writes errors as botocore's service models describe them, holds connections, resets them, and cuts answers after the cloud has acted. It puts its
upstream's name into the Host header, which signatures cover, so clients use it as an HTTP proxy and sign for the bed itself. Loopback only.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import time
import urllib.request
from types import TracebackType
from typing import Any, Self

from tests.beds.bed import Bed, _free_ports, scrubbed
from tests.beds.orphan import VARIABLE, exit_with_parent


class Faults:
    """A running microburst in front of `bed`."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        (port,) = _free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.beds.faults", "--port", self.url.rsplit(":", 1)[1], "--upstream", self._bed.endpoint]
        with open(self._bed.directory / "microburst.log", "wb") as log:
            self._process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--no-resign"], env={**scrubbed(), VARIABLE: str(os.getpid())}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while True:
            try:
                self._control("health")
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__(None, None, None)
                    raise RuntimeError(
                        f"microburst did not start: {(self._bed.directory / 'microburst.log').read_text()[-2000:]}"
                    ) from None
                time.sleep(0.1)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def environ(self) -> dict[str, str]:
        """What a process needs beside `Bed.environ` for its calls to pass through here."""
        return {"HTTP_PROXY": self.url}

    def set(self, **rule: Any) -> None:
        """One rule instead of all others, in microburst's own words."""
        self.clear()
        self._control("rules", "POST", [rule])

    def clear(self) -> None:
        """No faults, and none remembered."""
        self._control("rules", "POST", [])
        self._control("fired", "DELETE")

    def fired(self) -> list[dict[str, Any]]:
        """The faults that were played since `set`."""
        return list(self._control("fired"))

    def _control(self, path: str, method: str = "GET", payload: Any = None) -> Any:
        data = None if payload is None else json.dumps(payload).encode()
        headers = {} if data is None else {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/_microburst/{path}", data, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")


if __name__ == "__main__":
    exit_with_parent()
    runpy.run_module("microburst", run_name="__main__", alter_sys=True)

"""Run in a process of its own, to be killed: a module, or the three-Step plan. `python runner_script.py ROOT JSON`

JSON: {"module", "params"} or {"plan": …}; "put": [k, "before" | "after"] kills the process group around the k-th put of the store.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

sys.path[:0] = [sys.argv[1], sys.argv[1] + "/.collections"]

from ansible_collections.evict.cloud.plugins.module_utils.common.stores import directory  # noqa: E402


def kill_at_put(number: int, when: str) -> None:
    """SIGKILL this process group before or after the `number`-th put or replace."""
    counted, lock = 0, threading.Lock()

    def wrap(name: str) -> None:
        real = getattr(directory.Directory, name)

        def counting(self: Any, path: str, data: bytes) -> None:
            nonlocal counted
            with lock:
                counted += 1
                mine = counted
            if mine == number and when == "before":
                os.killpg(0, signal.SIGKILL)
            real(self, path, data)
            if mine == number:
                os.killpg(0, signal.SIGKILL)

        setattr(directory.Directory, name, counting)

    wrap("put")
    wrap("replace")
    if number == 0:  # only count

        def report() -> None:
            print(json.dumps({"puts": counted}), file=sys.stderr)

        import atexit

        atexit.register(report)


def main() -> None:
    """See the module's text."""
    order = json.loads(sys.argv[2])
    if order.get("put"):
        kill_at_put(*order["put"])
    if order.get("plan"):
        from tests.integration.three_steps import carry_out

        print(json.dumps(carry_out(order["plan"])))
        return
    from unittest import mock

    from ansible_collections.evict.cloud.plugins.module_utils.aws import session
    from tests.integration.helpers import call_module

    with mock.patch.dict(session._RATE_LIMITS, clear=True):
        print(json.dumps(call_module(order["module"], order["params"])))


if __name__ == "__main__":
    main()

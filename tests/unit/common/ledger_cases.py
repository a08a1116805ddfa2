# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the ledger share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible_collections.evict.cloud.plugins.module_utils.common import (
    ledger,
    store,
)

ROOT = Path(__file__).parents[3]
HEAD = """
import os, signal, sys, threading, time
from ansible_collections.evict.cloud.plugins.module_utils.common import ledger, store
case = store.open_store(sys.argv[1])
def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def begin(case: store.Store, **more: t.Any) -> ledger.Ledger:
    return ledger.Ledger.open(case, incident="IR-1", module="test", **more)


def work(case: store.Store, *names: str, status: str = "ok") -> str:
    """A whole run that does some steps; returns its head."""
    run = begin(case)
    for name in names:
        run.intent([{"id": name, "before": run.run}], urgent=True)
        run.outcome([{"id": name, "status": "done"}])
    return run.end(status, changed=len(names))


def start(code: str, case: store.Store) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}
    return subprocess.Popen([sys.executable, "-c", HEAD + code, case.url], text=True, stdout=subprocess.PIPE, env=environment)


def records(case: store.Store) -> list[dict[str, t.Any]]:
    return [json.loads(case.get(path)) for path in case.list("ledger") if "/checkpoint/" not in path]


def whys(case: store.Store, head: str = "") -> list[str]:
    found = ledger.verify(case, head)
    assert found["verified"] == (not found["problems"])
    return [problem["why"] for problem in found["problems"]]

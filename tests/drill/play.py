"""Running a playbook as a user does: `ansible-playbook playbooks/NAME.yml -e …` in a child process."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
_LIMIT = 180.0  # seconds


@dataclasses.dataclass
class Run:
    """One run: times are epoch seconds at exec and exit; `result` is result.json, {} when there is none."""

    rc: int
    started: float
    ended: float
    output: list[str]
    result: dict[str, Any]

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self.ended - self.started

    @property
    def changed(self) -> int | None:
        """Steps done; None when the run has no result."""
        return self.result.get("changed")


def command(playbook: str, **extra: str) -> list[str]:
    """The words that a user types."""
    return ["ansible-playbook", f"playbooks/{playbook}.yml", *(word for name, value in extra.items() for word in ("-e", f"{name}={value}"))]


def play(words: list[str], environment: dict[str, str], result_file: pathlib.Path, show: Callable[[str], None] = lambda _line: None) -> Run:
    """Run `words` from the checkout's folder; each line of output goes to `show` as it comes."""
    result_file.unlink(missing_ok=True)
    line = [str(pathlib.Path(sys.executable).parent / words[0]), *words[1:], "-e", f"result_file={result_file}"]
    started = time.time()
    child = subprocess.Popen(
        line, cwd=ROOT, env=environment_of(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    )  # fmt: skip
    limit = threading.Timer(_LIMIT, child.kill)
    limit.start()
    output = []
    try:
        assert child.stdout is not None
        for text in child.stdout:
            output.append(text.rstrip("\n"))
            show(output[-1])
        rc = child.wait()
    finally:
        limit.cancel()
        if child.poll() is None:
            child.kill()
            child.wait()
    ended = time.time()
    return Run(rc, started, ended, output, json.loads(result_file.read_text()) if result_file.exists() else {})


def verify(case: str, head: str, environment: dict[str, str]) -> dict[str, Any]:
    """What evict.cloud.case_ledger_info says of a case; raises RuntimeError when it cannot be run."""
    line = [str(pathlib.Path(sys.executable).parent / "ansible"), "localhost", "-m", "evict.cloud.case_ledger_info"]
    line += ["-a", json.dumps({"case": case, "expected_head": head}), "-e", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run(
        line, cwd=ROOT, env={**environment_of(environment), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=_LIMIT, check=False,
    )  # fmt: skip
    try:
        found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    except ValueError:
        raise RuntimeError(f"case_ledger_info said: {done.stdout}{done.stderr}") from None
    return found


def environment_of(environment: dict[str, str]) -> dict[str, str]:
    """The checkout's configuration (Ansible ignores the one of a folder that others may write), plain text."""
    return {
        **environment,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": os.environ.get("LC_ALL", "C.UTF-8"),
    }

"""What the person at the terminal reads while the drill goes on, and where it is written.

The drill is a command task of playbooks/drill.yml, and such a task is silent until it ends. So the story goes straight to
where ansible-playbook itself writes, when that is a terminal or a pipe; otherwise it is this process's output, which the
playbook shows at the end.
"""

from __future__ import annotations

import os
import pathlib
import stat
import sys
import threading
import time
from typing import TextIO


class Story:
    """Lines `seconds  who  what`, to the reader and to a file. Thread-safe."""

    def __init__(self, path: pathlib.Path) -> None:
        self._began = time.monotonic()
        self._file = path.open("w", encoding="utf-8")
        self._out = _outside() or sys.stdout
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """Since the drill began."""
        return time.monotonic() - self._began

    def tell(self, who: str, what: str) -> None:
        """One line; the time is now."""
        self.line(f"{self.seconds:6.1f}s  {who:<10} {what}")

    def line(self, text: str = "") -> None:
        """A line as it is."""
        with self._lock:
            for out in (self._file, self._out):
                try:
                    out.write(text.rstrip() + "\n")
                    out.flush()
                except (OSError, ValueError):
                    if out is self._file:
                        raise  # a reader who went away is none of our business; a full disk is


def _outside() -> TextIO | None:
    """Standard output of the ansible-playbook above us, if there is one and it can be opened; None also without /proc."""
    found, pid = None, os.getppid()
    try:
        while pid > 1:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if any(os.path.basename(word) == b"ansible-playbook" for word in words[:3]):
                found = pid  # the outermost: it forks workers, which have no output of their own
            elif found:
                break
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            pid = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))
        if not found:
            return None
        target = f"/proc/{found}/fd/1"
        mode = os.stat(target).st_mode
        if not (stat.S_ISCHR(mode) and os.readlink(target).startswith("/dev/") and "null" not in os.readlink(target)) and not stat.S_ISFIFO(
            mode
        ):
            return None  # a file has a position of its own, a socket cannot be opened
        return open(os.open(target, os.O_WRONLY | os.O_NOCTTY), "w", encoding="utf-8", errors="replace")
    except (OSError, StopIteration, ValueError):
        return None

"""Children of the bed end when the process that started them is gone, however it died."""

from __future__ import annotations

import os
import threading
import time

VARIABLE = "BED_PARENT"


def exit_with_parent() -> None:
    """Watch the parent named in the environment, if any; exit within a second of its end."""
    parent = os.environ.get(VARIABLE)
    if parent:
        threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)

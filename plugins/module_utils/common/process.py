# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process wrote something, and whether it is still there."""

from __future__ import annotations

import contextlib
import functools
import getpass
import os
import socket
import typing as t


def identity() -> dict[str, t.Any]:
    """This process: {host, boot, namespace, pid, started}; what the system does not tell is ``""``."""
    return {**_machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def user() -> str:
    """The operating system's name of who runs this, or the number."""
    with contextlib.suppress(KeyError, OSError):
        return getpass.getuser()
    return str(os.getuid())


def fate(who: t.Any) -> str:
    """What is known of a process from its identity: ``alive``, ``dead`` or ``unknown`` (another machine, container or boot)."""
    if not isinstance(who, dict) or {name: who.get(name) for name in _machine()} != _machine():
        return "unknown"
    pid = who.get("pid")
    if not isinstance(pid, int) or isinstance(pid, bool) or pid <= 0:
        return "unknown"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "dead"
    except (OSError, OverflowError):
        pass  # it belongs to another user
    return "alive" if _started(pid) == who.get("started") else "dead"  # else the number was given to a new process


@functools.cache
def _machine() -> dict[str, t.Any]:
    # A host name alone is no proof: containers and laptops share names. Same boot and same pid namespace is.
    boot = namespace = ""
    with contextlib.suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
            boot = handle.read().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    return {"host": socket.gethostname(), "boot": boot, "namespace": namespace}


def _started(pid: int) -> str:
    """Start time in clock ticks since boot, where /proc has it; ``""`` else."""
    with contextlib.suppress(OSError, IndexError), open(f"/proc/{pid}/stat", "rb") as handle:
        fields = handle.read().rpartition(b")")[2].split()
        return "" if fields[0] == b"Z" else fields[19].decode("ascii")
    return ""

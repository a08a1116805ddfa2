# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that somebody declared: words, never a line for a shell; input on stdin; output in memory; a bound in time that ends all of its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import typing as t
from collections.abc import Mapping, Sequence

from ..common.errors import CloudError, EvictError

_MAX = 1024 * 1024  # bytes of output


def run(words: Sequence[str], given: bytes, seconds: float, name: str, more: Mapping[str, str] | None = None) -> bytes:
    """What it wrote to stdout. Raises ``EvictError`` when there is no such command, ``CloudError`` when it failed or took too long: nothing of its output."""
    try:
        # No AnsibleModule here to run it.
        # pylint: disable-next=ansible-bad-function
        child = subprocess.Popen(
            list(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, env={**os.environ, **(more or {})}
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise EvictError(f"{name}: {words[0]} cannot be started ({type(error).__name__})", object=name, operation="run") from None
    with child:
        try:
            out, _err = child.communicate(given, seconds)
        except subprocess.TimeoutExpired:
            raise CloudError(
                f"{name}: {words[0]} took longer than {seconds:.0f} s", code="TimedOut", lost=True, object=name, operation="run"
            ) from None
        finally:
            _end(child)
    if child.returncode:
        raise CloudError(
            f"{name}: {words[0]} ended with {child.returncode}", code=f"Exit{child.returncode}", lost=True, object=name, operation="run"
        )
    return out[:_MAX]


def _end(child: subprocess.Popen[t.Any]) -> None:
    """Whatever it started goes with it."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a cloud: each thing once in a pass."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Callable, Mapping

from . import plan
from .errors import CloudError, EvictError
from .plan import Call, Edit, Probe


class Cloud(t.Protocol):
    """What the runner needs of a cloud: carry out a Call, and the policy documents that an Edit may name."""

    def call(self, call: Call, parameters: Mapping[str, t.Any] | None = None) -> dict[str, t.Any]: ...

    def document(self, edit: Edit) -> tuple[Probe, Callable[[t.Any], Call]]: ...


class Reader:
    """Reads of one pass, each made once: generators of one principal share what they look at."""

    def __init__(self, clouds: Mapping[str, Cloud]) -> None:
        self._clouds = clouds
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[threading.Event, list[t.Any]]] = {}

    def get(self, call: Call) -> dict[str, t.Any]:
        """The answer of a read Call; its ``CloudError`` is remembered and raised again."""
        key = repr(plan.encode(call))
        with self._lock:
            first = key not in self._seen
            ready, box = self._seen.setdefault(key, (threading.Event(), []))
        if first:
            try:
                box.append(self._clouds[call.target.cloud].call(call))
            except EvictError as error:
                box.append(error)
            except BaseException as error:
                box.append(error)
                raise
            finally:
                ready.set()
        ready.wait()
        if isinstance(box[0], BaseException):
            raise box[0]
        return box[0]

    def forget(self, which: Callable[[EvictError], bool]) -> None:
        """Ask again, when asked the next time, for what failed with such an error. Not while others read."""
        with self._lock:
            self._seen = {
                k: (r, box) for k, (r, box) in self._seen.items() if not (box and isinstance(box[0], EvictError) and which(box[0]))
            }

    def read(self, probe: Probe) -> t.Any:
        """The value that ``probe`` sees; None when the cloud says that it is not there."""
        try:
            return plan.dig(self.get(probe.call), probe.path)
        except CloudError as error:
            if error.code in probe.absent:
                return None
            raise

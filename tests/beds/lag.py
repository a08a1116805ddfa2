"""IAM's propagation lag for ministack: the evaluator sees the stores of N seconds ago, reads and writes are immediate.

ministack keeps IAM in account-scoped dicts and reads them for two purposes: to answer IAM calls, and to decide
whether a call is allowed. Each store becomes a LaggedStore that remembers, per object, what it was before each
change; while the evaluator runs, `_data` is a view as of (now - lag). Outside the evaluator it is the live dict.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core.responses import AccountScopedDict

_ABSENT: Any = object()
_KEEP = 600.0  # seconds of history; a longer lag than this is refused by set_lag
_as_of: contextvars.ContextVar[float | None] = contextvars.ContextVar("bed_as_of", default=None)
_settings = {"lag": 0.0}
_stores: list[LaggedStore] = []


def set_lag(seconds: float, settle: bool = True) -> None:
    """Set the lag from now on; with `settle`, all that was written so far counts as propagated.

    Raises ValueError outside 0..600.
    """
    if not 0 <= seconds <= _KEEP:
        raise ValueError(f"lag must lie between 0 and {_KEEP:.0f} seconds, not {seconds}")
    _settings["lag"] = float(seconds)
    for store in _stores if settle else ():
        store.settle()


def get_lag() -> float:
    """The lag in seconds."""
    return _settings["lag"]


@contextlib.contextmanager
def evaluator_view() -> Iterator[None]:
    """Reads of lagged stores inside this block see the state of `lag` seconds ago."""
    lag = _settings["lag"]
    if not lag or _as_of.get() is not None:  # nested: keep the outer instant, so that one call sees one state
        yield
        return
    token = _as_of.set(time.time() - lag)
    try:
        yield
    finally:
        _as_of.reset(token)


def lagged(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, run in the evaluator's view."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with evaluator_view():
            return function(*args, **kwargs)

    return wrapper


class LaggedStore(AccountScopedDict):
    """An AccountScopedDict with a history. In-place edits of its values must be followed by touch()."""

    __slots__ = ("_history", "_known", "_live")

    def __init__(self) -> None:
        self._live: dict[Any, Any] = {}
        self._known: dict[Any, Any] = {}  # deep copies of the values as last seen by touch()
        self._history: list[tuple[float, Any, Any]] = []  # (time of the change, scoped key, value before)
        _stores.append(self)

    @property
    def _data(self) -> dict[Any, Any]:  # the base class reads and writes everything through this name
        as_of = _as_of.get()
        if as_of is None:
            return self._live
        before: dict[Any, Any] = {}
        for changed_at, key, value in reversed(self._history):
            if changed_at <= as_of:
                break
            before[key] = value  # the oldest change after as_of wins: it holds the value at as_of
        if not before:
            return self._live
        view = dict(self._live)
        for key, value in before.items():
            if value is _ABSENT:
                view.pop(key, None)
            else:
                view[key] = value
        return view

    @_data.setter
    def _data(self, value: dict[Any, Any]) -> None:
        self._live = value

    def touch(self, scoped_key: Any) -> None:
        """Note in the history that the object may have changed."""
        new = self._live.get(scoped_key, _ABSENT)
        old = self._known.get(scoped_key, _ABSENT)
        if new is _ABSENT and old is _ABSENT or new is not _ABSENT and new == old:
            return
        now = time.time()
        self._history.append((now, scoped_key, old))
        if new is _ABSENT:
            self._known.pop(scoped_key, None)
        else:
            self._known[scoped_key] = copy.deepcopy(new)
        if self._history[0][0] < now - 2 * _KEEP:
            self._history = [entry for entry in self._history if entry[0] >= now - _KEEP]

    def settle(self) -> None:
        """Forget the history: what is there now counts as propagated."""
        self._history.clear()

    def __setitem__(self, key: Any, value: Any) -> None:
        self.set_scoped(self._prefix(), None, key, value)

    def __delitem__(self, key: Any) -> None:
        del self._live[self._scoped(key)]
        self.touch(self._scoped(key))

    def pop(self, key: Any, *default: Any) -> Any:
        return self.pop_scoped(self._prefix(), None, key, *default)

    def set_scoped(self, account_id: str, region: Any, key: Any, value: Any) -> None:
        self._live[(account_id, key)] = value
        self.touch((account_id, key))

    def pop_scoped(self, account_id: str, region: Any, key: Any, *default: Any) -> Any:
        value = self._live.pop((account_id, key), *default)
        self.touch((account_id, key))
        return value

    def clear(self) -> None:
        self._live.clear()
        self._known.clear()
        self._history.clear()

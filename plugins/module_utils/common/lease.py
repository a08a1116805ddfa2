# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may change things in a case: one run at a time, except that containment never waits.

A lease is the object with the highest number in ``lease/``. Taking it, renewing it and giving it back are all "create number
n + 1", so a race has one winner in every store that has create-only puts. An object is deleted only once a higher one exists.

A containment goes on when another one has taken the lease. It then says in objects of its own, ``lease/beside/<run>/<n>.json``, that it is still
at work, until it has ended: whoever waits for the lease waits for it as well.

How old a lease of another machine is, the store tells: clocks of machines differ. Its time is that of an object which is written to learn it;
who must not write, and a store that tells no time, go by this machine's clock, and allow some minutes before they call anybody dead.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import secrets
import threading
import time
import typing as t

from . import process
from .errors import EvictError, Refused
from .ledger_record import canonical
from .store import NotFound, Store

TERM = 120.0  # seconds
RENEWAL = 40.0  # seconds
SKEW = 300.0  # seconds by which clocks of machines may differ
_LOOK = 1.0  # seconds between two readings by held()
_RECENT = 32  # objects that are read to learn which runs are alive: all, unless the store forbids deleting
_NAME = re.compile(r"lease/([0-9]{8})\.json")
_BESIDE = re.compile(r"lease/beside/([^/]+)/[0-9]{8}(-released)?\.json")

Clock = t.Callable[[], datetime.datetime]


def _utcnow() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Lease:
    """A lease that this process took. Use ``acquire``."""

    def __init__(self, store: Store, *, run: str, verb: str, holder: str, never_wait: bool, clock: Clock) -> None:
        self._store, self._run, self._verb, self._holder, self._clock = store, run, verb, holder, clock
        self._goes_on = never_wait  # also when it was overtaken
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._since = clock()
        self._until = self._since
        self._number = 0
        self._beside: list[str] = []  # what it has written of itself since it was overtaken, and not deleted
        self._times = 0
        self._taken_from: dict[str, t.Any] = {}
        self._explicit = False
        self._lost = ""
        self._yields = ""
        self._asked = -_LOOK
        self._looked = -_LOOK
        self._thread = threading.Thread(target=self._renew_for_ever, name="evict-lease", daemon=True)

    @classmethod
    def acquire(
        cls, store: Store, *, run: str, verb: str, holder: str, never_wait: bool = False, takeover: bool = False, clock: Clock = _utcnow,
        ended: t.Collection[str] = (),
    ) -> Lease:  # fmt: skip
        """Take the lease and keep renewing it. ``never_wait`` (contain) and ``takeover`` take it from whoever holds it.

        ``Refused`` names the holder, or whom it overtook, unless that lease was released, has run out, or its process is known to be dead.
        ``ended``: runs that are over by what the ledger says. ``StoreUnavailable``.
        """
        lease = cls(store, run=run, verb=verb, holder=holder, never_wait=never_wait, clock=clock)
        while True:
            number, current = _highest(store)
            now = _Now(store, clock, ask=True)
            if not never_wait and not takeover:
                _refuse_if_held(store, number, current, now, ended)
            # What containment does with it is the same in either case, so it does not wait for the store's time.
            lease._taken_from = current if current and now.holds(current, _path(number), ask=not never_wait) else {}
            lease._explicit = takeover
            with lease._lock:
                if lease._create(number + 1):
                    break
        _tidy(store, lease._number, _Now(store, clock))
        lease._thread.start()
        return lease

    @property
    def takeover_of(self) -> str:
        """The run that held the lease when it was taken, or ``""``."""
        return str(self._taken_from.get("run", ""))

    @property
    def taken_from(self) -> str:
        """That run in words: verb, holder, host and since when."""
        return _words(self._taken_from) if self._taken_from else ""

    def held(self) -> bool:
        """Whether it is still ours; see ``lost``."""
        return not self.lost()

    def lost(self) -> str:
        """Why nothing more may be begun under it; "" while it is ours. Reads the store at most once a second; when that fails it is not known."""
        with self._lock:
            if self._lost:
                return self._lost
            if self._stop.is_set():
                return "the case was given back"
            if self._clock() >= self._until:
                return "the case is not held any more: its lease could not be renewed in time"
            if time.monotonic() - self._looked >= _LOOK:
                try:
                    if not self._highest_is_ours():
                        self._lost = f"another run took the case over: {_words(_highest(self._store)[1])}"
                except EvictError as error:
                    return f"whether another run took the case over is not known: {error.message}"
                self._looked = time.monotonic()
            return self._lost

    def yields(self) -> str:
        """For a containment, which waits for nobody: who took the case from it because a person said so, and not to contain; "" when nobody did.

        A store that cannot be read holds it up as little as another containment does.
        """
        with self._lock:
            if self._yields or self._stop.is_set() or time.monotonic() - self._asked < _LOOK:
                return self._yields
            self._asked = time.monotonic()
        # Whoever asks first looks; the others go on meanwhile.
        with contextlib.suppress(EvictError):
            number, other = _highest(self._store)
            if number > self._number and other and other["verb"] != self._verb and other.get("explicit") is True:
                self._yields = f"the case was taken over by {other['holder']} on {other['host']}, since {other['since']}"
        return self._yields

    def release(self) -> None:
        """Give it back. An error of the store is swallowed: the lease then runs out by itself."""
        if self._stop.is_set():
            return
        self._stop.set()
        with self._lock, contextlib.suppress(EvictError):
            lost = bool(self._lost) or not self._create(self._number + 1, released=True)
            if lost and self._goes_on:
                self._say_beside(released=True)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()

    def _highest_is_ours(self) -> bool:
        highest = max(_numbers(self._store), default=0)
        # Where a spool stands in for the store, ours is not there yet.
        return highest == self._number or bool(self._store.failed and highest < self._number)

    def _create(self, number: int, released: bool = False) -> bool:
        """Put object ``number``; False when somebody else has it, or a higher one."""
        until, data = self._data(number, released)
        if not self._store.keep(_path(number), data):
            return False
        # The number may have been free again because a newer holder deleted it: whoever is highest now has it.
        if max(_numbers(self._store), default=0) != number:
            return False
        old, self._number, self._until, self._looked = self._number, number, until, time.monotonic()
        if old:
            with contextlib.suppress(EvictError):  # a store with object lock keeps it
                self._store.delete(_path(old))
        return True

    def _data(self, number: int, released: bool) -> tuple[datetime.datetime, bytes]:
        now = self._clock()
        until = now if released else now + datetime.timedelta(seconds=TERM)
        return until, canonical(
            {
                "n": number, "run": self._run, "verb": self._verb, "holder": self._holder, "process": process.identity(), "since": _text(self._since),
                "until": _text(until), "released": released, "takeover_of": self.takeover_of, "explicit": self._explicit,
                "goes_on": self._goes_on,
            }
        )  # fmt: skip

    def _say_beside(self, released: bool = False) -> None:
        """That this run, which was overtaken, is still at work or has ended. The one before the last stays: somebody may be reading it."""
        self._times += 1
        path = f"lease/beside/{self._run}/{self._times:08d}{'-released' if released else ''}.json"
        self._store.keep(path, self._data(self._number, released)[1])
        over = [_path(self._number), *self._beside] if released else self._beside[:-1]
        self._beside = [*self._beside[-1:], path]
        with contextlib.suppress(EvictError):  # a store with object lock keeps them
            for old in over:
                self._store.delete(old)

    def _renew_for_ever(self) -> None:
        pause = RENEWAL
        while not self._stop.wait(pause):
            pause = RENEWAL
            try:
                with self._lock:
                    if self._stop.is_set():
                        return
                    if not self._lost and not (self._highest_is_ours() and self._create(self._number + 1)):
                        self._lost = f"another run took the case over: {_words(_highest(self._store)[1])}"
                    if self._lost and not self._goes_on:
                        return
                    if self._lost:
                        self._say_beside()
            except EvictError:
                pause = RENEWAL / 8  # a store that is away for a moment; held() says no once the term is over


class _Now:
    """What time it is, here and (with ``ask``, once somebody wants to know) where the store is."""

    def __init__(self, store: Store, clock: Clock, ask: bool = False) -> None:
        self._store, self._here, self._ask = store, clock(), ask
        self._there: datetime.datetime | None = None

    def holds(self, lease: dict[str, t.Any], path: str, ask: bool = True) -> bool:
        """Whether the lease is neither released nor over, unless its process is known to be dead."""
        fate = process.fate(lease["process"])
        if lease["released"] or fate == "dead":
            return False
        age = self._age(path) if ask and fate == "unknown" else None
        if age is not None:
            return age < TERM
        # An end further away than one term is not one that a run of ours wrote.
        left = (datetime.datetime.fromisoformat(lease["until"]) - self._here).total_seconds()
        return 0 < left <= TERM + 60 if fate == "alive" else -SKEW < left <= TERM + SKEW

    def _age(self, path: str) -> float | None:
        """Seconds since the object was written, by the store's time; None when that is not known."""
        if not self._ask:
            return None
        probe = f"lease/now-{secrets.token_hex(8)}"
        try:
            if self._there is None:
                self._store.put(probe, b"what time it is here")
                self._there = self._store.written(probe)
                with contextlib.suppress(EvictError):  # a store with object lock keeps it
                    self._store.delete(probe)
            written = self._store.written(path)
        except EvictError:
            return None
        return (self._there - written).total_seconds() if self._there and written else None


def live_runs(store: Store, clock: Clock = _utcnow, *, ask: bool = False) -> set[str]:
    """Runs with a lease that is neither released nor over, taken over or not, unless their process is known to be dead. ``StoreUnavailable``.

    With ``ask`` the store is asked for its time, by writing.
    """
    return {lease["run"] for lease in _Leases(store).living(_Now(store, clock, ask))}


def refuse_if_held(store: Store, clock: Clock = _utcnow, *, ask: bool = True, ended: t.Collection[str] = ()) -> None:
    """``Refused``, naming the holder, while somebody holds the lease there or goes on without it; nothing is taken. ``ended``: see ``acquire``."""
    _refuse_if_held(store, *_highest(store), _Now(store, clock, ask), ended)


def _refuse_if_held(store: Store, number: int, current: dict[str, t.Any] | None, now: _Now, ended: t.Collection[str]) -> None:
    remedy = "wait for it to end, or give takeover=true if you know that it is dead or must stop"
    if number and current is None:
        where = f"{store.url}/{_path(number)}"
        raise Refused(
            f"{where} is not a lease: somebody changed it", object=where, operation="lease", remedy="look at it, then give takeover=true"
        )
    found = _Leases(store)
    if found.unread:
        raise found.unread
    # A run that was overtaken stops before its next change, unless it is a containment.
    holder = (current or {}).get("run")
    living = [x for x in found.living(now) if x["run"] == holder or (x.get("goes_on") is not False and x["run"] not in ended)]
    for lease in sorted(living, key=lambda lease: lease["run"] != holder):  # whoever has it is named first
        raise Refused(
            f"{store.url} is in use: {_words(lease)}, lease until {lease['until']} (run {lease['run']})",
            object=store.url, operation="lease", remedy=remedy,
        )  # fmt: skip


class _Leases:
    """What tells who may be at work: the latest numbers, and the last that each overtaken run has said."""

    def __init__(self, store: Store) -> None:
        self.unread: EvictError | None = None
        while True:
            names = store.list("lease")
            self.beside = [(name, match) for name in names if (match := _BESIDE.fullmatch(name))]
            last = {match[1]: name for name, match in self.beside}
            self.ended = {match[1] for _name, match in self.beside if match[2]}
            numbered = [name for name in names if _NAME.fullmatch(name)][-_RECENT:]
            found = list(store.get_many([*numbered, *(name for run, name in last.items() if run not in self.ended)]))
            if not any(isinstance(data, NotFound) for _path, data in found):
                break  # else one was renewed, and its old object deleted, between the listing and the reading
        self.all = [(path, _parse(data) if isinstance(data, bytes) else None) for path, data in found]
        self.unread = next((data for _path, data in found if isinstance(data, EvictError)), None)

    def living(self, now: _Now) -> list[dict[str, t.Any]]:
        """The latest lease of each run that is neither released nor over, unless its process is known to be dead."""
        newest = {lease["run"]: (lease, path) for path, lease in self.all if lease and lease["run"] not in self.ended}
        return [lease for lease, path in newest.values() if now.holds(lease, path)]


def _words(lease: dict[str, t.Any] | None) -> str:
    """Who holds it, for people."""
    return f"{lease['verb']} by {lease['holder']} on {lease['host']}, since {lease['since']}" if lease else "by somebody unknown"


def _highest(store: Store) -> tuple[int, dict[str, t.Any] | None]:
    """The highest number (0: none) and its lease; None when it cannot be understood."""
    while numbers := _numbers(store):
        for _name, data in store.get_many([_path(numbers[-1])]):
            if isinstance(data, bytes):
                return numbers[-1], _parse(data)
            if not isinstance(data, NotFound):
                raise data
    return 0, None


def _numbers(store: Store) -> list[int]:
    return sorted(int(match[1]) for name in store.list("lease") if (match := _NAME.fullmatch(name)))


def _tidy(store: Store, number: int, now: _Now) -> None:
    """Delete what lies below ``number``, except the leases of runs that were overtaken and may still be at work."""
    with contextlib.suppress(EvictError):  # a store with object lock keeps them
        found = _Leases(store)
        living = {lease["run"] for lease in found.living(now)}
        for path, lease in found.all:
            if (match := _NAME.fullmatch(path)) and int(match[1]) < number and (lease is None or lease["run"] not in living):
                store.delete(path)
        for path, match in found.beside:
            if match[1] not in living:
                store.delete(path)


def _parse(data: bytes) -> dict[str, t.Any] | None:
    """A lease with every used part of the right type, times aware; None for anything else."""
    try:
        lease = json.loads(data)
        texts = all(isinstance(lease[name], str) for name in ("run", "verb", "holder", "since", "until"))
        if not texts or not isinstance(lease["released"], bool) or datetime.datetime.fromisoformat(lease["until"]).tzinfo is None:
            return None
        who = lease["process"]
        lease["host"] = who["host"] if isinstance(who["host"], str) else ""
        return t.cast(dict[str, t.Any], lease)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _path(number: int) -> str:
    return f"lease/{number:08d}.json"


def _text(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping the clocks: deletions that are scheduled, rules that empty buckets, logging that was switched off, fleets that go on starting machines.

Who set one going decides: what a suspect did is stopped; what anybody else did is printed with its deadline and left alone. What the quick
scope kept of the suspects' calls says the first; for what destroys, CloudTrail is asked once per region who else has scheduled it.
"""

from __future__ import annotations

import dataclasses
import datetime
import threading
import time
import typing as t
from collections.abc import Callable, Iterable

from ..common.chain import Job
from ..common.errors import EvictError
from ..common.plan import Phase, Target
from ..common.reader import Reader
from ..common.run import STANDS, Done
from . import clocks, doubt, events, everybody
from .clocks import Clock, Kind, Started
from .scope import caller_arn
from .session import iso

if t.TYPE_CHECKING:
    from .contain import Containment

READS = events.READS
_LAST = 95  # priority in the pool: behind the reading back
_SECONDS = 60.0  # for the listings of one call
_MOST = 200  # calls of one name and region that are read
_LONGEST = datetime.timedelta(days=31)  # KMS and Secrets Manager wait for 30 days at most
_ORDER = ("running", "unknown", "failed", "stopped")


class Clocks:
    """``first`` and ``stop`` do it; ``rows``, ``open_items`` say what was found and what still runs."""

    def __init__(self, run: Containment) -> None:
        self.run = run
        self.found: dict[str, tuple[Kind, Clock]] = {}
        self.gaps: set[str] = set()
        self._listed: list[events.Event] = []
        self._regions: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._deadline = 0.0

    # -- doing it ------------------------------------------------------------------------------------------------------------------

    @property
    def wanted(self) -> bool:
        """Only the log says who set a clock going, so nothing is known without the quick scope."""
        return self.run.options.clocks != "none" and self.run.scope is not None and bool(everybody.principals(self.run))

    def first(self) -> None:
        """Logging, so that the rest of the response is logged, and what acts at midnight. Returns when it is done."""
        if self.wanted:
            self._all([kind for kind in clocks.KINDS.values() if kind.EARLY], list_too=False)

    def stop(self) -> None:
        """Everything; of what ``first`` did, whether somebody undid it meanwhile."""
        if not self.wanted:
            return
        self._all(list(clocks.KINDS.values()), list_too=True)
        for kind, clock in list(self.found.values()):
            done = self._done(kind, clock)
            if done and done.status not in STANDS:
                remedy = "; ".join(filter(None, (done.remedy, clock.remedy)))
                error = EvictError(
                    done.message or done.status, object=clock.text, operation=done.operation or done.step.action, remedy=remedy
                )
                self.run.runner.fail(error)

    def _all(self, kinds: Iterable[Kind], *, list_too: bool) -> None:
        self._deadline = time.monotonic() + _SECONDS
        if list_too:
            self._list(kinds)
        started = self._started()
        for kind in kinds:
            for target in sorted({place for place, name in started if name == kind.KIND}):
                self._submit(
                    target.account, self._look(kind, target, started[target, kind.KIND]), f"{kind.NOUN} in {target.account} {target.region}"
                )
        self.run.runner.wait()

    def _submit(self, account: str, task: Callable[[], None], what: str) -> None:
        """One thing that cannot be looked at is a gap, and stops nothing."""

        def guarded() -> None:
            try:
                if time.monotonic() > self._deadline:
                    raise EvictError("time was up before it was looked at", object=what)
                task()
            except EvictError as error:
                with self._lock:
                    self.gaps.add(f"{what}: {error.message}")

        self.run.runner.pool.submit(_LAST, account, guarded)

    # -- who did it ------------------------------------------------------------------------------------------------------------------

    def _list(self, kinds: Iterable[Kind]) -> None:
        """Every call that scheduled a destruction, whoever made it, in all regions."""
        names = sorted({name for kind in kinds for name in kind.LISTED})
        self._listed = []
        accounts = everybody.accounts(self.run)
        for name in names:  # region after region, so that nobody sleeps for AWS's limit of two requests a second and region
            for account in accounts:
                for region in self._enabled(account):
                    self._submit(account, self._lookup(Target("aws", account, region), name), f"deletions scheduled in {account} {region}")
        self.run.runner.wait()

    def _lookup(self, target: Target, name: str) -> Callable[[], None]:
        def lookup() -> None:
            start = iso(self.run.aws.now() - _LONGEST)
            for event in events.lookup(self.run.aws, target, "EventName", name, start, self._deadline, _MOST):
                if not event.get("errorCode"):
                    with self._lock:
                        self._listed.append(event)

        return lookup

    def _enabled(self, account: str) -> list[str]:
        if account not in self._regions:
            try:
                self._regions[account] = events.regions(self.run.aws, account)
            except EvictError as error:
                self.gaps.add(f"account {account}: {error.message}")
                self._regions[account] = []
        return self._regions[account]

    def _started(self) -> dict[tuple[Target, str], list[Started]]:
        """By place and kind: the suspects' calls that the scope kept, and what was listed beside them."""
        scope = self.run.scope
        if scope is None:
            raise AssertionError("asked only where there is a scope")
        who = everybody.suspects(self.run)
        calls = {str(e.get("eventID")): (e, True) for e in list(scope.kept)}
        for event in self._listed:
            caller = event.get("userIdentity") or {}
            mine = scope.knows(str(caller.get("accessKeyId") or ""), str(caller.get("arn") or ""))
            calls.setdefault(str(event.get("eventID")), (event, mine))
        found: dict[tuple[Target, str], list[Started]] = {}
        for event, mine in calls.values():
            target = Target("aws", str(event.get("recipientAccountId")), str(event.get("awsRegion")))
            for kind in clocks.KINDS.values():
                if (event.get("eventSource"), event.get("eventName")) in kind.EVENTS:
                    principal = who.caller(event) if mine else None
                    # The suspect's session of an identity that is not cut: its work is the suspect's all the same.
                    arn = (principal.arn if principal else caller_arn(event)) if mine else ""
                    found.setdefault((target, kind.KIND), []).append(Started(event, arn, self._doubt(event, principal) if mine else ""))
        return found

    def _doubt(self, event: events.Event, principal: t.Any) -> str:
        """Why the call may be the owner's, who used the same credential: what ends work (a fleet) is then left to a person."""
        why = doubt.of(self.run.incident, event, principal)
        return f"{why}, or set it to 0 by hand" if why == doubt.NO_WINDOW else f"{why}: left alone" if why else ""

    # -- one kind in one place ---------------------------------------------------------------------------------------------------------

    def _look(self, kind: Kind, target: Target, started: list[Started]) -> Callable[[], None]:
        def look() -> None:
            for one in kind.found(target, started, Reader(self.run.runner.clouds)):
                self._take(kind, one)

        return look

    def _take(self, kind: Kind, clock: Clock) -> None:
        if clock.state == "running" and not clock.why:
            if {clock.id, clock.data.get("arn")} & set(self.run.incident.protected):
                clock = dataclasses.replace(clock, why="the incident file protects it: left alone")
            elif self.run.options.clocks != "stop":
                clock = dataclasses.replace(clock, why="clocks: list")
            elif stopped := self._stopped(kind, clock):
                clock = dataclasses.replace(
                    clock, why=f"stopped at {stopped}, and somebody has set it going again since: look who, it is left alone"
                )
        key = f"{kind.KIND} {clock.target.account} {clock.target.region} {clock.id}"
        with self._lock:
            known = self.found.get(key)
            if known and not clock.deadline:
                clock = dataclasses.replace(clock, deadline=known[1].deadline)
            self.found[key] = (kind, clock)
        if clock.state == "running" and not clock.why:
            self.run.runner.add(clock.principal, clock.target.account, [Job(Phase.RESOURCE, lambda _r: kind.steps(clock))])

    def _stopped(self, kind: Kind, clock: Clock) -> str:
        """When it was stopped after the call that set it going, so that somebody else set it going again: its owner perhaps, with whom nobody is to fight."""
        known = self.run.case.history.get(clocks.step_id(clock, kind.KIND)) or {}
        last = known.get("outcome") or {}
        at = str(last.get("at") or "") if known.get("made") and last.get("status") == "done" else ""
        return at if clock.at and clock.at <= at else ""

    def _ours(self, kind: Kind, clock: Clock) -> bool:
        """Whether this case stopped it."""
        return bool(self._done(kind, clock) or (self.run.case.history.get(clocks.step_id(clock, kind.KIND)) or {}).get("made"))

    # -- what it comes to ----------------------------------------------------------------------------------------------------------------

    def _done(self, kind: Kind, clock: Clock) -> Done | None:
        return self.run.runner.done.get(clocks.step_id(clock, kind.KIND))

    def _row(self, kind: Kind, clock: Clock) -> dict[str, t.Any]:
        state, why, done = clock.state, clock.why, self._done(kind, clock)
        if state == "running" and not why and done:
            if done.status not in STANDS:
                state, why = "failed", "; ".join(filter(None, (done.message or done.status, clock.remedy)))
            elif done.status == "would":
                why = "would be stopped"
            else:
                state, why = "stopped", clocks.PERHAPS if clock.data.get("carried") else done.step.irreversible or clocks.KEPT
        return {
            "object": clock.text,
            "what": f"{clock.what}{self._blind(clock, done)}",
            "deadline": clock.deadline or None,
            "state": state,
            "why": why,
        }

    def _blind(self, clock: Clock, done: Done | None) -> str:
        """The time in which nothing was logged."""
        since = str(clock.data.get("since") or "")
        if not since:
            return ""
        ended = done.at if done and done.status == "done" else str(clock.data.get("until") or "")
        return f"; blind from {since}" + (f" to {ended}" if ended else "" if clock.state == "stopped" else " until now")

    def rows(self) -> list[dict[str, t.Any]]:
        """Rows of ``clocks``, {object, what, deadline, state, why}: the earliest deadline first."""
        rows = [self._row(kind, clock) for kind, clock in self.found.values()]
        return sorted(rows, key=lambda r: (r["deadline"] is None, r["deadline"] or "", _ORDER.index(r["state"]), r["object"]))

    def open_items(self) -> list[dict[str, t.Any]]:
        """What of the suspects still runs, or is not known; what failed is among the failures."""
        items = []
        for kind, clock in list(self.found.values()):
            row = self._row(kind, clock)
            perhaps = row["state"] == "stopped" and clock.data.get("carried") and self._ours(kind, clock)
            if perhaps:
                row["why"] = clocks.PERHAPS
            if clock.principal and (perhaps or row["state"] in ("running", "unknown")) and not self.run.runner.check:
                items.append({"object": row["object"], "why": f"{row['what']}: {row['why']}", "due": row["deadline"]})
        if self.gaps:
            listed = sorted(self.gaps)
            more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
            items.append({"object": "clocks", "why": f"not known: {'; '.join(listed[:5])}{more}", "due": None})
        return items

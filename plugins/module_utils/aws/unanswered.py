# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody changed and nobody has an answer to yet: CloudTrail is minutes late, so in the run that sees it that is the rule.

Kept in the ledger (``common.unexplained``) and compared with what was there *before* it until it is undone, its author is known, or a person says that they
know. Of a control that was taken away only the author is missing: it was written again. So it is with what was changed of somebody contained: it was undone.
"""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from ..common import looks, manual, unexplained
from ..common.guard import identity, kind_of
from ..common.unexplained import Entry, Known
from . import account_state, residual
from .account_state import Change, State
from .events import Event
from .put_back import gives
from .scope import caller_arn
from .session import iso, parse

if t.TYPE_CHECKING:
    from .contain import Containment

Place = tuple[str, str]
_WHO = ("type", "arn", "accountId", "accessKeyId", "principalId", "userName", "sessionContext")  # of an author, what the ledger keeps
_UNTIL = "somebody knows whose it is"


def matters(change: Change) -> bool:
    """Whether it gives somebody something. What is gone as a whole gives nothing."""
    return gives(change) and not (change.facet == "created" and change.after is None)


class Unanswered:
    """One run's. Safe for threads: accounts are compared side by side."""

    def __init__(self, run: Containment) -> None:
        self._run, self._lock = run, threading.RLock()
        self._known: dict[str, Known] = unexplained.known(run.case.ledger.state.notes)
        self._events: dict[str, Event] = {}  # by id, of what this run could tell the author of
        self._undoing: dict[str, str] = {}  # id -> the Step that undoes it
        self._others: set[str] = set()  # ids of what somebody did whom nobody suspects, in this run or explained by it
        self._wronged: dict[str, str] = {}  # id of what was undone -> the answer that it was done by somebody whom nobody suspects

    # -- what there is -----------------------------------------------------------------------------------------------------------

    def left(self, account: str = "") -> list[Entry]:
        """Without an answer, of one account or of all that this run has."""
        with self._lock:
            found = [one.entry for one in self._known.values() if one.open]
        account = account or self._run.share
        return [entry for entry in found if account in ("", entry.arn.split(":")[4])]

    def changes(self, account: str, hostile: t.Callable[[Event], bool]) -> dict[Place, Entry]:
        """What is to be compared with what was before it: without an answer, done by somebody else in this run, or by whom we suspect by now."""
        with self._lock:
            known = [one for one in self._known.values() if not one.entry.step and one.entry.arn.split(":")[4] == account]
            found = [
                one.entry
                for one in known
                if not one.answer["how"]
                or one.entry.id in self._others
                or (one.answer.get("who") and hostile({"userIdentity": one.answer["who"], "eventTime": one.answer.get("when", "")}))
            ]
        return {(entry.arn, entry.facet): entry for entry in found}

    def reverts(self, account: str) -> list[Entry]:
        """Controls that were taken away by nobody knows whom, also those of which the log may not name everybody yet; and what was undone, whoever did it."""
        with self._lock:
            known = [
                one
                for one in self._known.values()
                if one.entry.arn.split(":")[4] == account and (one.entry.step or self._is_undone(one.entry))
            ]
        return [one.entry for one in known if one.open or (one.at and parse(one.at) < parse(one.entry.seen) + looks.AFTER[0])]

    def _is_undone(self, entry: Entry) -> bool:
        return self._known[entry.id].answer["how"] == unexplained.UNDONE

    def event(self, entry: Entry | None, change: Change) -> Event | None:
        """Who did it, when that is known and it is still what is there."""
        with self._lock:
            return self._events.get(entry.id) if entry and entry.after == change.after else None

    # -- what becomes of it ------------------------------------------------------------------------------------------------------

    def keep(
        self, change: Change, old: Entry | None, *, since: str, meanwhile: bool, step: str = "", event: Event | None = None
    ) -> Entry:  # fmt: skip
        """Nobody has an answer to ``change``. Of what is known already (``old``) the latest state is kept, with what was before the first change."""
        with self._lock:
            place = (change.arn, change.facet, step)
            old = old or next((e for e in self.left() if (e.arn, e.facet, e.step) == place), None)
            access = bool(step) or matters(change)
            entry = (
                dataclasses.replace(old, after=change.after, access=access)
                if old
                else Entry(change.arn, change.facet, change.before, change.after, step, since, iso(self._run.aws.now()), meanwhile, access)
            )
            if event:
                self._events[entry.id] = event
            if old != entry or self._known[entry.id].answer["how"]:
                self._known[entry.id] = Known(entry, [], {"how": ""})
                self._run.case.note(unexplained.NOTE, entry.as_dict())
            return entry

    def answer(self, entry: Entry | None, how: str, event: Event | None = None) -> None:
        """``how`` in a few words. Given once. ``event``: by somebody who may turn out to be a suspect."""
        if entry is None:
            return
        with self._lock:
            one = self._known[entry.id]
            if one.answer["how"] == how:
                return
            who = {key: value for key, value in ((event or {}).get("userIdentity") or {}).items() if key in _WHO}
            data = {"id": entry.id, "how": how, "who": who, "when": str((event or {}).get("eventTime") or "")}
            self._known[entry.id] = dataclasses.replace(one, answer=data, at=iso(self._run.aws.now()))
            self._others.discard(entry.id)
            self._run.case.note(unexplained.ANSWER, data)

    def of_others(self, change: Change, entry: Entry | None, event: Event, *, since: str, meanwhile: bool) -> None:
        """Somebody did it whom nobody suspects. Perhaps somebody will: what gave access is compared with what was before it until this run is over."""
        if not matters(change):
            self.answer(entry, f"done by {caller_arn(event)}")
            return
        if entry is None or entry.after != change.after:
            entry = self.keep(change, entry, since=since, meanwhile=meanwhile, event=event)
        self.answer(entry, f"done by {caller_arn(event)}", event)
        with self._lock:
            self._events[entry.id] = event
            self._others.add(entry.id)

    def undoing(self, entry: Entry, step: str) -> None:
        with self._lock:
            self._undoing[entry.id] = step

    def settle(self) -> None:
        """Called when the Steps of a pass have been carried out."""
        with self._lock:
            done = {name: self._run.runner.done.get(step) for name, step in self._undoing.items()}
            for name in [name for name, one in done.items() if one and one.status in ("done", "already")]:
                del self._undoing[name]
                self.answer(self._known[name].entry, "undone" if name in self._events else unexplained.UNDONE)

    def wronged(self, entry: Entry, event: Event) -> None:
        """It was undone before anybody knew that somebody had done it whom nobody suspects."""
        how = f"undone, although it was done by {caller_arn(event)}, whom nobody suspects"
        self.answer(entry, how)
        with self._lock:
            self._wronged[entry.id], self._events[entry.id] = how, event

    def over(self, account: str, before: State, now: State, places: t.Collection[Place]) -> None:
        """What differs no more (``places``: what does) was undone by somebody, holds nothing any more, or is cut by now."""
        for entry in [one for one in self.changes(account, lambda _event: False).values() if (one.arn, one.facet) not in places]:
            facets = now.get(entry.arn, {})
            unread = f"{account_state.UNKNOWN}{kind_of(entry.arn)}" in now or account_state.UNKNOWN in facets
            if not unread and (entry.arn in now or entry.facet == "created" or not account_state.moved(before, now, entry.arn, "")):
                self.answer(entry, "it gives nothing any more")

    # -- what is said ------------------------------------------------------------------------------------------------------------

    def _text(self, entry: Entry) -> str:
        event = self._events.get(entry.id)
        by = f" by {caller_arn(event)}" if event else ""
        if entry.step:
            return f"{entry.facet} was taken away{by}, and written again"
        what = "it" if entry.facet == "created" else entry.facet
        verb = (
            "was made"
            if entry.before is None and what == "it"
            else "was added"
            if entry.before is None
            else "is gone"
            if entry.after is None
            else "was changed"
        )
        return f"{what} {verb}{by}" + (", and was undone" if self._is_undone(entry) or entry.id in self._wronged else "")

    def manual(self) -> list[manual.Row]:
        """What a person can say in the log's place."""
        rows = []
        for entry in [entry for entry in self.left() if entry.access]:
            todo = "name whoever did it as a suspect" if entry.step else "undo it, or name whoever did it as a suspect"
            if self._is_undone(entry):
                todo = "name whoever did it as a suspect; if it was yours, do it again"
            what = f"{self._text(entry)} (seen {entry.seen}): look into CloudTrail. If it was none of yours, {todo}; then say that it is dealt with"
            why = (
                "whoever did it is a suspect, and it has no way back"
                if entry.id in self._events
                else "CloudTrail did not say by whom, and a later look (-e phase=hold) asks again"
            )
            rows.append(manual.row(self._run.case, entry.id, entry.arn, what, why, self._known[entry.id].place or None))
        return rows

    def residual(self) -> list[residual.Row]:
        """Whoever did it may still act, and so may whoever gained by it."""
        kinds = {"key": "access key", "password": "console password"}
        rows = []
        for entry in [entry for entry in self.left() if entry.access]:
            kind = "whoever took a control away" if entry.step else kinds.get(entry.facet.partition("/")[0], "whoever gained by a change")
            kind = "whoever made a change" if self._is_undone(entry) else kind
            rows.append(residual.row(entry.arn, kind, _UNTIL, f"{self._text(entry)} at {entry.seen} or shortly before"))
        return rows

    def watch(self) -> list[dict[str, t.Any]]:
        """What nobody has an answer to; and what others did that gives somebody access, with whoever did it."""
        rows = []
        for entry in self.left():
            said = "" if entry.id in self._events else "; the history does not say yet by whom"
            rows.append({"object": entry.arn, "why": f"{self._text(entry)}{said}", "due": None})
        with self._lock:
            others = [self._known[name].entry for name in sorted(self._others)]
            wronged = [self._known[name].entry for name, how in sorted(self._wronged.items()) if self._known[name].answer["how"] == how]
        said = "nobody suspects them, and nothing gives it back by itself: let them do it again (run the pipeline once more) if it was meant so"
        rows += [{"object": entry.arn, "why": f"{self._text(entry)}; {said}", "due": None} for entry in wronged]
        return rows + [
            {"object": entry.arn, "why": f"{self._text(entry)}; {self._nobody_suspects(entry)}", "due": None} for entry in others
        ]

    def _nobody_suspects(self, entry: Entry) -> str:
        who = identity(caller_arn(self._events[entry.id]))
        contained = who in self._run.principals or who in self._run.former
        them = "a session or key of it that is not known to be the attacker's, so it stays" if contained else "and nobody suspects them"
        return f"it gives access, {them}: look whether it was meant so"


def restored(state: State, entries: t.Iterable[Entry]) -> State:
    """``state`` as it was before all these changes."""
    found = {arn: dict(facets) for arn, facets in state.items()}
    for entry in entries:
        if entry.facet == "created" and entry.before is None:
            found.pop(entry.arn, None)
        elif entry.facet == "created":
            found.setdefault(entry.arn, {})["created"] = entry.before
        elif entry.arn in found and entry.before is None:
            found[entry.arn].pop(entry.facet, None)
        elif entry.arn in found:
            found[entry.arn][entry.facet] = entry.before
    return found

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over one account: what differs from what it was, and from what our own Steps made of it. What is done about that, ``answers`` decides."""

from __future__ import annotations

import dataclasses
import typing as t

from ..common import edits, plan, restore
from ..common.errors import EvictError
from ..common.guard import identity
from ..common.plan import Step, Target
from ..common.reader import Reader
from . import account_state, credentials, own, put_back
from .account_state import Change, State
from .answers import FENCE, Answers
from .authors import Authors, global_region
from .busy import Busy
from .unanswered import Place, restored

if t.TYPE_CHECKING:
    from .hold import Hold

_FENCES = (FENCE, "attached/")
_SECONDS, _MOST_SECONDS = 15.0, 60.0  # for the authors in one account: each object is a look-up, and CloudTrail answers two a second


class Comparison:
    """One run's. Accounts are compared side by side."""

    def __init__(self, hold: Hold, answers: Answers) -> None:
        self.hold, self.run, self.runner, self.answers = hold, hold.run, hold.runner, answers
        # What earlier runs did, by account: the changes that stand, every place that was ever ours, and what a release put where.
        self._standing: dict[str, list[Step]] = {}
        self._made: dict[str, list[t.Any]] = {}  # Step id -> where the ledger says that it was carried out
        self._touched: dict[str, set[Place]] = {}
        self._given_back: dict[Place, list[t.Any]] = {}
        self._told: dict[str, set[Place]] = {}  # controls of which the last pass has asked who took them away
        self.differs: set[str] = set()  # accounts in which somebody else changed something
        self.unsure: dict[str, str] = {}  # account -> why its last pass could not tell what runs beside this one did
        if hold.on:
            self._opened = hold.case.history
            self.runner.standing = self._control

    def _control(self, name: str) -> Step | None:
        """What a run before this one wrote and nobody released: a plan may write it again before any pass could see that it was gone."""
        about = {key: self._opened[key] for key in (name, restore.PREFIX + name) if key in self._opened}
        for _first, step in restore.standing(about):
            if account_state.owned(step) and not (put_back.is_held(step) or step.owns or self.answers.was_released(step.principal)):
                return step
        return None

    def remember(self) -> None:
        """What earlier runs did, as the ledger has it."""
        history = self.hold.case.history
        for _first, latest in reversed(restore.standing(history)):
            self._standing.setdefault(latest.target.account, []).append(latest)
            self._made[latest.id] = history[latest.id]["places"]["made"]
        for name, entry in history.items():
            step = plan.decode(entry["step"]) if entry.get("step") else None
            if step and name.startswith(restore.PREFIX):
                undone = account_state.written([dataclasses.replace(step, id=step.undoes)]) if step.undoes and entry.get("made") else {}
                for where, values in undone.items():
                    self._given_back.setdefault(where, []).extend(values)
            elif step and not put_back.is_held(step) and (place := account_state.owned(step)):
                self._touched.setdefault(step.target.account, set()).add(place)

    def account(self, account: str, mine: list[Step]) -> None:
        """``mine``: what stands of this run in it. Whatever differs gets an answer, or is kept until it has one."""
        hold, left = self.hold, self.answers.left
        busy: list[Busy] = []  # asked only where there are too many users
        since = credentials.Asked.by(self.run.incident).since

        def chosen(state: State) -> list[str]:
            busy.append(Busy(self.run.aws, Target("aws", account, global_region(self.run.aws)), since, _SECONDS))
            return [*(arn for arn in state if identity(arn) in self.run.principals), *busy[0].among(state)]

        try:
            now, gaps = account_state.read(account, Reader(self.runner.clouds), chosen=chosen)
        except EvictError as error:
            hold.missing(account, error)
            return
        gaps += [f"account {account}: whose credentials were changed: {gap}" for one in busy for gap in one.gaps]
        hold.compared(account, gaps)
        for one in busy:
            hold.before[account] = one.before(hold.before[account], now)
        now = account_state.carry(hold.before[account], now)
        for principal in list(self.run.principals.values()):
            if principal.kind == "role" and principal.arn in now:
                principal.facts["AssumeRolePolicyDocument"] = now[principal.arn]["trust"]
        start = hold.since.get(account) or hold.start()
        waiting = left.left(account)
        authors = Authors(
            self.run.aws, hold.case, account, min([start, *(entry.since for entry in waiting)]),
            min(_MOST_SECONDS, _SECONDS + len(waiting)),
        )  # fmt: skip
        self.answers.begin(account, start)
        for entry in left.reverts(account):  # first: whoever works against us is a suspect in all that follows
            self.answers.ask_again(entry, authors)
        self._renamed(account, now, authors)
        entries = left.changes(account, self.answers.hostile)
        before = restored(hold.before[account], entries.values())
        wanted, ours = account_state.expected(before, [*self._still(account), *mine])
        changes = self._changes(account, wanted, now, ours)
        self._gone_anyway(account, now)
        for change in sorted(changes, key=lambda c: (c.arn, c.facet) not in ours):
            place = (change.arn, change.facet)
            self.answers.answer(change, ours.get(place), authors, entries.get(place), unsure=account in self.unsure)
        told = {(c.arn, c.facet) for c in changes if (c.arn, c.facet) in ours}
        for change, step in self._written_again(account, now, told | self._told.get(account, set())):
            self.answers.answer(change, step, authors)
        for change, step in self._under_former_names(account):
            self.answers.accomplices(change, step, authors)
        left.over(account, hold.before[account], now, {(c.arn, c.facet) for c in changes})
        self._told[account] = told  # what is written again because of this pass is seen by the next one
        hold.before[account] = now
        gaps += [f"account {account}: what runs beside this one did: {why}" for why in [self.unsure.get(account)] if why]
        gaps += [f"account {account}: who made which change: {gap}" for gap in authors.gaps[:1]]
        hold.compared(account, gaps)

    def _changes(self, account: str, wanted: State, now: State, ours: t.Mapping[Place, Step]) -> list[Change]:
        """What somebody else did; where it is not known what a run beside this one did, that as well."""
        self.unsure.pop(account, None)
        if different := [c for c in account_state.diff(wanted, now) if not self.run.moving.made_by_us(c)]:
            beside: dict[Place, list[t.Any]] = {}
            try:
                beside = account_state.written(own.meanwhile(self.hold.case))
            except EvictError as error:
                self.unsure[account] = error.message
            different = [
                c for c in different if _to_answer(c, ours.get((c.arn, c.facet))) or c.after not in beside.get((c.arn, c.facet), ())
            ]
        if different:
            self.differs.add(account)
        touched = self._touched.get(account, set())
        return [c for c in different if (c.arn, c.facet) in ours or not (self._harmless(c, touched) or self._renamed_away(c))]

    def _written_again(self, account: str, now: State, told: set[Place]) -> list[tuple[Change, Step]]:
        """Controls that were gone, in this run or since an earlier one, and that a plan has written again before this pass could see it: somebody took them

        away all the same. Not of whom somebody has deleted.
        """
        with self.hold.lock:
            mine = [step for step in self.runner.undone if step.target.account == account]
            self.runner.undone = [step for step in self.runner.undone if step not in mine]
        found = {place: step for step in mine if (place := account_state.owned(step)) and place not in told and place[0] in now}
        others: list[Step] = []  # what runs beside this one have written over it, and what a dead one may have
        try:
            if found:
                others = [*own.meanwhile(self.hold.case), *map(plan.decode, self.hold.case.ledger.open_intents())]
        except EvictError as error:
            self.unsure[account] = error.message
            with self.hold.lock:
                self.runner.undone += found.values()  # the next pass asks
            return []
        ours = account_state.written(others)
        return [(Change(*place, step.after, step.before), step) for place, step in found.items() if step.before not in ours.get(place, ())]

    def _under_former_names(self, account: str) -> list[tuple[Change, Step]]:
        """Fences of users that have another name now: what was done to these before is in no state any more, only in the history.

        Fences alone, which nobody innocent takes away: a colleague may have deleted the leaked key, or somebody else may have the name.
        """
        steps = [
            *self._standing.get(account, []),
            *(done.step for done in list(self.runner.done.values()) if done.step.target.account == account),
        ]
        former = [step for step in steps if identity(step.principal) in self.run.former and not put_back.is_held(step)]
        places = [(place, step) for step in former if (place := account_state.owned(step))]
        return [(Change(*place, step.after, step.before), step) for place, step in places if place[1].startswith(_FENCES)]

    def _renamed_away(self, change: Change) -> bool:
        """Whether what is gone is gone under a name that a contained user had before; what is new there is somebody else's."""
        return change.after is None and identity(change.arn) in self.run.former

    def _still(self, account: str) -> list[Step]:
        """What earlier runs did and nobody released, but for users that have another name now.

        What they put back is in the state that was kept since: an owner may have changed it before then, with an answer.
        """
        still = [step for step in self._standing.get(account, []) if identity(step.principal) not in self.run.former]
        return [step for step in still if not put_back.is_held(step) or self._made[step.id] > self.hold.saved.get(account, [])]

    def _harmless(self, change: Change, touched: set[Place]) -> bool:
        """What was ours and has been released; a fence that another incident has put up; a key that was switched off, a credential that is gone."""
        place = (change.arn, change.facet)
        if (place in touched and change.after is None) or change.after in self._given_back.get(place, ()):
            return True
        if change.facet.startswith(FENCE):
            return change.before is None and all(
                (s.get("Effect"), s.get("Action"), s.get("Resource")) == ("Deny", "*", "*") for s in edits.statements_of(change.after)
            )
        return change.facet.startswith("key/") and change.after in ("Inactive", None) or change.facet == "password" and change.after is None

    def _gone_anyway(self, account: str, now: State) -> None:
        """Credentials that could not be switched off, since somebody had deleted them."""
        for done in [
            d for d in list(self.runner.done.values()) if d.status in ("failed", "unverified") and d.step.target.account == account
        ]:
            place = account_state.owned(done.step)
            facets = now.get(place[0]) if place else None
            if (
                place
                and place[1].startswith(("key/", "password"))
                and facets
                and account_state.UNKNOWN not in facets
                and facets.get(place[1]) is None
            ):
                self.answers.gone(done.step)

    def _renamed(self, account: str, now: State, authors: Authors) -> None:
        """A contained user under another name or path: every control names it, so it gets the old ones back."""
        for user in [p for p in list(self.run.principals.values()) if p.kind == "user" and p.account == account]:
            if not (arn := account_state.moved(self.hold.before[account], now, user.arn, user.id)):
                continue
            contained = self.run.principals.get(identity(arn))
            if contained and contained is not user and contained.id == user.id:  # by the name that it has now
                self.run.retire(user, contained)
                continue
            taken = any(identity(other) == identity(user.arn) and other != arn for other in now)  # somebody else has its name now
            if self.answers.renamed(user, arn, taken, authors):
                now[user.arn] = now.pop(arn)  # what else has changed of it is told by its old name


def _to_answer(change: Change, ours: Step | None) -> bool:
    """Whether it is answered even if a run beside this one did it: a control of ours is gone, or what we took away from somebody is there again."""
    if ours is None:
        return False
    return change.after is not None and ours.after is None if put_back.is_held(ours) else change.after is None

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done about a change that somebody made while a containment was spreading: undo it, contain or name its author, or keep it for a later look."""

from __future__ import annotations

import dataclasses
import typing as t

from ..common.chain import Job
from ..common.errors import EvictError, Refused
from ..common.guard import identity, kind_of
from ..common.plan import Phase, Step, Target
from ..common.run import Done
from ..common.unexplained import Entry
from . import put_back
from .account_state import Change
from .attackers import Attackers
from .authors import Authors, left_it_so
from .principal import Principal
from .resolving import from_identity
from .scope import Found, caller_arn
from .unanswered import Unanswered, matters

if t.TYPE_CHECKING:
    from .events import Event
    from .hold import Hold

FENCE = "inline/evict-"  # how the facets of the fences of every incident begin
FIGHTS = 2  # how often what a declared automation takes away is written again, in a whole case


class Answers:
    """One run's. ``acted``: changes of others that were answered, so that a pass was not quiet; ``left``: what has no answer yet."""

    def __init__(self, hold: Hold) -> None:
        self.hold, self.run, self.runner, self.case = hold, hold.run, hold.runner, hold.case
        self.left = Unanswered(hold.run)
        self.acted = 0
        self.yielded: dict[str, str] = {}  # ids of Steps that are not written again -> the automation that takes them away
        self._since: dict[str, str] = {}  # account -> from when on authors are looked for
        self._wrote: dict[str, str] = {}  # Step id -> when this run wrote it first, "" where that is not known any more
        self._earlier = {
            name: str((entry.get("made") or {}).get("at") or "") for name, entry in self.case.history.items()
        }  # when a run before this one did
        self._told: set[str] = set()
        attackers = Attackers(hold.run)
        self.hostile, self.was_released = attackers.made, attackers.was_released

    def begin(self, account: str, since: str) -> None:
        """Called before the changes of an account are answered."""
        self._since[account] = since

    def wrote(self, steps: t.Iterable[Done], lost: t.Collection[str]) -> None:
        """What this run has written until now. Of what was lost before it began to hold it is not known any more when it was first written."""
        for done in steps:
            if done.status == "done" and done.at:
                self._wrote.setdefault(done.step.id, "" if done.step.id in lost else done.at)

    def _written(self, step: str) -> str:
        """When a control was written (RFC 3339) that somebody has taken away since; "" where that is not known."""
        return self._wrote.get(step) or self._earlier.get(step, "")

    # -- whose it is -------------------------------------------------------------------------------------------------------------

    def _contained(self, who: str) -> bool:
        return who in self.run.principals or who in self.run.former

    def _trusted(self, event: Event) -> bool:
        """A declared automation that nobody suspects, and nobody who sits in it."""
        author = identity(caller_arn(event))
        contained = self.run.principals.get(author) or self.run.former.get(author)
        return author in self.run.trusted and (contained is None or bool(contained.only)) and not self.hostile(event)

    # -- a change ----------------------------------------------------------------------------------------------------------------

    def answer(self, change: Change, ours: Step | None, authors: Authors, entry: Entry | None = None, *, unsure: bool = False) -> None:
        """``ours``: the Step that wrote the place last; ``entry``: what is known of the change from an earlier pass or run; ``unsure``: a run of ours may
        have made it, which cannot be told now.
        """
        event = self.left.event(entry, change) or authors.of(change)
        if ours and change.after is None and change.facet.startswith(("key/", "password")):
            self.gone(ours)
            return
        if ours and not put_back.is_held(ours):
            self._reverted(change, ours, event)
            self.accomplices(change, ours, authors)
            return
        victim = self.run.principals.get(identity(change.arn))
        of_contained = victim is not None and not victim.only
        meanwhile = entry.meanwhile if entry else self._meanwhile(change)
        since = entry.since if entry else self._since[change.arn.split(":")[4]]
        if change.facet.startswith(FENCE) and change.before is not None and not ours:
            self._of_another_incident(change, event, entry, since)
        elif event and self.hostile(event):
            self._undo(change, event, entry, since)
        elif of_contained and change.facet == "created" and entry:
            self.left.answer(entry, "contained")
        elif of_contained and not event and meanwhile and not unsure and put_back.gives(change):
            self._undo(change, None, entry, since)
        elif event:
            recent = entry is not None or str(event.get("eventTime")) >= self.hold.start()
            if recent:
                self.left.of_others(change, entry, event, since=since, meanwhile=meanwhile)
        else:
            self.left.keep(change, entry, since=since, meanwhile=meanwhile)

    def _of_another_incident(self, change: Change, event: Event | None, entry: Entry | None, since: str) -> None:
        """Its fence was taken away or weakened. By the responder: it was released. By anybody else: as with a control of ours.

        Without an author it is not put back yet: what was released would be fenced for good, by what no ledger takes away.
        """
        if event is None:
            self.left.keep(change, entry, since=since, meanwhile=True)
            return
        mine = map(identity, (self.run.aws.caller["arn"], self.run.aws.responder_arn(change.arn.split(":")[4])))
        if identity(caller_arn(event)) in mine and not self.hostile(event):
            self.left.answer(entry, "released by the responder")
            return
        self._undo(change, event, entry, since)
        self._named(change, event)

    def _meanwhile(self, change: Change) -> bool:
        """Whether it happened while this run was at work: of what happened before, since an earlier run, an owner may be the author."""
        return self.hold.passes > 0 or change.arn.split(":")[4] not in self.hold.since

    def _undo(self, change: Change, event: Event | None, entry: Entry | None, since: str) -> None:
        """A contained principal did it, or it was done to one by nobody knows whom."""
        account = change.arn.split(":")[4]
        by = caller_arn(event) if event else ""
        how = f"{change.text} by {by or 'an unknown hand'} while the fence was spreading"
        kind = change.facet.partition("/")[0]
        if steps := list(put_back.steps(change, Target("aws", account))):
            self.acted += 1
            if event:
                self._note_author(steps[0].id, event)
            entry = self.left.keep(change, entry, since=since, meanwhile=True, event=event)
            self.left.undoing(entry, steps[0].id)  # until it is, it has no answer
            self.runner.add(change.arn, account, [Job(Phase.FENCE, lambda _r: steps)])
            if (
                kind == "trust"
            ):  # what it was may have been the suspects' work as well; and until that has spread somebody may come to it: its sessions are cut, too
                self.run.findings.mended.add(change.arn)
                self.run.findings.take(Found(account, change.arn, how, by))
                if self.run.scope:
                    self.run.scope.strangers(account, change.arn)
            return
        if kind in ("key", "password"):
            credential = change.facet.partition("/")[2] or "password"
            fresh = {"key": "access_key", "password": "login_profile"}[kind]
            found = Found(account, change.arn, how, by, only=credential, kind=fresh, key=credential if kind == "key" else "")
        elif kind == "created" and change.after is not None and kind_of(change.arn) in ("user", "role"):
            found = Found(account, change.arn, how, by, whole=True)
        else:
            if matters(change):
                self.left.keep(change, entry, since=since, meanwhile=True, event=event)
            elif change.text not in self._told:
                self._told.add(change.text)
                self.run.open.append({"object": change.arn, "why": f"{how}; look at it by hand", "due": None})
            return
        self.acted += 1
        self.run.findings.take(found)
        self.left.answer(entry, "its author is a suspect, and what it gives is cut" if event else "what it gives is cut")

    def _note_author(self, step: str, event: Event) -> None:
        """A release keeps what a suspect's change was undone by."""
        note = {"step": step, "by": identity(caller_arn(event))}
        if note not in [n["data"] for n in self.case.notes(put_back.NOTE)]:
            self.case.note(put_back.NOTE, note)

    # -- somebody takes our controls away ----------------------------------------------------------------------------------------

    def _reverted(self, change: Change, ours: Step, event: Event | None) -> None:
        by, author = (caller_arn(event), identity(caller_arn(event))) if event else ("", "")
        trusted = event is not None and self._trusted(event)
        if event and trusted and not self._fought(change, ours.id, event):
            self._give_way(ours, by)
            return
        self.acted += 1
        if not trusted:
            self.case.note("reverted", {"step": ours.id, "by": author})
        if self.runner.done.get(ours.id) is None:
            self.runner.done[ours.id] = Done(ours, "already")
        if (
            identity(ours.principal) not in self.run.principals
        ):  # contained by an earlier run, and nothing led this one to it: nobody else writes it again
            again = dataclasses.replace(ours, before=change.after)
            self.runner.add(ours.principal, change.arn.split(":")[4], [Job(Phase.FENCE, lambda _r: [again])])
        if event:
            self._named(change, event)
        else:
            since = self._written(ours.id) or self._since[change.arn.split(":")[4]]
            self.left.keep(change, None, since=since, meanwhile=True, step=ours.id)

    def _fought(self, change: Change, step: str, event: Event) -> bool:
        """Whether what a declared automation has taken away may be written again; it is said."""
        by, author = caller_arn(event), identity(caller_arn(event))
        times = 1 + sum(n["data"]["step"] == step and n["data"]["by"] == author for n in self.case.notes("reverted"))
        if times > FIGHTS:
            return False
        self.case.note("reverted", {"step": step, "by": author})
        why = f"{by}, a declared automation, has taken it away ({times} of {FIGHTS}): pause this pipeline"
        self.hold.watch_for(f"{change.arn} {change.facet}", why)
        return True

    def _named(self, change: Change, event: Event) -> None:
        """Whoever took a control away is contained, if it is nobody who is so already, or meant no harm."""
        author = identity(caller_arn(event))
        if self._trusted(event) or self._contained(author):
            return
        if author not in self.run.trusted:
            self.suspect(change, event)
            return
        who = event.get("userIdentity") or {}  # the suspect sits in it: its session goes, and the automation stays
        session = str(who.get("arn") or "").rsplit("/", 1)[-1] if who.get("type") == "AssumedRole" else ""
        how = f"took away {change.facet} of {change.arn} at {event.get('eventTime')}"
        self.run.findings.take(Found(change.arn.split(":")[4], caller_arn(event), how, session=session))

    def ask_again(self, entry: Entry, authors: Authors) -> None:
        """Of a control that was taken away by nobody knows whom: everybody whom the history names by now. Of what was undone: whoever had done it."""
        change = Change(entry.arn, entry.facet, entry.before, entry.after)
        found = [event for event in authors.all_of(change) if str(event.get("eventTime")) >= entry.since]
        if not entry.step:
            self._undone(change, entry, found)
            return
        for event in {(caller_arn(event), str((event.get("userIdentity") or {}).get("arn"))): event for event in found}.values():
            if self._trusted(event) and entry in self.left.left():
                self._fought(change, entry.step, event)
            self._named(change, event)
        if found:
            self.left.answer(entry, f"taken away by {', '.join(sorted({caller_arn(event) for event in found}))}")

    def _undone(self, change: Change, entry: Entry, found: list[Event]) -> None:
        """It stays so, whoever it was: what gives a contained principal more is its owner's to do again."""
        if event := next((event for event in found if self.hostile(event)), None):
            for step in put_back.steps(change, Target("aws", change.arn.split(":")[4])):
                self._note_author(step.id, event)
            self.left.answer(entry, "undone")
        elif event := next((event for event in found if left_it_so(change, event)), None):
            self.left.wronged(entry, event)

    def accomplices(self, change: Change, ours: Step, authors: Authors) -> None:
        """Whoever else touched the control since it was written: of several only the last one's work is seen."""
        done = self.runner.done.get(ours.id)
        at = self._written(ours.id) or (done.at if done else "")
        for event in authors.all_of(change) if at else ():
            if str(event.get("eventTime")) >= at:
                self._named(change, event)

    def gone(self, ours: Step) -> None:
        """A credential that we switched off was deleted: more than we asked for, and nothing to write again."""
        before = self.runner.done.get(ours.id)
        if before is not None and before.status in ("unverified", "failed"):
            self.runner.replaced(ours.id)
            self.runner.done[ours.id] = dataclasses.replace(before, status="done", message="deleted by somebody meanwhile")

    def _give_way(self, ours: Step, by: str) -> None:
        why = f"{by}, a declared automation, takes it away again and again: pause this pipeline, then run again"
        with self.hold.lock:
            self.yielded[ours.id] = by
            self.runner.done[ours.id] = Done(ours, "failed", why)
        self.runner.fail(EvictError(why, object=ours.resource, operation=ours.action, remedy=f"pause {by}"))

    def suspect(self, change: Change, event: Event) -> None:
        """Whoever takes a control away is a suspect, and is contained within the limits of the incident."""
        account = change.arn.split(":")[4]
        how = f"took away {change.facet} of {change.arn} at {event.get('eventTime')}"
        session = str((event.get("userIdentity") or {}).get("arn") or "").rsplit("/", 1)[-1]
        try:
            principal = from_identity(self.run.aws, account, event.get("userIdentity") or {}, "")
            if principal is None:
                self.run.findings.leave(Found(account, change.arn, how), "it is neither a user nor a role")
                return
            principal.discovered, principal.whole, principal.forced = how, True, "deny"
            self.run.admit(principal)
            self.run.note_suspect(principal.arn, whole=True)  # without a source: nobody made it, it works against us
        except Refused as error:
            self.run.refuse(error, change.arn, uncut=kind_of(error.object) == "user")
            self.run.findings.spare(error, Found(account, caller_arn(event), how, session=session))
        except EvictError as error:
            self.run.findings.leave(Found(account, change.arn, how), error.message)

    def renamed(self, user: Principal, arn: str, taken: bool, authors: Authors) -> bool:
        """``user`` is ``arn`` now; ``taken``: its name is somebody else's. Whether it gets its name back."""
        self.acted += 1
        change = Change(user.arn, "name", user.arn, arn)
        event = authors.of(change)
        author = caller_arn(event) if event else ""
        if taken:
            how = f"it was {user.arn}, until it was renamed by {author or 'an unknown hand'}"
            found = Found(user.account, arn, how, author, whole=True)
            if user.only:
                self.run.findings.leave(found, "look which of its keys are the attacker's")
            else:
                self.run.findings.take(found)
        else:
            steps = list(put_back.steps(change, Target("aws", user.account)))
            self.runner.add(user.arn, user.account, [Job(Phase.FENCE, lambda _r: steps)])
        if event:
            self._named(change, event)
        return not taken

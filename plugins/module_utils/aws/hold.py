# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold what was contained: IAM takes seconds to spread a fence, and until then whoever holds the key may take it away again.

Pass after pass, each when the last change has spread: the whole account is compared with what it was, what the contained did meanwhile is put back, every
control is looked at and written again where it is gone, sessions are revoked once more, until one pass finds nothing to do.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import json
import threading
import time
import typing as t

from ..common import edits, looks, plan, restore
from ..common.chain import FENCE_FIRST, Job
from ..common.errors import EvictError, Refused
from ..common.guard import identity, kind_of
from ..common.plan import Phase, Step, Target
from ..common.reader import Reader
from ..common.run import Done
from . import account_state, minting, own, put_back
from .account_state import Change, State
from .authors import Authors
from .principal import from_identity
from .scope import Found, Scope, caller_arn
from .session import iso

if t.TYPE_CHECKING:
    from .contain import Containment
    from .events import Event

READS = (*account_state.READS, "cloudtrail:LookupEvents")
FIGHTS = 2  # how often what a declared automation takes away is written again, in a whole case
_LATER = t.cast(Phase, int(Phase.CREDENTIAL) + 5)
_STANDS = ("done", "already")
_FENCES = ("inline/evict-", "attached/")


class Hold:
    """One run's. ``watch``: rows for the result, {object, why, due}; ``quiet``: whether the last pass found nothing to do."""

    def __init__(self, run: Containment) -> None:
        self.run, self.runner, self.case = run, run.runner, run.case
        self.on = run.options.hold > 0 and not run.runner.check
        self.watch: list[dict[str, t.Any]] = []
        self.quiet = True
        self.passes, self.passing = 0, False
        self.looked: datetime.datetime | None = None  # when the last pass began, to the second
        self.unrest: datetime.datetime | None = None  # when somebody was last seen to work against the containment
        self.until: datetime.datetime | None = None  # how long what is said only while somebody works against it holds by itself
        self._acted = 0  # changes of others that were answered
        self.yielded: dict[str, str] = {}  # ids of Steps that are not written again -> the automation that takes them away
        self._lock = threading.RLock()
        self._began = run.aws.now() - datetime.timedelta(seconds=60) if self.on else None
        self._before: dict[str, State] = {}
        self._kept: dict[str, str] = {}
        self._gaps: dict[str, list[str]] = {}
        self._blind: dict[str, list[str]] = {}  # account -> what was not known of it before, so that nothing can be said of it
        self._unread: dict[str, str] = {}  # account -> why it could not be compared at all
        self._known: set[str] = set()
        self._since: dict[str, str] = {}  # account -> from when on the authors of changes are looked for, RFC 3339
        # What earlier runs did, by account: the changes that stand, and every place that was ever ours.
        self._standing: dict[str, list[Step]] = {}
        self._differs: set[str] = set()  # accounts in which somebody else changed something
        self._touched: dict[str, set[tuple[str, str]]] = {}
        self._told: dict[str, set[tuple[str, str]]] = {}  # controls of which the last pass has asked who took them away

    # -- what the account was --------------------------------------------------------------------------------------------------------

    def begin(self, account: str) -> None:
        """Look at the account before it is changed, beside the first fences; once. A later run compares with what the last one left."""
        with self._lock:
            if not self.on or account in self._kept:
                return
            self._kept[account] = ""
        self.runner.pool.submit(FENCE_FIRST, account, lambda: self._begin(account))

    def _begin(self, account: str) -> None:
        folder = f"evidence/accounts/{account}/"
        try:
            saved = sorted(name for name in self.case.store.list(folder.rstrip("/")) if name.startswith(f"{folder}iam-"))
            if not saved:
                self._before[account], self._gaps[account] = account_state.read(account, Reader(self.runner.clouds), users=False)
                self.runner.pool.submit(int(_LATER), account, lambda: self._begin_credentials(account))
                return
            self._before[account] = json.loads(self.case.store.get(saved[-1]))
            if unknown := account_state.blind(self._before[account]):
                self._blind[account] = [
                    f"an earlier run could not read {', '.join(unknown[:3])}" + (" and more" if len(unknown) > 3 else "")
                ]
        except (EvictError, ValueError) as error:
            self._missing(account, error)
            return
        self._kept[account] = _text(self._before[account])
        kept = [n["data"]["collected_at"] for n in self.case.notes("evidence") if f"evidence/{n['data']['name']}" == saved[-1]]
        self._since[account] = min([*kept, self._start()])

    def _begin_credentials(self, account: str) -> None:
        """Keys and passwords cost two requests per user, so they come after the fences; what was made meanwhile has a date, and the logs have it."""
        gaps = [*self._gaps[account], *account_state.credentials(self._before[account], Target("aws", account), Reader(self.runner.clouds))]
        self._gaps[account], self._blind[account] = gaps, [gap for gap in gaps if not gap.endswith(account_state.LIMITED)]
        self._keep(account, self._before[account], 0)

    def _missing(self, account: str, error: Exception) -> None:
        """Not known is not clean: the controls themselves are looked at all the same, and the case stays open for the rest."""
        with self._lock:
            self._unread[account] = f"not compared as a whole, only the contained themselves: {error}"

    def _keep(self, account: str, state: State, place: int) -> None:
        text = _text(state)
        if text != self._kept.get(account):
            self._kept[account] = text
            name = f"accounts/{account}/iam-{self.case.ledger.run}-{place}.json"
            if self.case.wants_evidence(name):
                self.case.keep_evidence(name, text.encode(), source=f"iam of {account}: the whole account")

    # -- the loop --------------------------------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Until a pass is quiet, or time is up. Without ``hold``: one more revocation, and nobody waits."""
        if not self.on:
            for _link in range(1 + minting.links(self.run)):  # a link of a chain that was cut again could mint the next one until then
                self.run.repeat(everything=False)
            return
        self._remember()
        try:
            self._hold(time.monotonic() + self.run.options.hold)
        finally:
            if self.run.fences.frozen:
                self.run.fences.freeze("")
        for account, state in self._before.items():
            if (
                self.runner.carried_out or account in self._differs or self._blind.get(account)
            ):  # else it says what the last one said, and what the ledger knows
                self._keep(account, state, 1)

    def _hold(self, deadline: float) -> None:
        while True:
            waited, written = self.run.wait_for_spread(), self.runner.carried_out
            self.quiet = self._pass(
                again=waited or written > 0 or self.passes > 0
            )  # also when reading the logs has taken longer than the spread
            self.passes += 1
            done = self.quiet and self.runner.carried_out == written  # else what was written has to spread first
            if done or time.monotonic() + self.run.spread >= deadline:
                break
            if self.quiet:
                continue
            self.unrest = self.run.aws.now()
            self.until = self.until or self.unrest + datetime.timedelta(seconds=2 * self.run.options.hold + 60)
            self.run.door.shut_all()
            if not self.run.fences.frozen and self.run.options.freeze:
                self.run.fences.freeze(iso(self.until))

    def _remember(self) -> None:
        for _first, latest in reversed(restore.standing(self.case.history)):
            self._standing.setdefault(latest.target.account, []).append(latest)
        for entry in self.case.history.values():
            step = plan.decode(entry["step"]) if entry.get("step") else None
            if step and (place := account_state.owned(step)):
                self._touched.setdefault(step.target.account, set()).add(place)

    def _start(self) -> str:
        return iso(self._began) if self._began else ""

    def _pass(self, *, again: bool) -> bool:
        """``again``: look at every control, not only at the account; a run that wrote nothing has just done so."""
        before, self.passing, self.looked = self._unrest(), True, self.run.aws.now().replace(microsecond=0)
        if again:
            self._rescope()
        mine: dict[str, list[Step]] = {}
        for done in list(self.runner.done.values()):
            if done.status in _STANDS and identity(done.step.principal) not in self.run.former:
                mine.setdefault(done.step.target.account, []).append(done.step)
        accounts = sorted(a for a in self._kept if a in self._before)
        with concurrent.futures.ThreadPoolExecutor(max(1, min(len(accounts), 16))) as pool:
            list(pool.map(lambda account: self._account(account, mine.get(account, [])), accounts))
        self.runner.wait()
        if again or self._unrest() != before:
            self.run.repeat()
        return self._unrest() == before

    def unseen(self, since: datetime.datetime) -> bool:
        """Whether what was written at ``since`` was written by the last pass: it is to be looked at once more, however long the pass took."""
        return self.looked is not None and since >= self.looked

    def _unrest(self) -> tuple[int, int, int]:
        return self.runner.rewritten, len(self.run.principals), self._acted

    def _rescope(self) -> None:
        """What was done with the attacker's keys since the run began, as far as the history has it."""
        run = self.run
        if run.scope and self._began:
            run.scope = Scope(run.aws, run.findings.found, start=iso(self._began), seconds=run.options.scope, before=run.scope)
            run.scope.ask_again()
            for principal in list(run.principals.values()):
                run.follow(principal)
            run.exhaust(run.scope)

    # -- one account -----------------------------------------------------------------------------------------------------------------

    def _account(self, account: str, mine: list[Step]) -> None:
        try:
            now, gaps = account_state.read(account, Reader(self.runner.clouds))
        except EvictError as error:
            self._missing(account, error)
            return
        with self._lock:
            self._gaps[account] = gaps
            self._unread.pop(account, None)
        now = account_state.carry(self._before[account], now)
        for principal in list(self.run.principals.values()):
            if principal.kind == "role" and principal.arn in now:
                principal.facts["AssumeRolePolicyDocument"] = now[principal.arn]["trust"]
        authors = Authors(self.run.aws, self.case, account, min([self._since.get(account) or self._start(), *self._unexplained_since()]))
        self._renamed(account, now, authors)
        wanted, ours = account_state.expected(self._before[account], [*self._still(account), *mine])
        touched = self._touched.get(account, set())
        if different := [c for c in account_state.diff(wanted, now) if not self.run.moving.made_by_us(c)]:
            beside = account_state.written(own.meanwhile(self.case, self._start()))
            different = [c for c in different if c.after is None or c.after not in beside.get((c.arn, c.facet), ())]
        if different:
            self._differs.add(account)
        changes = [c for c in different if (c.arn, c.facet) in ours or not (self._harmless(c, touched) or self._renamed_away(c))]
        self._gone_anyway(account, now)
        for change in changes:
            self._answer(change, ours.get((change.arn, change.facet)), authors)
        told = {(c.arn, c.facet) for c in changes if (c.arn, c.facet) in ours}
        for change, step in self._written_again(account, told | self._told.get(account, set())):
            self._answer(change, step, authors)
        for change, step in self._under_former_names(account):
            self._accomplices(change, step, authors)
        self._told[account] = told  # what is written again because of this pass is seen by the next one
        self._before[account] = now
        if authors.gaps:
            with self._lock:
                self._gaps[account] = [*gaps, f"account {account}: who made which change: {authors.gaps[0]}"]

    def _written_again(self, account: str, told: set[tuple[str, str]]) -> list[tuple[Change, Step]]:
        """Controls that were gone, and that a plan has written again before this pass could see it: somebody took them away all the same."""
        with self._lock:
            mine = [step for step in self.runner.undone if step.target.account == account]
            self.runner.undone = [step for step in self.runner.undone if step not in mine]
        found = {place: step for step in mine if (place := account_state.owned(step)) and place not in told}
        return [(Change(*place, step.after, step.before), step) for place, step in found.items()]

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
        """What is gone under a name that a contained user had before; what is new there is somebody else's."""
        return change.after is None and identity(change.arn) in self.run.former

    def _still(self, account: str) -> list[Step]:
        """What earlier runs did and nobody released, but for users that have another name now."""
        return [step for step in self._standing.get(account, []) if identity(step.principal) not in self.run.former]

    @staticmethod
    def _harmless(change: Change, touched: set[tuple[str, str]]) -> bool:
        """What was ours and has been released; fences of other incidents; a key that was switched off, a credential that is gone."""
        if (change.arn, change.facet) in touched and change.after is None:
            return True
        if change.facet.startswith("inline/evict-"):
            return all(s.get("Effect") == "Deny" for s in edits.statements_of(change.after or {}))
        return change.facet.startswith("key/") and change.after in ("Inactive", None) or change.facet == "password" and change.after is None

    def _unexplained_since(self) -> list[str]:
        return [n["data"]["since"] for n in self.case.notes("unexplained")]

    # -- what is done about a change -------------------------------------------------------------------------------------------------

    def _answer(self, change: Change, ours: Step | None, authors: Authors) -> None:
        event = authors.of(change)
        author = identity(caller_arn(event)) if event else ""
        if ours and change.after is None and change.facet.startswith(("key/", "password")):
            self._gone(ours)
            return
        if ours and not put_back.is_held(ours):
            self._reverted(change, ours, event, author)
            self._accomplices(change, ours, authors)
            return
        contained = self.run.principals.get(author) or self.run.former.get(author)
        victim = self.run.principals.get(identity(change.arn))
        of_contained = victim is not None and not victim.only
        who = (event or {}).get("userIdentity") or {}
        key = str(who.get("accessKeyId") or "")
        by_suspect = contained is not None and (not contained.only or key in contained.only | contained.compromised)
        by_suspect = by_suspect or bool(self.run.scope and self.run.scope.knows(key, str(who.get("arn") or "")))
        if by_suspect or (of_contained and not event and self._meanwhile(change) and put_back.gives(change)):
            self._undo(change, event)
        elif not event:
            self._unexplained(change)

    def _meanwhile(self, change: Change) -> bool:
        """Whether it happened while this run was at work: of what happened before, since an earlier run, an owner may be the author."""
        return self.passes > 0 or change.arn.split(":")[4] not in self._since

    def _undo(self, change: Change, event: Event | None) -> None:
        """A contained principal did it, or it was done to one by nobody knows whom."""
        self._acted += 1
        account = change.arn.split(":")[4]
        by = caller_arn(event) if event else ""
        how = f"{change.text} by {by or 'an unknown hand'} while the fence was spreading"
        kind = change.facet.partition("/")[0]
        if steps := list(put_back.steps(change, Target("aws", account))):
            note = {"step": steps[0].id, "by": identity(by)}
            if by and note not in [n["data"] for n in self.case.notes(put_back.NOTE)]:
                self.case.note(put_back.NOTE, note)
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
            self.run.findings.take(
                Found(account, change.arn, how, by, only=credential, kind=fresh, key=credential if kind == "key" else "")
            )
        elif kind == "created" and change.after is not None and kind_of(change.arn) in ("user", "role"):
            self.run.findings.take(Found(account, change.arn, how, by, whole=True))
        elif change.text not in self._known:
            self._known.add(change.text)
            self.run.open.append({"object": change.arn, "why": f"{how}; look at it by hand", "due": None})

    def _unexplained(self, change: Change) -> None:
        """Nothing says yet who did it, and it is none of ours: a later look asks again."""
        if change.text not in self._known:
            self._known.add(change.text)
            noted = [n["data"]["change"] for n in self.case.notes("unexplained")]
            if change.text not in noted:
                self.case.note("unexplained", {"change": change.text, "since": self._start()})
            self.watch.append({"object": change.arn, "why": f"{change.text}; the history does not say yet by whom", "due": None})

    # -- somebody takes our controls away --------------------------------------------------------------------------------------------

    def _reverted(self, change: Change, ours: Step, event: Event | None, author: str) -> None:
        times = 1 + sum(n["data"]["step"] == ours.id and n["data"]["by"] == author for n in self.case.notes("reverted"))
        by = caller_arn(event) if event else ""
        if author in self.run.trusted:
            if times > FIGHTS:
                self._give_way(ours, by)
                return
            self._watch(ours, f"{by}, a declared automation, has taken it away ({times} of {FIGHTS}): pause this pipeline")
        self._acted += 1
        self.case.note("reverted", {"step": ours.id, "by": author})
        if self.runner.done.get(ours.id) is None:
            self.runner.done[ours.id] = Done(ours, "already")
        if (
            identity(ours.principal) not in self.run.principals
        ):  # contained by an earlier run, and nothing led this one to it: nobody else writes it again
            again = dataclasses.replace(ours, before=change.after)
            self.runner.add(ours.principal, change.arn.split(":")[4], [Job(Phase.FENCE, lambda _r: [again])])
        if event and author not in self.run.trusted and not self._contained(author):
            self._suspect(change, event)
        elif not event:
            self._watch(ours, "somebody has taken it away; it was written again, and the history does not say yet by whom")

    def _contained(self, who: str) -> bool:
        return who in self.run.principals or who in self.run.former

    def _accomplices(self, change: Change, ours: Step, authors: Authors) -> None:
        """Whoever else touched the control since it was written: of several only the last one's work is seen."""
        done = self.runner.done.get(ours.id)
        at = (done.at if done else "") or str(((self.run.case.history.get(ours.id) or {}).get("made") or {}).get("at") or "")
        for event in authors.all_of(change) if at else ():
            author = identity(caller_arn(event))
            if str(event.get("eventTime")) >= at and author not in self.run.trusted and not self._contained(author):
                self._suspect(change, event)

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
                self._gone(done.step)

    def _gone(self, ours: Step) -> None:
        """A credential that we switched off was deleted: more than we asked for, and nothing to write again."""
        before = self.runner.done.get(ours.id)
        if before is not None and before.status in ("unverified", "failed"):
            self.runner.replaced(ours.id)
            self.runner.done[ours.id] = dataclasses.replace(before, status="done", message="deleted by somebody meanwhile")

    def _give_way(self, ours: Step, by: str) -> None:
        why = f"{by}, a declared automation, takes it away again and again: pause this pipeline, then run again"
        with self._lock:
            self.yielded[ours.id] = by
            self.runner.done[ours.id] = Done(ours, "failed", why)
        self.runner.fail(EvictError(why, object=ours.resource, operation=ours.action, remedy=f"pause {by}"))

    def _suspect(self, change: Change, event: Event) -> None:
        """Whoever takes a control away is a suspect, and is contained within the limits of the incident."""
        account = change.arn.split(":")[4]
        how = f"took away {change.facet} of {change.arn} at {event.get('eventTime')}"
        try:
            principal = from_identity(self.run.aws, account, event.get("userIdentity") or {}, "")
            if principal is None:
                self.run.findings.leave(Found(account, change.arn, how), "it is neither a user nor a role")
                return
            principal.discovered, principal.whole, principal.forced = how, True, "deny"
            self.run.admit(principal)
            self.run.note_suspect(principal.arn, whole=True)  # without a source: nobody made it, it works against us
        except Refused as error:
            self.run.refuse(error, change.arn)
            session = str((event.get("userIdentity") or {}).get("arn") or "").rsplit("/", 1)[-1]
            self.run.findings.spare(error, Found(account, caller_arn(event), how, session=session))
        except EvictError as error:
            self.run.findings.leave(Found(account, change.arn, how), error.message)

    def _renamed(self, account: str, now: State, authors: Authors) -> None:
        """A contained user under another name or path: every control names it, so it gets the old ones back."""
        for user in [p for p in list(self.run.principals.values()) if p.kind == "user" and p.account == account]:
            if not (arn := account_state.moved(self._before[account], now, user.arn, user.id)):
                continue
            contained = self.run.principals.get(identity(arn))
            if contained and contained is not user and contained.id == user.id:  # by the name that it has now
                self.run.retire(user, contained)
                continue
            self._acted += 1
            change = Change(user.arn, "name", user.arn, arn)
            event = authors.of(change)
            author = caller_arn(event) if event else ""
            if any(identity(other) == identity(user.arn) and other != arn for other in now):  # somebody else has its name now
                how = f"it was {user.arn}, until it was renamed by {author or 'an unknown hand'}"
                found = Found(account, arn, how, author, whole=True)
                if user.only:
                    self.run.findings.leave(found, "look which of its keys are the attacker's")
                else:
                    self.run.findings.take(found)
            else:
                steps = list(put_back.steps(change, Target("aws", account)))
                self.runner.add(user.arn, account, [Job(Phase.FENCE, lambda _r, s=steps: s)])  # type: ignore[misc]
                now[user.arn] = now.pop(arn)  # what else has changed of it is told by its old name
            if event and identity(author) not in self.run.trusted and not self._contained(identity(author)):
                self._suspect(change, event)

    def _watch(self, ours: Step, why: str) -> None:
        row = {"object": ours.resource, "why": why, "due": None}
        if row not in self.watch:
            self.watch.append(row)

    # -- what is said ----------------------------------------------------------------------------------------------------------------

    def gaps(self) -> list[str]:
        return sorted({gap for gaps in (*self._gaps.values(), *self._blind.values()) for gap in gaps})

    def open_items(self) -> list[dict[str, t.Any]]:
        """Accounts that could not be compared, as a whole or in part: not known is not clean."""
        rows = [{"object": account, "why": why, "due": None} for account, why in sorted(self._unread.items())]
        for account in sorted({*self._gaps, *self._blind} - set(self._unread)):
            gaps = sorted({*self._gaps.get(account, ()), *self._blind.get(account, ())})
            if gaps := [gap for gap in gaps if not gap.endswith(account_state.LIMITED)]:
                more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
                why = (
                    f"in part not compared with what it was: {'; '.join(gaps[:3])}{more}. What failed is unknown, not clean: let the responder read it"
                    " (docs/permissions/aws-responder.json), look at it by hand for what is new, then look again with -e phase=hold"
                )
                rows.append({"object": account, "why": why, "due": None})
        return rows

    def kept_up(self, job: Job) -> Job:
        """The job without the Steps that a declared automation will not leave alone."""
        make = job.make
        return dataclasses.replace(job, make=lambda reader: [s for s in make(reader) if s.id not in self.yielded])

    def looks(self) -> list[str]:
        """When to look again (RFC 3339). The clock starts with the last change; a look that this run was is noted."""
        share, notes = self.run.share, {kind: self.case.notes(kind) for kind in (looks.HOLD, looks.LOOK)}
        since = max((d.at for d in list(self.runner.done.values()) if d.status == "done" and d.at), default="")
        if since:
            self.case.note(looks.HOLD, {"share": share, "since": since, "due": looks.due(since)})
            return looks.due(since)
        now, left = iso(self.run.aws.now()), looks.outstanding(notes, share)
        if self.quiet and left and left[0] <= now:
            latest = next(n["data"] for n in reversed(notes[looks.HOLD]) if n["data"]["share"] == share)
            self.case.note(looks.LOOK, {"share": share, "since": latest["since"], "at": now})
        return [moment for moment in left if moment > now or not self.quiet]


def _text(state: State) -> str:
    return json.dumps(state, sort_keys=True, default=str)

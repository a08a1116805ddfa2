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
import gc
import json
import threading
import time
import typing as t

from ..common import looks, manual
from ..common.chain import FENCE_FIRST, Job
from ..common.errors import EvictError
from ..common.guard import identity
from ..common.ledger_record import digest
from ..common.plan import Phase, Step, Target
from ..common.reader import Reader
from . import account_state, minting
from .account_state import State
from .answers import Answers
from .comparison import Comparison
from .scope import Scope
from .session import iso, parse

if t.TYPE_CHECKING:
    from .contain import Containment

READS = (*account_state.READS, "cloudtrail:LookupEvents")
_LATER = t.cast(Phase, int(Phase.CREDENTIAL) + 5)
_STANDS = ("done", "already")


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
        self.lock = threading.RLock()
        self._began = run.aws.now() - datetime.timedelta(seconds=60) if self.on else None
        self.before: dict[str, State] = {}  # account -> what it was when it was looked at last
        self.since: dict[str, str] = {}  # account -> when that was, in an earlier run; RFC 3339
        self.saved: dict[str, list[t.Any]] = {}  # account -> where the ledger says so; what was put back before then is in it
        self._kept: dict[str, str] = {}  # account -> SHA-256 of the state that is kept of it
        self._gaps: dict[str, list[str]] = {}
        self._blind: dict[str, list[str]] = {}  # account -> what was not known of it before, so that nothing can be said of it
        self._unread: dict[str, str] = {}  # account -> why it could not be compared at all
        self.answers = Answers(self)
        self.left = self.answers.left
        self.comparison = Comparison(self, self.answers)

    # -- what the account was --------------------------------------------------------------------------------------------------------

    def begin(self, account: str) -> None:
        """Look at the account before it is changed, beside the first fences; once. A later run compares with what the last one left."""
        with self.lock:
            if not self.on or account in self._kept:
                return
            self._kept[account] = ""
        self.runner.pool.submit(FENCE_FIRST, account, lambda: self._begin(account))

    def _begin(self, account: str) -> None:
        folder = f"evidence/accounts/{account}/"
        try:
            saved = sorted(name for name in self.case.store.list(folder.rstrip("/")) if name.startswith(f"{folder}iam-"))
            if not saved:
                self.before[account], self._gaps[account] = account_state.read(account, Reader(self.runner.clouds), users=False)
                self.runner.pool.submit(int(_LATER), account, lambda: self._begin_credentials(account))
                return
            self.before[account] = json.loads(self.case.store.get(saved[-1]))
            if unknown := account_state.blind(self.before[account]):
                self._blind[account] = [
                    f"an earlier run could not read {', '.join(unknown[:3])}" + (" and more" if len(unknown) > 3 else "")
                ]
        except (EvictError, ValueError) as error:
            self.missing(account, error)
            return
        self._kept[account] = digest(_text(self.before[account]))
        kept = [n for n in self.case.notes("evidence") if f"evidence/{n['data']['name']}" == saved[-1]]
        self.since[account] = min([*(n["data"]["collected_at"] for n in kept), self.start()])
        self.saved[account] = max((n["place"] for n in kept), default=[])

    def _compared_before(self) -> set[str]:
        """Accounts that an earlier run has compared; of a share, its own."""
        names = [str(n["data"]["name"]).split("/") for n in self.case.notes("evidence")]
        found = {parts[1] for parts in names if len(parts) == 3 and parts[0] == "accounts" and parts[2].startswith("iam-")}
        return {account for account in found if self.run.share in ("", account)}

    def _begin_credentials(self, account: str) -> None:
        """Keys and passwords cost two requests per user, so they come after the fences; what was made meanwhile has a date, and the logs have it."""
        gaps = [*self._gaps[account], *account_state.credentials(self.before[account], Target("aws", account), Reader(self.runner.clouds))]
        self._gaps[account], self._blind[account] = gaps, [gap for gap in gaps if not gap.endswith(account_state.LIMITED)]
        self._keep(account, self.before[account], 0)

    def missing(self, account: str, error: Exception) -> None:
        """Not known is not clean: the controls themselves are looked at all the same, and the case stays open for the rest."""
        with self.lock:
            self._unread[account] = f"not compared as a whole, only the contained themselves: {error}"

    def compared(self, account: str, gaps: list[str]) -> None:
        """It was, but for ``gaps``."""
        with self.lock:
            self._gaps[account] = gaps
            self._unread.pop(account, None)

    def _keep(self, account: str, state: State, place: int) -> None:
        text = _text(state)
        if digest(text) != self._kept.get(account):
            self._kept[account] = digest(text)
            name = f"accounts/{account}/iam-{self.case.ledger.run}-{place}.json"
            if self.case.wants_evidence(name):
                self.case.keep_evidence(name, text, source=f"iam of {account}: the whole account")

    # -- the loop --------------------------------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Until a pass is quiet, or time is up. Without ``hold``: one more revocation, and nobody waits."""
        if not self.on:
            for _link in range(1 + minting.links(self.run)):  # a link of a chain that was cut again could mint the next one until then
                written = self.runner.carried_out
                self.run.repeat(everything=False)
                if self.runner.carried_out == written:
                    break
            return
        self.comparison.remember()
        for account in sorted({*self._compared_before(), *(entry.arn.split(":")[4] for entry in self.left.left())} - set(self._kept)):
            self._kept[account] = ""  # nothing led this run to it: whom it held was released, or cannot be found
            self._begin(account)
        self.runner.wait()
        self.answers.wrote(list(self.runner.done.values()), {step.id for step in self.runner.undone})
        try:
            self._hold(time.monotonic() + self.run.options.hold)
        finally:
            if self.run.fences.frozen:
                self.run.fences.freeze("")
        gc.collect()  # what the answers of many accounts left in cycles; what is said now takes as much
        for account, state in self.before.items():
            if (
                self.runner.carried_out or account in self.comparison.differs or self._blind.get(account)
            ):  # else it says what the last one said, and what the ledger knows
                self._keep(account, self._as_left(account, state), 1)

    def _as_left(self, account: str, state: State) -> State:
        """``state``, as the last pass saw it, with what that pass wrote afterwards."""
        done = [d for d in list(self.runner.done.values()) if d.status == "done" and d.at and d.step.target.account == account]
        return account_state.expected(state, [d.step for d in done if self.unseen(parse(d.at))])[0]

    def _hold(self, deadline: float) -> None:
        while True:
            waited, written = self.run.wait_for_spread(), self.runner.carried_out
            self.quiet = self._pass(
                again=waited or written > 0 or self.passes > 0
            )  # also when reading the logs has taken longer than the spread
            self.passes += 1
            # Else what was written has to spread first, or what a run beside this one wrote could not be read.
            done = self.quiet and self.runner.carried_out == written and not self.comparison.unsure
            if done or time.monotonic() + self.run.spread >= deadline:
                break
            if self.quiet:
                time.sleep(self.run.spread if self.comparison.unsure else 0)
                continue
            self.unrest = self.run.aws.now()
            self.until = self.until or self.unrest + datetime.timedelta(seconds=2 * self.run.options.hold + 60)
            self.run.door.shut_all()
            if not self.run.fences.frozen and self.run.options.freeze:
                self.run.fences.freeze(iso(self.until))

    def start(self) -> str:
        """A minute before this run began (RFC 3339); "" for one that does not hold."""
        return iso(self._began) if self._began else ""

    def _pass(self, *, again: bool) -> bool:
        """``again``: look at every control, not only at the account; a run that wrote nothing has just done so."""
        before, self.passing, self.looked = self._unrest(), True, self.run.aws.now().replace(microsecond=0)
        if again:
            self._rescope()
        self.answers.wrote(list(self.runner.done.values()), ())
        mine: dict[str, list[Step]] = {}
        for done in list(self.runner.done.values()):
            if done.status in _STANDS and identity(done.step.principal) not in self.run.former:
                mine.setdefault(done.step.target.account, []).append(done.step)
        accounts = sorted(a for a in self._kept if a in self.before)
        with concurrent.futures.ThreadPoolExecutor(max(1, min(len(accounts), 16))) as pool:
            list(pool.map(lambda account: self.comparison.account(account, mine.get(account, [])), accounts))
        self.runner.wait()
        self.left.settle()
        if again or self._unrest() != before:
            self.run.repeat()
        return self._unrest() == before

    def watch_for(self, object: str, why: str) -> None:
        row = {"object": object, "why": why, "due": None}
        with self.lock:
            if row not in self.watch:
                self.watch.append(row)

    def unseen(self, since: datetime.datetime) -> bool:
        """Whether what was written at ``since`` was written by the last pass: it is to be looked at once more, however long the pass took."""
        return self.looked is not None and since >= self.looked

    def _unrest(self) -> tuple[int, int, int]:
        return self.runner.rewritten, len(self.run.principals), self.answers.acted

    def _rescope(self) -> None:
        """What was done with the attacker's keys since the run began, as far as the history has it."""
        run = self.run
        if run.scope and self._began:
            run.scope = Scope(run.aws, run.findings.found, start=iso(self._began), seconds=run.options.scope, before=run.scope)
            run.scope.ask_again()
            for principal in list(run.principals.values()):
                run.follow(principal)
            run.exhaust(run.scope)

    # -- what is said ----------------------------------------------------------------------------------------------------------------

    def gaps(self) -> list[str]:
        return sorted({gap for gaps in (*self._gaps.values(), *self._blind.values()) for gap in gaps})

    def open_items(self) -> list[dict[str, t.Any]]:
        """Changes that nobody has an answer to; accounts that could not be compared, as a whole or in part: not known is not clean."""
        return manual.open_items(self.manual()) + self.open_gaps()

    def manual(self) -> list[manual.Row]:
        """What a person has to look at, or to say: changes without an answer, and the credentials of more users than can be asked for."""
        rows = self.left.manual()
        for account, gap in sorted(
            (account, gap) for account, gaps in self._gaps.items() for gap in gaps if gap.endswith(account_state.LIMITED)
        ):
            what = "look into the credential report of IAM for keys and passwords that were made or switched on since the incident began"
            why = f"{gap}, and of those in whose credentials the log has seen a call"
            rows.append(manual.row(self.case, f"manual/credentials/{account}", account, what, why))
        return rows

    def open_gaps(self) -> list[dict[str, t.Any]]:
        """Of what was to be compared or looked up, what could not be read."""
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
        return dataclasses.replace(job, make=lambda reader: [s for s in make(reader) if s.id not in self.answers.yielded])

    def looks(self) -> list[str]:
        """When to look again (RFC 3339). The clock starts with the last change; a look that this run was is noted, unless something could not be read.

        A run over the whole case looks at every share.
        """
        share, notes = self.run.share, {kind: self.case.notes(kind) for kind in (looks.HOLD, looks.LOOK)}
        since = max((d.at for d in self.runner.lasting if d.status == "done" and d.at), default="")
        if since:
            self.case.note(looks.HOLD, {"share": share, "since": since, "due": looks.due(since)})
            return looks.due(since)
        now, left = iso(self.run.aws.now()), looks.outstanding(notes, share or None)
        whole = self.quiet and not self.open_gaps() and not (self.run.scope and self.run.scope.gaps)
        for held, since in looks.due_by(notes, share or None, now) if whole else ():
            self.case.note(looks.LOOK, {"share": held, "since": since, "at": now})
        return [moment for moment in left if moment > now or not whole]


def _text(state: State) -> bytes:
    return json.dumps(state, sort_keys=True, default=str).encode()

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner: what every mutating module does with Steps, once.

drop what is already true -> stop here in check mode -> ledger: intent, durable -> do -> read back -> ledger: outcome.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
import typing as t
from collections.abc import Callable, Iterable, Mapping

from . import edits, plan
from .chain import Chain, Job
from .errors import CloudError, EvictError
from .plan import Call, Edit, Phase, Ref, Secret, Step
from .pool import Pool
from .reader import Cloud, Reader
from .recovery import Recovery

STANDS = ("done", "already", "would")  # of a Step: it holds, or in check mode it would
_CHANGED_MEANWHILE = (
    "PreconditionFailedException",
    "PreconditionFailed",
    "Conflict",
)  # somebody wrote the document between our read and our write: read again
_SECRETIVE = ("replace_credential", "replace_in_variables", "only")  # edits of documents that hold secrets
_SHARED = ("exchange_statements",)  # edits of documents into which runs of one case write side by side
_READ_BACK_TRIES = (0.0, 0.3, 1.0, 3.0)  # seconds before each look: clouds answer reads from replicas


class Journal(t.Protocol):
    """The part of ``ledger.Ledger`` that the runner writes to."""

    def intent(self, steps: list[dict[str, t.Any]], urgent: bool = False) -> None: ...

    def outcome(self, outcomes: list[dict[str, t.Any]]) -> None: ...


@dataclasses.dataclass
class Done:
    """A Step and what became of it: already | would | done | failed | unverified | blocked."""

    step: Step
    status: str
    message: str = ""
    remedy: str = ""
    operation: str = ""
    at: str = ""
    code: str = ""  # the cloud's, when it failed

    def row(self) -> dict[str, str]:
        row = {"principal": self.step.principal, "resource": self.step.resource, "action": self.step.action, "status": self.status}
        return {**row, "message": self.message} if self.message else row


class Runner:
    """Runs Jobs; results in ``done`` ({step id: Done}) and ``failures`` (list of ``failed`` entries, see interfaces.md)."""

    def __init__(
        self,
        clouds: Mapping[str, Cloud],
        journal: Journal | None,
        *,
        check: bool = False,
        threads: int = 16,
        per_account: int = 8,
        stopped: Callable[[], str] = lambda: "",
        history: Mapping[str, Mapping[str, t.Any]] | None = None,
        now: Callable[[], str] = lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        beside: Callable[[], Iterable[Step]] = lambda: (),
    ) -> None:
        """``stopped``: why no Step may be begun any more, or ""; ``beside``: what other runs of the case have set out to do that are at work at the same
        time.
        """
        self.clouds, self.check, self.pool, self.journal = clouds, check, Pool(threads, per_account), journal
        self._stopped, self.now, self.threads, self._beside = stopped, now, threads, beside
        self.began = now()  # what a dead run left half done was carried out by then, or was not
        self._recovery = Recovery(self)
        self._lock = threading.Lock()
        self.answers: dict[str, t.Any] = {i: plan.Kept(h["outcome"]["answer"]) for i, h in (history or {}).items()}
        self._old = set(self.answers)  # answers of earlier runs: what the ledger keeps of them, so without their secrets
        self._wanted: dict[str, list[plan.Path]] = {}
        self.done: dict[str, Done] = {}
        self._turns: dict[str, threading.Lock] = {}  # Step id -> of whoever carries it out
        self._open: dict[str, Step] = {}  # Step id -> the one whose intent is written and that is not carried out yet
        self._forgotten: set[str] = set()
        self.failures: list[dict[str, str]] = []
        self.carried_out = 0  # Steps
        self.rewritten = 0  # Steps that stood and had to be carried out again, since somebody undid them
        self.undone: list[Step] = []  # those, with what was there instead as their ``before``; whoever asks who did it takes them out
        self.standing: Callable[[str], Step | None] = lambda _id: (
            None
        )  # what an earlier run wrote, which stands unless somebody has undone it

    # -- entry points ------------------------------------------------------------------------------------------------------------

    def add(self, principal: str, account: str, jobs: Iterable[Job], finished: Callable[[Reader], None] | None = None) -> None:
        """Queue the jobs of one principal: phase after phase, without waiting for any other principal. ``finished`` gets a fresh Reader."""
        phases: dict[int, list[Job]] = {}
        for job in jobs:
            phases.setdefault(int(job.phase), []).append(job)
        Chain(self, principal, account, [phases[p] for p in sorted(phases)], finished).next()

    def wait(self) -> None:
        self.pool.wait()

    def close(self) -> None:
        self.pool.close()

    def fail(self, error: EvictError, object: str = "") -> None:
        entry = error.as_dict()
        entry["object"] = entry["object"] or object
        with self._lock:
            if entry not in self.failures:
                self.failures.append(entry)

    def recover(self, intents: Iterable[dict[str, t.Any]]) -> list[str]:
        """See ``recovery.Recovery``."""
        return self._recovery.recover(intents)

    def forget(self, step_ids: Iterable[str]) -> None:
        """What this run takes away again is not looked for afterwards."""
        with self._lock:
            self._forgotten.update(step_ids)

    def replaced(self, step_id: str) -> None:
        """A Step failed, and something else holds in its place: no failure of the run any more."""
        done = self.done[step_id]
        with self._lock:
            self.failures = [f for f in self.failures if f["message"] != done.message or not done.message]

    def refused(self, failed: Done) -> None:
        """A Step that is known to fail is not tried: it is recorded as if it had been, so that a release knows what was wanted."""
        if failed.step.id in self.done:
            self.replaced(failed.step.id)  # what was said of it before
        if self.journal:
            self.journal.intent([plan.encode(failed.step)], urgent=True)
        self.fail(EvictError(failed.message, object=failed.step.resource, operation=failed.operation, remedy=failed.remedy))
        self._record(failed, known=True)

    def forgive(self, object: str) -> None:
        """What failed of ``object`` has succeeded since."""
        with self._lock:
            self.failures = [f for f in self.failures if f["object"] != object]

    def forgive_all(self, about: Callable[[str], bool]) -> None:
        """What failed of objects of which ``about`` says so does not count any more."""
        with self._lock:
            self.failures = [f for f in self.failures if not about(f["object"])]

    def remember(self, step_id: str, answer: Mapping[str, t.Any]) -> None:
        """The answer of an earlier run, whole: its secret was read back, in memory, from where that run had put it."""
        with self._lock:
            self.answers[step_id] = answer
            self._old.discard(step_id)

    def keep(self, step_id: str, answer: list[t.Any]) -> None:
        """What the ledger keeps of an answer, without its secrets."""
        self.answers[step_id] = plan.Kept(answer)
        self._old.add(step_id)

    def drop(self, step_id: str) -> None:
        """What an earlier run made is gone: its Step will be carried out again."""
        with self._lock:
            self.answers.pop(step_id, None)
            self._old.discard(step_id)
            self.done.pop(step_id, None)

    @property
    def lasting(self) -> list[Done]:
        """Steps that changed something, or would, but for what the run made and took away again."""
        ours = [d for d in list(self.done.values()) if d.status in ("done", "unverified", "would")]
        gone = {d.step.undoes for d in ours if d.step.undoes in self._forgotten}
        passing = {d.step.id for d in ours if d.step.id in self._forgotten} if gone else set()
        return [d for d in ours if d.step.id not in passing and d.step.undoes not in passing]

    @property
    def changed(self) -> int:
        return len(self.lasting)

    def diff(self) -> list[dict[str, t.Any]]:
        """One hunk per resource that changes, in Ansible's form: of several Steps the first before and the last after."""
        rows = [d for d in list(self.done.values()) if d.status in ("done", "would", "unverified")]
        rows.sort(key=lambda d: (d.step.principal, d.step.phase, d.step.resource))
        hunks: dict[str, dict[str, t.Any]] = {}
        for row in rows:
            name, after = row.step.resource, shown(row.step.after)
            fresh = {"before_header": name, "after_header": name, "before": shown(row.step.before)}
            hunks[name] = {**hunks.get(name, fresh), "after": after}
        return list(hunks.values())

    # -- one step ----------------------------------------------------------------------------------------------------------------

    def act(self, action: plan.Action, answers: Mapping[str, t.Any]) -> dict[str, t.Any]:
        try:
            return self._send(action, answers)
        except EvictError as error:  # clouds quote what they refuse
            if any(isinstance(ref, Secret) for ref in plan.refs(action)) or (isinstance(action, Edit) and action.name in _SECRETIVE):
                said = getattr(error, "code", "") or "refused"
                error.message = f"{error.operation or 'write'} on {error.object}: {said} (the rest may hold a secret and is left out)"
            raise

    def _send(self, action: plan.Action, answers: Mapping[str, t.Any]) -> dict[str, t.Any]:
        cloud = self.clouds[action.target.cloud]
        if isinstance(action, Call):
            return cloud.call(action, plan.resolve(action.parameters, answers))
        for last in (False, False, True):
            probe, write = cloud.document(dataclasses.replace(action, document=plan.resolve(action.document, answers)))
            reader = Reader(self.clouds)
            before = reader.read(probe)
            after = edits.apply(action.name, before, plan.resolve(action.arguments, answers))
            if after == before:
                return {}
            call = write(after)
            if (path := getattr(write, "revision", ())) and before is not None:
                call = dataclasses.replace(call, parameters={**call.parameters, "RevisionId": plan.dig(reader.get(probe.call), path)})
            try:
                return cloud.call(call)
            except CloudError as error:
                if last or error.code not in _CHANGED_MEANWHILE:
                    raise
        raise AssertionError("not reached")

    def _carry_out(self, step: Step) -> str:
        """Do it; afterwards the Step's answer is known. A lost answer or an error is settled by reading back what is there."""
        for attempt in (1, 2):
            try:
                for action in step.do:
                    answer = self.act(action, self.answers)
                if isinstance(step.owns, Ref) and plan.dig(answer, step.owns.path) is None:
                    raise CloudError(
                        f"{step.resource}: the answer does not say what was made",
                        code="CutAnswer",
                        lost=True,
                        object=step.resource,
                        operation=step.action,
                    )
                self.answers[step.id] = answer
                self._old.discard(step.id)
                return ""
            except CloudError as error:
                if isinstance(step.owns, Ref):
                    if error.lost:  # it may have been made: whatever nobody knows is removed, before anything else is tried
                        self._recovery.settle(step, Reader(self.clouds))
                        if not step.undo and step.id in self.answers:
                            return f"{error.code}, yet it is so"
                        if attempt == 1 and self.journal:
                            self.journal.intent([plan.encode(step)], urgent=True)
                            continue
                    raise
                if step.probe and Reader(self.clouds).read(step.probe) == self.after(step):
                    return f"{error.code}, yet it is so"
                raise
        raise AssertionError("not reached")

    def shows(self, step: Step, reader: Reader) -> bool:
        """Whether what ``step`` wrote is what is there."""
        return step.probe is not None and bool(reader.read(step.probe) == self.after(step))

    def after(self, step: Step) -> t.Any:
        """What the probe is to see, with Refs resolved as far as their answers are known."""
        known = all(ref.step in self.answers for ref in plan.refs(step.after))
        return plan.resolve(step.after, self.answers) if known else step.after

    def run_step(self, step: Step) -> None:
        """Carry out what ``begin`` gave; never raises an ``EvictError`` of the cloud: it becomes the Step's outcome.

        Of plans side by side one has its intent written; another writes its own when its turn comes, with what is there by then, if it is still to be done.
        So at any moment a crash leaves one open intent of a Step, and that is what was at work.
        """
        with self._lock:
            turn = self._turns.setdefault(step.id, threading.Lock())
        with turn:
            if self._open.get(step.id) is not step:  # its intent may be written, and is not the last one any more
                if not (anew := self._still_to_do(step)) or not self.journal:
                    return
                step = self._open[step.id] = anew
                self.journal.intent([plan.encode(step)], urgent=True)
            try:
                self._run_step(step)
            finally:
                self._open.pop(step.id, None)

    def _still_to_do(self, step: Step) -> Step | None:
        """``step`` as it is now, after another plan has been at it; None when nothing is left to do."""
        done = self.done.get(step.id)
        if done and done.status == "done" and isinstance(step.owns, Ref):
            return None  # made once is enough
        return next(iter(self._undone_by_others([step])[0]), None)

    def _run_step(self, step: Step) -> None:
        blocked = [need for need in step.needs if (d := self.done.get(need)) and d.status in ("failed", "blocked")]
        missing = [
            r.step for a in step.do for r in plan.refs(a) if r.step not in self.answers or (isinstance(r, Secret) and r.step in self._old)
        ]
        result, known = Done(step, "done", at=self.now()), True
        try:
            if blocked or missing:
                result.status, result.message = "blocked", f"needs {', '.join(blocked or missing)}"
            elif why := self._stopped():
                raise EvictError(f"stopped: {why}", object=step.resource, operation=step.action)
            else:
                result.message = self._carry_out(step)
                result.at = self.now()
        except EvictError as error:
            result.status, result.message, result.remedy, result.operation = "failed", error.message, error.remedy, error.operation
            result.code = getattr(error, "code", "")
            # A request of which nobody knows whether it was carried out may be seen later than we look, or may still be on its way.
            known = not (getattr(error, "lost", False) and step.probe and not isinstance(step.owns, Ref))
            if not step.optional:
                self.fail(error, step.resource)
        self._record(result, known)

    def _record(self, result: Done, known: bool) -> None:
        """Not ``known``: the intent stays open, and the next run looks what became of it."""
        outcome: dict[str, t.Any] = {"id": result.step.id, "status": result.status, "at": result.at}
        if result.message:
            outcome["message"] = result.message
        if result.status == "done" and (paths := self._wanted.get(result.step.id)):
            answer = self.answers.get(result.step.id)
            outcome["answer"] = [[list(path), plan.dig(answer, path)] for path in paths]
        if self.journal and known:
            self.journal.outcome([outcome])
        before = self.done.get(result.step.id)
        self.carried_out += result.status == "done"
        if result.status == "done" and before is not None and before.status in ("unverified", "failed"):
            self.replaced(result.step.id)  # what failed before holds now
        with self._lock:
            self.done[result.step.id] = result

    def begin(self, steps: list[Step]) -> list[Step]:
        """Record what is already true or would be done; write the intents of the rest, durable on return, and give those back (see ``run_step``)."""
        self._note_wanted(steps)
        made = {s.id for s in steps if self._is_made(s)}
        here = {s.id for s in steps if s.id in made or (not isinstance(s.owns, Ref) and s.before == self.after(s))}
        anew = self._remake([s for s in steps if s.id in made], [s for s in steps if s.id not in here])
        pending: list[Step] = []
        for step in steps:
            if any(ref.step in anew for action in step.do for ref in plan.refs(action)):
                anew.add(step.id)  # it names what is made anew, and whatever names it follows
            if step.id in here and step.id not in anew:
                self._stands(step)
            elif self.check:
                self.done[step.id] = Done(step, "would")
            else:
                pending.append(step)
        known = {step.id: self.done.get(step.id) for step in pending}
        pending, lost = self._undone_by_others(pending)
        with self._lock:
            self.rewritten += len(lost)
            self.undone += lost
            # What another plan has carried out since we looked is looked at again when its turn comes.
            first = [step for step in pending if self.done.get(step.id) is known[step.id] and self._open.setdefault(step.id, step) is step]
        if pending and self.journal is None:
            raise EvictError("nothing is changed without a ledger", object=pending[0].resource, operation=pending[0].action)
        if first and self.journal:
            try:
                self.journal.intent([plan.encode(step) for step in first], urgent=any(s.phase == Phase.FENCE for s in first))
            except EvictError:
                with self._lock:
                    self._open = {name: step for name, step in self._open.items() if not any(step is mine for mine in first)}
                raise
        return pending

    def _undone_by_others(self, pending: list[Step]) -> tuple[list[Step], list[Step]]:
        """(``pending``, as it is now; what of it somebody has undone, since this run or an earlier one wrote it).

        What was planned before another plan had written it was undone by nobody.
        """
        now, lost = [], []
        for step in pending:
            done = self.done.get(step.id)
            written = (done.step if done.status in ("done", "already", "unverified") else None) if done else self.standing(step.id)
            if written and written.after != step.before:
                if step.probe is None or isinstance(step.owns, Ref) or not self._seen(written, Reader(self.clouds)):
                    lost += [] if self._of_a_run_beside(step) else [step]
                elif written.after == step.after:
                    self._stands(step)
                    continue
                else:
                    now.append(dataclasses.replace(step, before=written.after))
                    continue
            now.append(step)
        return now, lost

    def _of_a_run_beside(self, step: Step) -> bool:
        """Whether what is there is what another run of the case has set out to write into a document that they share; what they write differs in who works."""
        if not any(isinstance(action, Edit) and action.name in _SHARED for action in step.do):
            return False
        return any(other.id == step.id and other.after == step.before for other in self._others())

    def _others(self) -> list[Step]:
        """What runs beside this one have set out to do; none where that cannot be read: then what we wrote is what counts."""
        with contextlib.suppress(EvictError):
            return list(self._beside())
        return []

    def _stands(self, step: Step) -> None:
        """It is as it should be. What this run wrote, saw undone, and sees again counts as done; what it could not do somebody else has done."""
        before = self.done.get(step.id)
        if before is None or before.status == "blocked":
            self.done[step.id] = Done(step, "already")
        elif before.status in ("unverified", "failed"):
            self.replaced(step.id)
            self.done[step.id] = Done(step, "done" if before.status == "unverified" else "already", at=before.at)

    def _note_wanted(self, steps: list[Step]) -> None:
        """Which values of whose answers the ledger has to keep: what undo and later Steps refer to, never a Secret."""
        for step in steps:
            used = [r for action in (*step.do, *step.undo) for r in plan.refs(action)]
            used += [step.owns] if isinstance(step.owns, Ref) else []
            used += plan.refs(step.after)
            for ref in used:
                if not isinstance(ref, Secret):
                    paths = self._wanted.setdefault(ref.step, [])
                    if ref.path not in paths:
                        paths.append(ref.path)

    def _is_made(self, step: Step) -> bool:
        """Whether an earlier run made what ``step`` creates, and it is still there."""
        if not isinstance(step.owns, Ref) or step.id not in self._old or step.probe is None:
            return False
        return plan.dig(self.answers[step.id], step.owns.path) in (Reader(self.clouds).read(step.probe) or ())

    def _remake(self, made: list[Step], missing: list[Step]) -> set[str]:
        """Ids of creations that must be made anew: a Step that is missing needs their secret, which died with the process that got it."""
        wanted = {ref.step for step in missing for action in step.do for ref in plan.refs(action) if isinstance(ref, Secret)}
        anew = [step for step in made if step.id in wanted]
        for step in anew:
            if not self.check:
                self._recovery.undo_orphan(step, plan.dig(self.answers[step.id], step.owns.path))
        return {step.id for step in anew}

    def read_back(self, steps: Iterable[Step]) -> Reader:
        """Look whether what was done, or was there already, is there; what is not becomes ``unverified`` (``failed``: not ours to begin with) and a failure."""
        latest = [done.step if (done := self.done[s.id]).status == "done" else s for s in steps]  # another plan may have written more since
        left = [s for s in latest if s.probe and not isinstance(s.owns, Ref) and self.done[s.id].status in ("done", "already")]
        left = [s for s in left if s.id not in self._forgotten]
        reader = Reader(self.clouds)
        for pause in _READ_BACK_TRIES:
            time.sleep(pause)
            reader = Reader(self.clouds) if pause else reader
            left = [s for s in left if not self._seen(s, reader)]
            if not left:
                return reader
        beside = self._others() if left and self.journal else []
        for step in left:
            done = self.done[step.id]
            done.status, done.message = (
                ("unverified", "written, but a read does not show it") if done.status == "done" else ("failed", "it is gone again")
            )
            if not step.optional:
                self.fail(EvictError(done.message, object=step.resource, operation=step.action, remedy="run again"))
            if self.journal:
                outcome = {"id": step.id, "status": done.status, "at": self.now(), "message": done.message}
                # What a run beside this one wrote over it is what stands: a release that looked for ours would call it somebody else's change.
                there = next((other for other in beside if other.id == step.id and self._seen(other, reader)), step)
                self.journal.outcome([{**outcome, "step": plan.encode(there)}])
        return reader

    def _seen(self, step: Step, reader: Reader) -> bool:
        try:
            return self.shows(step, reader)
        except EvictError:
            return False


def shown(value: t.Any) -> str:
    """A value as diff text: one ``key: value`` line each, so that a hunk shows what differs."""
    if isinstance(value, Ref):
        return "(the cloud says so when it is done)\n"
    return "" if value is None else (value if isinstance(value, str) else json.dumps(plan.encode(value), indent=1, sort_keys=True)) + "\n"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner: what every mutating module does with Steps, once.

drop what is already true -> stop here in check mode -> ledger: intent, durable -> do -> read back -> ledger: outcome.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import typing as t
from collections.abc import Callable, Iterable, Mapping

from . import edits, plan
from .errors import CloudError, EvictError
from .plan import Call, Edit, Phase, Probe, Ref, Secret, Step
from .pool import Pool

FENCE_FIRST = 0  # priority of what leads to a fence; everything else queues behind it
READ_BACK = 90
_READ_BACK_TRIES = (0.0, 0.3, 1.0, 3.0)  # seconds before each look: clouds answer reads from replicas


class Cloud(t.Protocol):
    """What the runner needs of a cloud: carry out a Call, and the policy documents that an Edit may name."""

    def call(self, call: Call, parameters: Mapping[str, t.Any] | None = None) -> dict[str, t.Any]: ...

    def document(self, edit: Edit) -> tuple[Probe, Callable[[t.Any], Call]]: ...


class Journal(t.Protocol):
    """The part of ``ledger.Ledger`` that the runner writes to."""

    def intent(self, steps: list[dict[str, t.Any]], urgent: bool = False) -> None: ...

    def outcome(self, outcomes: list[dict[str, t.Any]]) -> None: ...


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

    def read(self, probe: Probe) -> t.Any:
        """The value that ``probe`` sees; None when the cloud says that it is not there."""
        try:
            return plan.dig(self.get(probe.call), probe.path)
        except CloudError as error:
            if error.code in probe.absent:
                return None
            raise


@dataclasses.dataclass
class Done:
    """A Step and what became of it: already | would | done | failed | unverified | blocked | recovered."""

    step: Step
    status: str
    message: str = ""
    remedy: str = ""
    operation: str = ""
    at: str = ""

    def row(self) -> dict[str, str]:
        row = {"principal": self.step.principal, "resource": self.step.resource, "action": self.step.action, "status": self.status}
        return {**row, "message": self.message} if self.message else row


@dataclasses.dataclass(frozen=True)
class Job:
    """A verb applied to one principal: ``make`` reads live state through the Reader and yields Steps. ``priority`` defaults to the phase."""

    phase: Phase
    make: Callable[[Reader], Iterable[Step]]
    name: str = ""


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
        go_on: Callable[[], bool] = lambda: True,
        history: Mapping[str, Mapping[str, t.Any]] | None = None,
        now: Callable[[], str] = lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    ) -> None:
        self.clouds, self.check, self.pool, self._journal = clouds, check, Pool(threads, per_account), journal
        self._go_on, self._now = go_on, now
        self._lock = threading.Lock()
        self.answers = {i: a for i, h in (history or {}).items() if (a := _answer(h.get("outcome"))) is not None}
        self._old = set(self.answers)  # answers of earlier runs: what the ledger keeps of them, so without their secrets
        self._wanted: dict[str, set[plan.Path]] = {}
        self.done: dict[str, Done] = {}
        self.failures: list[dict[str, str]] = []

    # -- entry points ------------------------------------------------------------------------------------------------------------

    def add(self, principal: str, account: str, jobs: Iterable[Job], finished: Callable[[Reader], None] | None = None) -> None:
        """Queue the jobs of one principal: phase after phase, without waiting for any other principal. ``finished`` gets a fresh Reader."""
        phases: dict[int, list[Job]] = {}
        for job in jobs:
            phases.setdefault(int(job.phase), []).append(job)
        _Chain(self, principal, account, [phases[p] for p in sorted(phases)], finished).next()

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

    @property
    def changed(self) -> int:
        return sum(d.status in ("done", "unverified", "would") for d in self.done.values())

    def diff(self) -> list[dict[str, t.Any]]:
        """One hunk per resource that changes, in Ansible's form."""
        rows = [d for d in self.done.values() if d.status in ("done", "would", "unverified")]
        rows.sort(key=lambda d: (d.step.principal, d.step.phase, d.step.resource))
        return [
            {
                "before_header": d.step.resource,
                "after_header": d.step.resource,
                "before": shown(d.step.before),
                "after": shown(d.step.after),
            }
            for d in rows
        ]

    # -- crash recovery ----------------------------------------------------------------------------------------------------------

    def recover(self, intents: Iterable[dict[str, t.Any]]) -> list[str]:
        """For each intent without outcome of a dead run: read live state, say what happened, remove an orphan. Returns what was found."""
        found = []
        for data in intents:
            step: Step = plan.decode(data)
            try:
                text = self._settle(step, Reader(self.clouds))
            except EvictError as error:
                self.fail(error, step.resource)
                text = f"unknown: {error.message}"
            found.append(f"{step.resource}: {step.action}: {text}")
        return found

    def _settle(self, step: Step, reader: Reader) -> str:
        if step.probe is None:
            return "unknown: nothing to read back"
        if isinstance(step.owns, Ref):
            orphans = self._orphans(step, reader)
            if len(orphans) > 1:
                raise EvictError(
                    f"{step.resource}: {len(orphans)} objects appeared since the plan was made ({', '.join(map(str, orphans))}), so the orphan of"
                    " the interrupted run cannot be told apart",
                    object=step.resource, operation=step.action, remedy="remove the one that nobody knows by hand, then run again",
                )  # fmt: skip
            if orphans and not self.check:
                self._undo_orphan(step, orphans[0])
            text, status = ("an orphan was made and has been removed" if orphans else "was not carried out"), "failed"
        else:
            now = reader.read(step.probe)
            if now == step.after:
                text, status = "was carried out", "done"
            else:
                text, status = ("was not carried out" if now == step.before else "something else is there now"), "failed"
        if not self.check and self._journal:
            self._journal.outcome([{"id": step.id, "status": status, "at": self._now(), "message": f"interrupted run: {text}"}])
        return text

    def _orphans(self, step: Step, reader: Reader) -> list[t.Any]:
        assert step.probe is not None
        known = set(step.before or ())
        if (answer := self.answers.get(step.id)) is not None:
            known.add(plan.dig(answer, step.owns.path))
        return [identity for identity in reader.read(step.probe) or () if identity not in known]

    def _undo_orphan(self, step: Step, identity: t.Any) -> None:
        for action in step.undo:
            self._act(action, {**self.answers, step.id: _nest({}, step.owns.path, identity)})

    # -- one step ----------------------------------------------------------------------------------------------------------------

    def _act(self, action: plan.Action, answers: Mapping[str, t.Any]) -> dict[str, t.Any]:
        cloud = self.clouds[action.target.cloud]
        if isinstance(action, Call):
            return cloud.call(action, plan.resolve(action.parameters, answers))
        probe, write = cloud.document(action)
        before = Reader(self.clouds).read(probe)
        after = edits.apply(action.name, before, plan.resolve(action.arguments, answers))
        return {} if after == before else cloud.call(write(after))

    def _carry_out(self, step: Step) -> str:
        """Do it; afterwards the Step's answer is known. A lost answer or an error is settled by reading back what is there."""
        for attempt in (1, 2):
            try:
                for action in step.do:
                    answer = self._act(action, self.answers)
                self.answers[step.id] = answer
                self._old.discard(step.id)
                return ""
            except CloudError as error:
                if isinstance(step.owns, Ref) and error.lost and attempt == 1:
                    self._settle(step, Reader(self.clouds))
                    if self._journal:
                        self._journal.intent([plan.encode(step)], urgent=True)
                    continue
                if step.probe and not isinstance(step.owns, Ref) and Reader(self.clouds).read(step.probe) == step.after:
                    return f"{error.code}, yet it is so"
                raise
        raise AssertionError("not reached")

    def run_step(self, step: Step) -> None:
        """Carry out a Step whose intent is durable; never raises an ``EvictError``: it becomes the Step's outcome."""
        blocked = [need for need in step.needs if (d := self.done.get(need)) and d.status in ("failed", "blocked")]
        missing = [
            r.step for a in step.do for r in plan.refs(a) if r.step not in self.answers or (isinstance(r, Secret) and r.step in self._old)
        ]
        result = Done(step, "done", at=self._now())
        try:
            if blocked or missing:
                result.status, result.message = "blocked", f"needs {', '.join(blocked or missing)}"
            elif not self._go_on():
                raise EvictError("stopped: another run took the case over", object=step.resource, operation=step.action)
            else:
                result.message = self._carry_out(step)
                result.at = self._now()
        except EvictError as error:
            result.status, result.message, result.remedy, result.operation = "failed", error.message, error.remedy, error.operation
            self.fail(error, step.resource)
        self._record(result)

    def _record(self, result: Done) -> None:
        outcome: dict[str, t.Any] = {"id": result.step.id, "status": result.status, "at": result.at}
        if result.message:
            outcome["message"] = result.message
        if result.status == "done" and (paths := self._wanted.get(result.step.id)):
            answer = self.answers.get(result.step.id)
            outcome["answer"] = [[list(path), plan.dig(answer, path)] for path in sorted(paths)]
        if self._journal:
            self._journal.outcome([outcome])
        with self._lock:
            self.done[result.step.id] = result

    def begin(self, steps: list[Step]) -> list[Step]:
        """Record what is already true or would be done; write the intents of the rest, durable on return, and give those back."""
        self._note_wanted(steps)
        pending: list[Step] = []
        for step in steps:
            if step.true or self._created(step, steps):
                self.done.setdefault(step.id, Done(step, "already"))
            elif self.check:
                self.done[step.id] = Done(step, "would")
            else:
                pending.append(step)
        if pending:
            assert self._journal is not None
            self._journal.intent([plan.encode(step) for step in pending], urgent=any(s.phase == Phase.FENCE for s in pending))
        return pending

    def _note_wanted(self, steps: list[Step]) -> None:
        """Which values of whose answers the ledger has to keep: what undo and later Steps refer to, never a Secret."""
        for step in steps:
            used = [r for action in (*step.do, *step.undo) for r in plan.refs(action)]
            used += [step.owns] if isinstance(step.owns, Ref) else []
            for ref in used:
                if not isinstance(ref, Secret):
                    self._wanted.setdefault(ref.step, set()).add(ref.path)

    def _created(self, step: Step, steps: list[Step]) -> bool:
        """Whether an earlier run made what ``step`` creates, and it is still of use.

        When a Step that is not yet true needs its secret, which died with that process, the creation is undone and made anew.
        """
        if not isinstance(step.owns, Ref) or step.id not in self._old or step.probe is None:
            return False
        identity = plan.dig(self.answers[step.id], step.owns.path)
        if identity not in (Reader(self.clouds).read(step.probe) or ()):
            return False
        lost = any(isinstance(r, Secret) and r.step == step.id for s in steps if not s.true for a in s.do for r in plan.refs(a))
        if lost and not self.check:
            self._undo_orphan(step, identity)
        return not lost

    def read_back(self, steps: Iterable[Step]) -> Reader:
        """Look whether what was done is there; what is not becomes ``unverified`` and a failure."""
        left = [s for s in steps if s.probe and not isinstance(s.owns, Ref) and self.done[s.id].status == "done"]
        reader = Reader(self.clouds)
        for pause in _READ_BACK_TRIES:
            time.sleep(pause)
            reader = Reader(self.clouds) if pause else reader
            left = [s for s in left if not self._seen(s, reader)]
            if not left:
                return reader
        for step in left:
            self.done[step.id].status = "unverified"
            error = EvictError("written, but a read does not show it", object=step.resource, operation=step.action, remedy="run again")
            self.fail(error)
            if self._journal:
                self._journal.outcome([{"id": step.id, "status": "unverified", "at": self._now(), "message": error.message}])
        return reader

    def _seen(self, step: Step, reader: Reader) -> bool:
        assert step.probe is not None
        try:
            return bool(reader.read(step.probe) == step.after)
        except EvictError:
            return False


class _Chain:
    """The jobs of one principal, phase after phase."""

    def __init__(
        self, runner: Runner, principal: str, account: str, phases: list[list[Job]], finished: Callable[[Reader], None] | None
    ) -> None:
        self.runner, self.principal, self.account, self.phases, self.finished = runner, principal, account, phases, finished
        self.reader = Reader(runner.clouds)
        self.steps: list[Step] = []
        self._open = 0
        self._lock = threading.Lock()

    def next(self) -> None:
        if not self.phases:
            self.runner.pool.submit(READ_BACK, self.account, self._read_back)
            return
        jobs, self.phases = self.phases[0], self.phases[1:]
        self._open = len(jobs)
        for job in jobs:
            self.runner.pool.submit(self._priority(job), self.account, lambda job=job: self._plan(job))  # type: ignore[misc]

    @staticmethod
    def _priority(job: Job) -> int:
        return FENCE_FIRST + 1 if job.phase == Phase.FENCE else int(job.phase)

    def _plan(self, job: Job) -> None:
        try:
            steps = self.runner.begin(list(job.make(self.reader)))
        except EvictError as error:
            self.runner.fail(error, self.principal)
            steps = []
        with self._lock:
            self.steps += steps
            self._open += len(steps)
        self._schedule(steps, self._priority(job))
        self._closed_one()

    def _schedule(self, steps: list[Step], priority: int) -> None:
        """Independent steps side by side; one that needs another of this job comes after it, in the same task."""
        ids = {s.id for s in steps}
        tasks: list[list[Step]] = []
        for step in steps:
            if tasks and (set(step.needs) | {r.step for a in step.do for r in plan.refs(a)}) & ids:
                tasks[-1].append(step)
            else:
                tasks.append([step])
        for task in tasks:
            self.runner.pool.submit(priority, self.account, lambda task=task: self._do(task))  # type: ignore[misc]

    def _do(self, task: list[Step]) -> None:
        for step in task:
            self.runner.run_step(step)
            self._closed_one()

    def _closed_one(self) -> None:
        with self._lock:
            self._open -= 1
            last = self._open == 0
        if last:
            self.next()

    def _read_back(self) -> None:
        reader = self.runner.read_back(self.steps)
        if self.finished:
            self.finished(reader)


def _nest(answer: dict[str, t.Any], path: plan.Path, value: t.Any) -> dict[str, t.Any]:
    """``answer`` with ``value`` at ``path`` (string keys), parents made."""
    place = answer
    for part in path[:-1]:
        place = place.setdefault(part, {})
    place[path[-1]] = value
    return answer


def _answer(outcome: Mapping[str, t.Any] | None) -> dict[str, t.Any] | None:
    """What the ledger kept of a Step's answer, in the answer's shape."""
    kept = (outcome or {}).get("answer")
    if not kept:
        return None
    answer: dict[str, t.Any] = {}
    for path, value in kept:
        _nest(answer, tuple(path), value)
    return answer


def shown(value: t.Any) -> str:
    """A value as diff text: one ``key: value`` line each, so that a hunk shows what differs."""
    import json

    return "" if value is None else (value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True)) + "\n"

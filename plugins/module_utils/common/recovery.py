# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run that died, or a request without an answer, left half done: read what is there, say it, and remove what nobody knows."""

from __future__ import annotations

import concurrent.futures
import typing as t
from collections.abc import Iterable

from . import plan
from .errors import EvictError
from .plan import Ref, Secret, Step
from .reader import Reader

if t.TYPE_CHECKING:
    from .run import Runner


class Recovery:
    """Of one run, which gives it its clouds, answers and journal."""

    def __init__(self, run: Runner) -> None:
        self._run = run
        self._told: set[str] = set()  # ids of Steps of which it is known what became of them

    def recover(self, intents: Iterable[dict[str, t.Any]]) -> list[str]:
        """For each intent without outcome of a dead run: read live state, say what happened, remove an orphan. Returns what was found; once of each.

        Of what this run has done itself by now its own outcome says everything, in the ledger already or not.
        """
        steps = [step for step in map(plan.decode, intents) if step.id not in self._told]

        def one(same: list[Step]) -> list[str]:
            found = []
            for step in same:
                done = self._run.done.get(step.id)
                try:
                    if done and done.status == "done" and not isinstance(step.owns, Ref):  # what was created twice is there twice
                        text = "this run has done it"
                    else:
                        text = self.settle(step, Reader(self._run.clouds), adopt=self._in_use(step, steps))
                    self._told.add(step.id)
                except EvictError as error:
                    self._run.fail(error, step.resource)
                    text = f"unknown: {error.message}"
                found.append(f"{step.resource}: {step.action}: {text}")
            return found

        groups: dict[str, list[Step]] = {}  # several dead runs may have been at the same thing: one after another
        for step in steps:
            groups.setdefault(step.id, []).append(step)
        with concurrent.futures.ThreadPoolExecutor(self._run.threads) as pool:
            return [text for found in pool.map(one, groups.values()) for text in found]

    def _in_use(self, made: Step, steps: Iterable[Step]) -> bool:
        """Whether a Step that needs what ``made`` creates was carried out, so that it is no orphan: removing it would undo that, or fail.

        Never where somebody needs a secret of it, which died with the process that got it.
        """
        users = [s for s in steps if made.id in s.needs and s.probe and isinstance(made.owns, Ref) and not isinstance(s.owns, Ref)]
        if any(isinstance(ref, Secret) for s in users for action in s.do for ref in plan.refs(action)):
            return False
        try:
            return any(Reader(self._run.clouds).read(s.probe) == s.after for s in users if s.probe)
        except EvictError:
            return False

    def settle(self, step: Step, reader: Reader, *, adopt: bool = False) -> str:
        """What became of ``step``, whose outcome nobody wrote: written to the journal and returned. An orphan that it made is removed, or kept (``adopt``)."""
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
            if orphans and (adopt or not step.undo):  # what cannot be undone cannot be removed either: it was carried out
                return self._adopt(step, orphans[0])
            if orphans and not self._run.check:
                self.undo_orphan(step, orphans[0])
            text, status = ("an orphan was made and has been removed" if orphans else "was not carried out"), "failed"
        else:
            now = reader.read(step.probe)
            if now == self._run.after(step):
                text, status = "was carried out", "done"
            else:
                text, status = ("was not carried out" if now == step.before else "something else is there now"), "failed"
        if not self._run.check and self._run.journal:
            message = f"interrupted run: {text}"
            at = self._run.began if status == "done" else self._run.now()
            self._run.journal.outcome([{"id": step.id, "status": status, "at": at, "message": message, "step": plan.encode(step)}])
        return text

    def _adopt(self, step: Step, identity: t.Any) -> str:
        text, answer = "was carried out", [[list(step.owns.path), identity]]
        self._run.keep(step.id, answer)
        if not self._run.check and self._run.journal:
            outcome = {"id": step.id, "status": "done", "at": self._run.now(), "message": f"interrupted run: {text}", "answer": answer}
            self._run.journal.outcome([outcome])
        return text

    def _orphans(self, step: Step, reader: Reader) -> list[t.Any]:
        known = set(step.before or ())
        if (answer := self._run.answers.get(step.id)) is not None:
            known.add(plan.dig(answer, step.owns.path))
        return [identity for identity in (step.probe and reader.read(step.probe)) or () if identity not in known]

    def undo_orphan(self, step: Step, identity: t.Any) -> None:
        """Remove what ``step`` has made, of which only the identity is known."""
        for action in step.undo:
            self._run.act(action, {**self._run.answers, step.id: plan.Kept([[step.owns.path, identity]])})

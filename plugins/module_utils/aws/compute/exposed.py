# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces that stand in the group that allows everything: that is for a moment only. What cannot be closed gets its first groups back, and is named."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable

from ...common import plan, restore
from ...common.chain import Job
from ...common.errors import EvictError
from ...common.plan import Phase
from ...common.run import STANDS
from . import groups, instance
from .chosen import NOTE, Wanted
from .kind import MARK, About, Machine, kept_at

if t.TYPE_CHECKING:
    from ..respond import Response

_MARK = f"{MARK}{instance.NETWORK}"


class Exposed:
    """One run's. ``said``: {ARN of a machine: what could not be closed, in words}."""

    def __init__(self, run: Response) -> None:
        self.run = run
        self.said: dict[str, list[str]] = {}
        self._first: dict[str, list[str]] = {}  # {id of the Step: the groups that the interface had}

    def before(self) -> dict[str, Wanted]:
        """What an earlier run, which was killed or could not go on, left in an open group."""
        standing = restore.standing(self.run.case.history)
        opened = {str(latest.after) for _first, latest in standing if latest.id.endswith(f"{MARK}group/{groups.OPEN}")}
        sources = {n["data"]["arn"]: n["data"]["source"] for n in self.run.case.notes(NOTE) if n["data"]["source"]}
        found = {}
        for _first, latest in standing:
            if _MARK in latest.id and latest.after in [[group] for group in opened]:
                arn = kept_at(latest.id)
                found[arn] = Wanted(arn, "an earlier run left it in the group that allows everything", sources.get(arn, ""), suspect=arn)
        return found

    def remember(self, about: About) -> None:
        """The groups that each interface had, before it is closed under the same id."""
        opened = {pair[0] for pair in about.groups.values()}
        for step_id, entry in self.run.case.history.items():
            if _MARK in step_id and entry.get("first"):
                self._first[step_id] = list(plan.decode(entry["first"]).before or ())
        for step_id, done in list(self.run.runner.done.items()):
            if _MARK in step_id and not opened & set(done.step.before or ()):
                self._first[step_id] = list(done.step.before or ())

    def give_back(self, machines: Iterable[Machine], about: About) -> None:
        """What could not be closed. Returns when it is done."""
        runner, stuck = self.run.runner, []
        if runner.check:
            return
        opened = {str(pair[0]) for pair in about.groups.values()}
        for machine in machines:
            pair = {str(i["NetworkInterfaceId"]): about.groups.get(str(i.get("VpcId"))) for i in machine.data.get("NetworkInterfaces", [])}
            for step_id, done in list(runner.done.items()):
                if kept_at(step_id) != machine.arn or _MARK not in step_id:
                    continue
                name = step_id.partition(_MARK)[2]
                if (done.status not in STANDS or opened & set(done.step.after)) and (groups_of := pair.get(name)):
                    stuck.append((machine, step_id, name, groups_of[0]))
        for machine, step_id, name, group in stuck:
            first = self._first.get(step_id, [])
            job = Job(Phase.RESOURCE, lambda r, m=machine, n=name, f=first, g=group: instance.give_back(m, n, f, g, r))  # type: ignore[misc]
            runner.add(machine.arn, machine.target.account, [job])
        runner.wait()
        for machine, step_id, name, group in stuck:
            self._say(machine, step_id, name, group)

    def _say(self, machine: Machine, step_id: str, name: str, group: str) -> None:
        done, first = self.run.runner.done[step_id], self._first.get(step_id, [])
        if done.status in STANDS and done.step.after == first:
            text = f"{name} could not be closed, and has its first security groups again ({', '.join(first)})"
        elif done.status in STANDS and group not in done.step.after:
            return
        elif group in (done.step.before or ()) or group in done.step.after:
            groups = ", ".join(first) or "its groups"
            text = f"{name} STANDS IN {group}, WHICH ALLOWS EVERYTHING FROM EVERYWHERE, as far as is known: give it back {groups} by hand"
        else:
            return
        self.said.setdefault(machine.arn, []).append(text)
        self.run.runner.fail(EvictError(text, object=machine.text, operation="isolate", remedy="run the same command again"))

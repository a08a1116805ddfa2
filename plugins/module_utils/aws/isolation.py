# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Isolation of compute: evidence first, then out of production, out of the network, and without a role, whose sessions are then revoked once more.

``Isolation`` is one run's, of ``aws_contain`` or ``aws_resource``; the kinds (``compute``) say what is done to one thing of theirs.
"""

from __future__ import annotations

import concurrent.futures
import datetime
import threading
import time
import typing as t
from collections.abc import Callable, Iterable

from ..common import plan, restore
from ..common.chain import Job
from ..common.errors import EvictError, Refused
from ..common.guard import identity
from ..common.plan import Phase
from ..common.reader import Reader
from ..common.run import STANDS
from . import compute, quarantine, residual
from .compute import chosen, groups, instance, metadata, task
from .compute.chosen import NOTE, Wanted
from .compute.exposed import Exposed
from .compute.kind import MARK, About, Machine
from .principal import role
from .scope import Found
from .session import iso, parse

if t.TYPE_CHECKING:
    from .respond import Response
    from .workloads import Workload

PAUSE = 5.0  # seconds for which everything is allowed, so that AWS forgets what it tracks
Row = dict[str, t.Any]


class Isolation:
    """``isolate`` does it; ``rows`` and ``open_items`` say what became of each. ``pause``: seconds between the two security groups."""

    def __init__(self, run: Response, *, on: bool = True, pause: float = PAUSE) -> None:
        self.run, self.runner, self.case, self.on, self.pause = run, run.runner, run.case, on, pause
        self.stopping = run.incident.compute.action == "stop"
        self.recovered: list[str] = []
        self.gaps: set[str] = set()
        self._machines: dict[str, tuple[Wanted, Machine]] = {}
        self._rows: dict[str, Row] = {}
        self._serving: set[str] = set()  # ids of instances that may get new credentials, although a suspect acted under their name
        self._proposed: list[Row] = []
        self._unplanned: dict[str, list[str]] = {}  # ARN -> what could not even be looked at
        self._lock = threading.Lock()
        self.exposed = Exposed(run)

    # -- from aws_contain ----------------------------------------------------------------------------------------------------------

    def contain(self, run: t.Any) -> None:
        """``run``: the ``Containment``. What it is to isolate, and which machines go on serving."""
        if not self.on:
            return
        wanted = chosen.choose(run, self.gaps)
        for name in sorted(chosen.instances(run) - {w.suspect for w in wanted.values()}):
            why = (
                "some region could not be asked"
                if self.gaps
                else "no enabled region has it any more; the role under which it last acted is cut, where the log names it"
            )
            self._row(Wanted(name, "it is named as a suspect", suspect=name), "unknown" if self.gaps else "gone", why)
        exempt = set(run.incident.compute.exempt)
        for arn in sorted(set(wanted) & exempt):
            self._row(wanted.pop(arn), "spared", "the incident file exempts it (compute.exempt)")
        for arn in sorted(arn for arn, one in wanted.items() if one.doubt and not one.suspect):
            self._row(wanted[arn], "left", f"{wanted.pop(arn).doubt}; look whether it is yours, and name it under compute.isolate if not")
        if run.options.later:
            wanted = {arn: w for arn, w in wanted.items() if arn not in self._released()}
        self._settle()
        for arn, one in self.exposed.before().items():
            if arn not in wanted and (not run.share or one.account == run.share):
                wanted[arn] = one
        self.work(self._within_limit(wanted), reach=lambda w, arn, session: self._reached(run, w, arn, session))
        self._keep_serving(run, exempt)
        isolated = {
            w.suspect for w, m in self._machines.values() if self._rows[m.arn]["state"] in ("isolated", "stopped", "would be isolated")
        }
        with run._lock:  # an instance without a role is no identity: what there was to do about it is done
            self.runner.failures = [f for f in self.runner.failures if not (f["object"] in isolated and f["operation"] == "resolve")]

    def _within_limit(self, wanted: dict[str, Wanted]) -> dict[str, Wanted]:
        """The ceiling holds for what was discovered; what a person named is always isolated."""
        limit, noted, counted = self.run.incident.limits["compute"], {n["data"]["arn"] for n in self.case.notes(NOTE)}, 0
        for arn, one in sorted(wanted.items()):
            if one.suspect:
                continue
            counted += 1
            lifted = any((o.guard, o.object) == ("limit", arn) for o in self.run.incident.overrides)
            if counted > limit and arn not in noted and not lifted:
                why = f"this run has already isolated {limit} discovered ones (incident.limits.compute); name it under compute.isolate"
                self._row(wanted.pop(arn), "left", why)
        return wanted

    def _reached(self, run: t.Any, wanted: Wanted, role: str, session: str) -> None:
        """The attacker started it with a role: the role is in their hands, as that session."""
        how = f"given to {wanted.arn.rsplit(':', 1)[-1]}, {wanted.how}"
        run.findings.take(Found(role.split(":")[4], role, how, wanted.source, session=session))

    def _released(self) -> set[str]:
        made = {
            compute.kept_at(name) for name, entry in self.case.history.items() if entry.get("made") and not name.startswith(restore.PREFIX)
        }
        standing = {compute.kept_at(latest.id) for _first, latest in restore.standing(self.case.history) if not latest.irreversible}
        return made - standing

    # -- the work ------------------------------------------------------------------------------------------------------------------

    def work(self, wanted: dict[str, Wanted], *, reach: Callable[[Wanted, str, str], None] | None = None) -> None:
        """Isolate each; one that fails stops no other. ``reach`` is told of each role that a machine of the attacker's was given."""
        self._settle()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(self._look, sorted(wanted.values(), key=lambda w: w.arn)))
        machines = [pair for _arn, pair in sorted(self._machines.items())]
        if not machines:
            return
        for one, machine in machines:
            if reach and one.source:
                for arn in machine.roles:
                    reach(one, arn, machine.session)
        self.runner.wait()
        about = self._about([m for _w, m in machines])
        for _one, machine in machines:
            self._queue(machine, about, self._kind(machine).FIRST)
        self.runner.wait()
        if any(d.status == "done" and f"{MARK}{instance.NETWORK}" in i for i, d in list(self.runner.done.items())):
            time.sleep(self.pause)
        self.exposed.remember(about)
        for one, machine in machines:
            stop = (instance.stop,) if self.stopping and one.source and machine.kind == instance.KIND else ()
            self._queue(machine, about, (*self._kind(machine).SECOND, *stop))
            if machine.kind == task.KIND:
                self._deny_session(machine)
        self.runner.wait()
        self.exposed.give_back([m for _w, m in machines], about)
        for one, machine in machines:
            self._say(one, machine)

    def _deny_session(self, machine: Machine) -> None:
        """Nothing takes a task's role away: its session is denied by its name, under which it is renewed."""
        for arn in machine.roles:
            try:
                self.run.guard.check(arn, discovered=False)
                held = role(self.run.aws, arn.split(":")[4], arn.rsplit("/", 1)[-1], arn)
            except EvictError as error:
                self.runner.fail(error, arn)
                continue
            held.sessions = {machine.session}
            now = self.run.aws.now()
            job = Job(Phase.FENCE, lambda r, h=held, n=now: quarantine.fence_role(h, self.run.incident, "session", (), n, r))  # type: ignore[misc]
            self.runner.add(held.arn, held.account, [job])
            self.run.note_suspect(held.arn, source=machine.arn)

    @staticmethod
    def _kind(machine: Machine) -> compute.Kind:
        found = compute.kind_of(machine.arn)
        if found is None:
            raise AssertionError(machine.arn)
        return found

    def _look(self, wanted: Wanted) -> None:
        kind = compute.kind_of(wanted.arn)
        try:
            self.run.guard.check(wanted.arn, discovered=False)
            machine = kind.look(wanted.target, wanted.arn, Reader(self.runner.clouds)) if kind else None
            if machine is None:
                return
            self._not_our_own(machine)
        except Refused as error:
            self.run.refuse(error, wanted.arn)
            self._row(wanted, "refused", error.message)
            return
        except EvictError as error:
            self.runner.fail(error, wanted.arn)
            self._row(wanted, "unknown", error.message)
            return
        if machine.gone:
            self._row(wanted, "gone", f"{machine.gone}; the sessions of its role are revoked where the role is contained", machine)
            return
        with self._lock:
            self._machines[wanted.arn] = (wanted, machine)
        self._note(wanted, machine)

    def _not_our_own(self, machine: Machine) -> None:
        """The responder may run on the machine."""
        caller = str(self.run.aws.caller["arn"])
        if ":assumed-role/" in caller and caller.rsplit("/", 1)[-1] == machine.session and identity(caller) in map(identity, machine.roles):
            raise Refused(
                f"{machine.arn} is refused: this command runs on it",
                object=machine.arn,
                operation="guard caller",
                remedy="run it from somewhere else",
            )

    def _note(self, wanted: Wanted, machine: Machine) -> None:
        """So that a later run, and a release, know whose it is and which roles it had."""
        known = [n["data"] for n in self.case.notes(NOTE) if n["data"]["arn"] == machine.arn]
        data = {"arn": machine.arn, "how": wanted.how, "source": wanted.source, "roles": list(machine.roles), "session": machine.session}
        if not self.runner.check and (not known or (wanted.source and not any(d["source"] for d in known))):
            self.case.note(NOTE, data)
        self.run.note_suspect(machine.arn, suspect=wanted.suspect, source=wanted.source, whole=bool(wanted.source))

    def _settle(self) -> None:
        """What a killed run left half done: else its snapshot or its group would be made a second time."""
        left = [data for data in self.case.ledger.open_intents() if MARK in plan.decode(data).id]
        if left:
            self.recovered += self.runner.recover(left)

    def _about(self, machines: Iterable[Machine]) -> About:
        """Make the two groups in each VPC, and their rules, before anything is put into them."""
        places = {}
        for machine in machines:
            for interface in machine.data.get("NetworkInterfaces", []) if machine.kind == instance.KIND else ():
                if vpc := str(interface.get("VpcId") or ""):
                    places[groups.place(machine.target, vpc, machine.arn.split(":")[1])] = machine.target
        name = self.run.incident.id
        for arn, target in places.items():
            self.runner.add(arn, target.account, [Job(Phase.RESOURCE, lambda r, a=arn, x=target: groups.make(x, a, name, r))])  # type: ignore[misc]
        self.runner.wait()
        pairs = {arn: (self._group(arn, groups.OPEN), self._group(arn, groups.CLOSED)) for arn in places}
        for arn, target in places.items():
            if all(pairs[arn]) or self.runner.check:
                self.runner.add(arn, target.account, [Job(Phase.RESOURCE, lambda r, a=arn, x=target: groups.rules(x, a, pairs[a], r))])  # type: ignore[misc]
        self.runner.wait()
        usable = {arn: pair for arn, pair in pairs.items() if self.runner.check or self._tight(arn, pair)}
        return About(name, {arn.rsplit("/", 1)[-1]: pair for arn, pair in usable.items()})

    def _group(self, vpc_arn: str, which: str) -> str:
        step_id = groups.step_id(vpc_arn, which)
        done = self.runner.done.get(step_id)
        return str(plan.dig(self.runner.answers.get(step_id), ("GroupId",)) or "") if done and done.status in ("done", "already") else ""

    def _tight(self, vpc_arn: str, pair: tuple[str, str]) -> bool:
        """Whether the closed group lets nothing through: else putting a machine into it would be no isolation."""
        mark = f"{groups.step_id(vpc_arn, groups.CLOSED)}/"
        return bool(pair[1]) and all(d.status in STANDS for i, d in list(self.runner.done.items()) if i.startswith(mark))

    def _queue(self, machine: Machine, about: About, stages: Iterable[t.Any]) -> None:
        def planned(stage: t.Any, reader: Reader) -> list[plan.Step]:
            try:
                return list(stage(machine, about, reader))
            except EvictError as error:
                with self._lock:
                    self._unplanned.setdefault(machine.arn, []).append(error.message)
                raise

        jobs = [
            Job(t.cast(Phase, int(Phase.RESOURCE) + 1 + n), lambda r, s=stage: planned(s, r))  # type: ignore[misc]
            for n, stage in enumerate(stages)
        ]
        if jobs:
            self.runner.add(machine.arn, machine.target.account, jobs)

    # -- what goes on serving --------------------------------------------------------------------------------------------------------

    def _keep_serving(self, run: t.Any, exempt: set[str]) -> None:
        """Machines of production under whose name a suspect acted: IMDSv2 where nothing is broken by it, else that is proposed."""
        looked = []
        for account, names in chosen.sessions(run).items():
            for arn in chosen.locate(run, account, names, self.gaps).values():
                if arn in self._machines or arn in self._rows and arn not in exempt:
                    continue
                if asked := self._serve(Wanted(arn, "")):
                    looked.append((Wanted(arn, ""), *asked, arn in exempt))
        self.runner.wait()
        for each in looked:
            self._served(*each)

    def _serve(self, wanted: Wanted) -> tuple[Machine, str, bool] | None:
        """(the machine, why version 1 cannot be switched off, whether that was asked for now); None when it is gone."""
        reader = Reader(self.runner.clouds)
        try:
            machine = instance.look(wanted.target, wanted.arn, reader)
            if machine.gone:
                self._row(wanted, "gone", f"{machine.gone}; its role's sessions are revoked", machine)
                return None
            closed = metadata.required(machine)
            why = "" if closed else metadata.why_not(machine, self.run.aws.now(), reader)
        except EvictError as error:
            return Machine(wanted.target, wanted.arn, wanted.arn.rsplit("/", 1)[-1], wanted.arn), error.message, False
        asked = not closed and not why
        if asked:
            self.runner.add(machine.arn, machine.target.account, [Job(Phase.RESOURCE, lambda r: metadata.require(machine, r))])
        return machine, why, asked

    def _served(self, wanted: Wanted, machine: Machine, why: str, asked: bool, exempt: bool) -> None:
        """What became of it: new credentials are for a machine of which it is seen that version 1 answers nobody."""
        done = self.runner.done.get(f"{machine.arn}{MARK}{metadata.PART}")
        if asked and (done is None or done.status not in STANDS):
            why = f"requiring it failed: {done.message or done.status if done else 'see what failed'}"
        if exempt or not why:
            self._serving.add(machine.id)
        if not why:
            would = asked and done is not None and done.status == "would"
            service = "its metadata service would be made to ask for version 2" if would else "its metadata service asks for version 2"
            self._row(wanted, "serves", f"a suspect acted under its name: its role is revoked, and {service}", machine)
            return
        text = f"a suspect acted under its name, and IMDSv2 is not required: {why}"
        more = (
            ""
            if exempt
            else "; until it is, or the incident file exempts the machine (compute.exempt), it gets no new credentials; or isolate it (compute.isolate)"
        )
        self._row(wanted, "serves" if exempt else "proposed", text + more, machine)
        self._proposed.append({"object": machine.text, "why": f"{text}: require it{more}", "due": None})

    def kept_from(self, workload: Workload, sessions: Iterable[str]) -> str:
        """Why a workload is given no new credentials (``workloads.Workload.kept_from``), now that it is known what is isolated and what goes on."""
        isolated = {arn: m for arn, (_w, m) in self._machines.items()}
        if workload.id in isolated or any(m.id == workload.id for m in isolated.values()):
            return "it is isolated"
        exempt = self.run.incident.compute.exempt
        service = f":service/{workload.id.rsplit('cluster/', 1)[-1]}"
        if workload.id in self._serving or any(a == workload.id or a.endswith((f"/{workload.id}", service)) for a in exempt):
            return workload.kept_from(())
        aside = {m.session for m in isolated.values() if m.kind == task.KIND}  # new tasks take its place
        return workload.kept_from(set(sessions) - aside)

    # -- what the claims need --------------------------------------------------------------------------------------------------------

    def last_given(self, role: str) -> datetime.datetime | None:
        """When what is isolated was last given credentials of ``role`` (ARN): until then the role's sessions have to be cut."""
        times = []
        for data in (n["data"] for n in self.case.notes(NOTE)):
            kind = compute.kind_of(data["arn"])
            if not kind or not kind.OFF or identity(role) not in map(identity, data["roles"]):
                continue
            step_id = f"{data['arn']}{MARK}{kind.OFF}"
            done, past = self.runner.done.get(step_id), self.case.history.get(step_id) or {}
            at = done.at if done and done.status == "done" else (past.get("made") and (past.get("outcome") or {}).get("at"))
            if at:
                times.append(parse(at) + datetime.timedelta(seconds=1))
        return max(times, default=None)

    # -- what is said ----------------------------------------------------------------------------------------------------------------

    def _row(self, wanted: Wanted, state: str, why: str, machine: Machine | None = None) -> None:
        text = machine.text if machine else wanted.arn
        row = {"object": wanted.arn, "text": text, "state": state, "how": wanted.how, "why": why}
        with self._lock:
            self._rows[wanted.arn] = row

    def _say(self, wanted: Wanted, machine: Machine) -> None:
        mine = {i: d for i, d in list(self.runner.done.items()) if compute.kept_at(i) == machine.arn}
        bad = [*self.exposed.said.get(machine.arn, ()), *self._unplanned.get(machine.arn, ())]
        bad += [d.step.resource.removeprefix(f"{machine.text}, ") for d in mine.values() if d.status not in STANDS]
        if machine.kind == instance.KIND and not any(f"{MARK}{instance.NETWORK}" in i for i in mine):
            bad.append("its network")
        if machine.kind == task.KIND and task.lone(machine.data):
            bad.append("its network, which goes on")
        stopped = (mine.get(f"{machine.arn}{MARK}stop") or None) is not None
        state = "partly" if bad else "would be isolated" if self.runner.check else "stopped" if stopped else "isolated"
        notes = list(machine.notes)
        if machine.kind == task.KIND and (until := self._protected_until(machine)):
            notes.insert(0, f"protected until {until}")
        if self.stopping and not stopped and machine.kind == instance.KIND:
            notes.append("it is not stopped: nothing shows that a suspect started it")
        failed = [f"not done: {', '.join(bad)}"] if bad else []
        self._row(wanted, state, "; ".join([*failed, *notes]), machine)

    def _protected_until(self, machine: Machine) -> str:
        try:
            return "" if self.runner.check else task.protected_until(machine, Reader(self.runner.clouds))
        except EvictError:
            return ""

    def rows(self) -> list[Row]:
        """``isolated`` in the result.

        States: isolated | stopped | would be isolated | partly | gone | spared | refused | left | unknown | serves | proposed.
        """
        return [row for _arn, row in sorted(self._rows.items())]

    def residual(self) -> list[Row]:
        """Roles of what is isolated whose sessions nobody revokes: what the machine was given until then, or gave away, lives on."""
        rows: dict[str, Row] = {}
        for _wanted, machine in [] if self.runner.check else list(self._machines.values()):
            for arn in machine.roles or self._noted_roles(machine.arn):
                if machine.kind == task.KIND or identity(arn) in self.run.principals:  # of a task its session is denied
                    continue
                given, now = self.last_given(arn), self.run.aws.now()
                until = (given or now) + quarantine.LONGEST
                if until > now:
                    why = (
                        f"{machine.text} is isolated, but the role is none of the contained: name it as a suspect, or end its sessions with"
                        " evict.cloud.aws_session (revoke_again: true)"
                    )
                    rows[arn] = residual.row(arn, "service-held role session", iso(until), why)
        return list(rows.values())

    def _noted_roles(self, arn: str) -> list[str]:
        """Those that it had before this case took them away."""
        return sorted({str(role) for n in self.case.notes(NOTE) if n["data"]["arn"] == arn for role in n["data"]["roles"]})

    def open_items(self) -> list[Row]:
        """What a person has to look at."""
        rows = [
            {"object": r["text"], "why": f"{r['how']}; {r['why']}", "due": None} for r in self.rows() if r["state"] in ("left", "partly")
        ]
        gaps = [{"object": "compute", "why": f"not known: {'; '.join(sorted(self.gaps)[:5])}", "due": None}] if self.gaps else []
        return rows + self._proposed + gaps

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What IAM does not reach: live things that the suspects started are ended, and workloads that a revocation cut too get new credentials.

Each service is asked once per account and region, after the fences and behind everything else in the pool. What could not be asked is a named gap.
"""

from __future__ import annotations

import datetime
import re
import threading
import time
import typing as t
from collections.abc import Callable, Iterable

from ..common import plan
from ..common.chain import Job
from ..common.errors import EvictError
from ..common.guard import identity
from ..common.plan import Phase, Target
from ..common.reader import Reader
from . import events, everybody, live, minting, policy, residual, workloads
from .principal import Principal
from .quarantine import longest, trusted_by
from .session import iso, parse

if t.TYPE_CHECKING:
    from .contain import Containment

READS = ("ec2:DescribeRegions",)
_LAST = 95  # priority in the pool: behind the reading back
_LOOKS = (0.0, 0.5, 1.0, 2.0)  # seconds before each look whether a refresh is through
_SECONDS = 60.0  # for the listings of one call
_CLUSTER = re.compile(r":oidc-provider/oidc\.eks\.(?P<region>[\w-]+)\.amazonaws\.com(?:\.cn)?/id/(?P<id>\w+)$")
_STANDS = ("done", "already", "would")


def _not_listed(role: Principal, cutoff: str) -> list[dict[str, t.Any]]:
    """A row for each service that may use the role and whose workloads no kind lists: pods, notebooks, jobs and applications cache its credentials too."""
    listed = {kind.SERVICE for kind in workloads.KINDS.values()}
    trusted = trusted_by(role.facts)
    users = [name for name in trusted["Service"] if name not in listed]
    clusters = [found for arn in trusted["Federated"] if (found := _CLUSTER.search(arn))]
    users += [f"pods of the EKS cluster {found['id']} in {found['region']}" for found in clusters]
    until = iso(parse(cutoff) + longest(role))
    why = f"may hold cached credentials until {until[11:16]}Z, which are refused: what runs there is not listed here, so restart it there"
    row = {"role": role.arn, "kind": "not_listed", "state": "not listed", "until": until, "step": ""}
    return [{"object": f"{role.arn} used by {user}", "text": user, "why": f"{user} {why}", **row} for user in users]


def _unseen(role: Principal) -> bool:
    """Whether it was named as a whole, and its sessions were not, or only found: the log has the calls of a role by session name and key id alone."""
    return role.kind == "role" and role.whole and not role.discovered and (not role.sessions or bool(role.sources))


class _Timed(Reader):
    """It asks nothing any more when time is up: a listing of many calls must not keep the hold waiting."""

    def __init__(self, after: Aftermath) -> None:
        super().__init__(after.run.runner.clouds)
        self._after = after

    def get(self, call: plan.Call) -> dict[str, t.Any]:
        self._after.in_time(call.name)
        return super().get(call)


class Aftermath:
    """``end`` and ``refresh`` do it; ``lives``, ``workloads`` and ``gaps`` say what was found and what could not be looked at."""

    def __init__(self, run: Containment) -> None:
        self.run = run
        self.lives: dict[str, tuple[live.Kind, live.Live]] = {}
        self.workloads: list[dict[str, t.Any]] = []
        self._asked: list[tuple[dict[str, t.Any], workloads.Kind, workloads.Workload, str]] = []
        self.gaps: set[str] = set()
        self.recovered: list[str] = []
        self._unread: dict[tuple[str, str], dict[str, str]] = {}  # (what, account) -> {region: why}
        self._regions: dict[str, list[str]] = {}
        self._looked_for: tuple[t.Any, ...] = ()  # as ``_about`` says it, when the services were asked last
        self._lock = threading.Lock()

    # -- live things -------------------------------------------------------------------------------------------------------------

    @property
    def wanted(self) -> bool:
        """Asked for, or left to us and the logs are read as well."""
        chosen = self.run.options.live_sessions
        return self.run.options.scope > 0 if chosen is None else chosen

    def end(self) -> None:
        """List what the suspects started and end it. Returns when it is done."""
        if not self.wanted or not everybody.principals(self.run):
            return
        self._looked_for = self._about()
        who, started = self._suspects(), self._started()
        blind = ", ".join(sorted(kind.NOUN for kind in live.KINDS.values() if not kind.LISTED))
        if not self.run.scope:
            self.gaps.add(f"{blind}: only the log says who started them, and the quick scope is off")
        for role in filter(_unseen, list(self.run.principals.values())) if self.run.scope else ():
            told = (
                f"{role.arn} is suspect as a whole, and whose its sessions are nobody said: what they may have started was not looked for where only the log"
                f" says who did ({blind}); name a suspect's sessions or key ids under incident.suspects to have it ended"
            )
            self.run.case.warnings += [told] if told not in self.run.case.warnings else []
        tasks: list[tuple[str, Callable[[], None]]] = []
        for account in everybody.accounts(self.run):
            names = self._enabled(account)
            for kind in live.KINDS.values():
                mine = {target: found for (target, noun), found in started.items() if noun == kind.KIND and target.account == account}
                everywhere = {Target("aws", account, name) for name in names} if live.asked(kind, who, account) else set()
                for target in sorted(everywhere | set(mine)):
                    tasks.append((account, self._look(kind, target, who, mine.get(target, []))))
        self._all(tasks)

    def end_again(self) -> None:
        """What those started who were found since; no service is asked where nobody and nothing was."""
        if self._about() != self._looked_for:
            self.end()

    def _about(self) -> tuple[t.Any, ...]:
        """All that decides what is looked for and what is ended: who is contained and how, and what the log has of them."""
        actions = {key: action.action for key, action in self.run.roles.actions.items()}
        who = {(p.arn, actions.get(identity(p.arn)), bool(p.only), frozenset(p.sessions)) for p in everybody.principals(self.run)}
        calls = {str(event.get("eventID")) for found in self._started().values() for event in found}
        return who, everybody.accounts(self.run), calls, set(self.run.findings.acted_as)

    def _suspects(self) -> live.Suspects:
        ends = {principal.arn: self._last_ends(principal) for principal in list(self.run.principals.values())}
        ends |= self.run.people.signs_until()
        actions = {key: action.action for key, action in self.run.roles.actions.items()}
        return everybody.suspects(self.run, actions, ends, everybody.others(self.run))

    def _started(self) -> dict[tuple[Target, str], list[events.Event]]:
        """The suspects' own calls that started something, by place and kind."""
        found: dict[tuple[Target, str], list[events.Event]] = {}
        for event in self.run.scope.kept if self.run.scope else ():
            target = Target("aws", str(event.get("recipientAccountId")), str(event.get("awsRegion")))
            for kind in live.KINDS.values():
                if (event.get("eventSource"), event.get("eventName")) in kind.EVENTS:
                    found.setdefault((target, kind.KIND), []).append(event)
        return found

    def _look(self, kind: live.Kind, target: Target, who: live.Suspects, started: Iterable[events.Event]) -> Callable[[], None]:
        def look() -> None:
            seen = set()
            for found in kind.found(target, who, started, _Timed(self)):
                one = who.settled(found, started)
                with self._lock:
                    seen.add(name := f"{kind.KIND} {one.target.account} {one.target.region} {one.id} {one.principal}")
                    self.lives[name] = (kind, one)
                if not one.why:
                    job = Job(Phase.RESOURCE, lambda _r, one=one: kind.steps(one))  # type: ignore[misc]
                    self.run.runner.add(one.principal, target.account, [job])
            with self._lock:  # what an earlier look could only name, and this one says otherwise or not at all
                place = (kind.KIND, target)
                stale = {n for n, (k, one) in self.lives.items() if one.why and (k.KIND, one.target) == place and n not in seen}
                self.lives = {name: found for name, found in self.lives.items() if name not in stale}
                self._unread.get((kind.NOUN, target.account), {}).pop(target.region, None)

        return self._guarded(look, kind.NOUN, target)

    # -- workloads ---------------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """List what runs as a revoked role, and make it fetch new credentials, when the cutoff has spread; once for each cutoff."""
        tasks: list[tuple[str, Callable[[], None]]] = []
        latest = ""
        for role in list(self.run.principals.values()):
            cutoff = self.cutoff(role)
            if role.kind != "role" or not cutoff or self.run.roles.actions[identity(role.arn)].action != "revoke":
                continue  # a denied one is not to work again; a clamp and a session deny leave its workloads alone
            trusted = trusted_by(role.facts)["Service"]
            self.workloads += _not_listed(role, cutoff)
            kinds = [kind for kind in workloads.KINDS.values() if kind.SERVICE in trusted]
            for name in self._enabled(role.account) if kinds else ():
                target = Target("aws", role.account, name)
                tasks += [(role.account, self._renew(kind, role, target, cutoff)) for kind in kinds]
                latest = max(latest, cutoff)
        if tasks and not self.run.runner.check:
            self._wait_until(latest)
        self._settle()
        self._all(tasks)
        self._confirm()

    def _settle(self) -> None:
        """What a killed run left half done: else a service would be deployed, and a profile associated, a second time."""
        left = [data for data in self.run.case.ledger.open_intents() if workloads.MARK in plan.decode(data).id]
        if left:
            self.recovered += self.run.runner.recover(left)

    def _wait_until(self, cutoff: str) -> None:
        """A cutoff that lies ahead (see ``minting``) would cut what is fetched before it."""
        left = (parse(cutoff) - self.run.aws.now()).total_seconds()
        if self.run.options.hold and 0 < left < 2 * self.run.spread + 10:
            time.sleep(left + min(self.run.options.hold, 10.0))

    def _renew(self, kind: workloads.Kind, role: Principal, target: Target, cutoff: str) -> Callable[[], None]:
        def renew() -> None:
            reader = _Timed(self)
            for one in kind.held(role, target, reader):
                self._refresh_one(kind, role, one, cutoff, reader)

        return self._guarded(renew, kind.NOUN, target)

    def _refresh_one(self, kind: workloads.Kind, role: Principal, one: workloads.Workload, cutoff: str, reader: Reader) -> None:
        until = iso(parse(cutoff) + kind.LONGEST)
        row = {"object": one.id, "text": one.text, "role": role.arn, "kind": kind.KIND, "state": "", "until": until, "why": "", "step": ""}
        kept = self.run.isolation.kept_from(one, role.sessions) or workloads.pushed(one, self.run.scope.kept if self.run.scope else ())
        missed, steps = "", []
        try:
            steps = [] if kept else list(kind.steps(one, f"evict {self.run.incident.id} {cutoff}", reader))
        except EvictError as error:  # the next one is looked at all the same
            missed = error.message
        if not (kept or missed or steps):
            return  # it is gone
        done = [s for s in steps if (self.run.case.history.get(s.id) or {}).get("made")]
        if kept:
            row |= {"state": "left", "why": kept}
        elif missed:
            row |= {"state": "failed", "why": missed}
        elif done:
            row |= {"state": "asked to refresh"}
        elif not self.run.options.refresh:
            row |= {"state": "left", "why": "refresh: false"}
        elif not self._spread(cutoff) and not self.run.runner.check:
            row |= {"state": "waiting", "why": "the revocation has not spread yet: run again"}
        else:
            row |= {"state": "asked to refresh", "step": steps[0].id}
            self.run.runner.add(role.arn, role.account, [Job(Phase.RESOURCE, lambda _r: steps)])
        with self._lock:
            self.workloads.append(row)
            if row["state"] == "asked to refresh":
                self._asked.append((row, kind, one, cutoff))

    def _confirm(self) -> None:
        """Look which of those that were asked have new credentials; for what is done within seconds, some seconds long."""
        for pause in _LOOKS:
            left = [
                a for a in self._asked if a[0]["state"] != "refreshed" and (not pause or a[1].QUICK) and self._carried_out(a[0]["step"])
            ]
            if left:
                time.sleep(pause)
                looks = [(kind, one, self._look_again(row, kind, one, cutoff)) for row, kind, one, cutoff in left]
                self._all((one.target.account, self._guarded(look, kind.NOUN, one.target)) for kind, one, look in looks)

    def _carried_out(self, step: str) -> bool:
        """By an earlier run, or by this one."""
        done = self.run.runner.done.get(step)
        return not step or (done is not None and done.status in ("done", "already"))

    def _look_again(self, row: dict[str, t.Any], kind: workloads.Kind, one: workloads.Workload, cutoff: str) -> Callable[[], None]:
        def look() -> None:
            if kind.renewed(one, parse(cutoff), Reader(self.run.runner.clouds)):
                row["state"] = "refreshed"

        return look

    def _spread(self, cutoff: str) -> bool:
        return (self.run.aws.now() - parse(cutoff)).total_seconds() >= min(self.run.options.hold or 10.0, 10.0) - 1.0

    # -- what both need ----------------------------------------------------------------------------------------------------------

    def cutoff(self, principal: Principal) -> str:
        """The session cutoff that stands, as this run saw it; "" for none."""
        done = self.run.runner.done.get(f"{principal.arn}#policy/{self.run.incident.policy_name('session')}")
        return policy.cutoff_of(done.step.after) or "" if done and done.status in _STANDS else ""

    def minted_until(self, principal: Principal) -> datetime.datetime:
        """How young a session of it that was cut may be."""
        return minting.until(self.run, principal)

    def _last_ends(self, principal: Principal) -> str:
        return iso(self.minted_until(principal) + longest(principal))

    def _enabled(self, account: str) -> list[str]:
        if account not in self._regions:
            try:
                self._regions[account] = events.regions(self.run.aws, account)
            except EvictError as error:
                self.gaps.add(f"account {account}: {error.message}")
                self._regions[account] = []
        return self._regions[account]

    def _guarded(self, look: Callable[[], None], noun: str, target: Target) -> Callable[[], None]:
        """One service that does not answer, or does not let us ask, is a gap, and stops nothing."""

        def guarded() -> None:
            try:
                self.in_time(noun)
                look()
            except EvictError as error:
                if not self.run.aws.absent(error, target.region):
                    with self._lock:
                        self._unread.setdefault((noun, target.account), {})[target.region] = error.message

        return guarded

    def in_time(self, what: str) -> None:
        if time.monotonic() > self._deadline:
            raise EvictError("time was up before all were listed", object=what)

    def _all(self, tasks: Iterable[tuple[str, Callable[[], None]]]) -> None:
        self._deadline = time.monotonic() + _SECONDS
        for account, task in tasks:
            self.run.runner.pool.submit(_LAST, account, task)
        self.run.runner.wait()

    # -- what it comes to --------------------------------------------------------------------------------------------------------

    def failed(self, one: live.Live) -> bool:
        """Whether a Step that was to end it did not."""
        mine = [d for d in list(self.run.runner.done.values()) if one.id in d.step.id and d.step.resource.startswith(one.text)]
        return any(d.status not in _STANDS for d in mine)

    def residual(self) -> list[dict[str, t.Any]]:
        """Rows of ``residual``: what still lives."""
        rows = []
        for kind, one in self.lives.values():
            if one.why or self.failed(one):
                principal = self.run.principals.get(identity(one.principal))
                until = one.until
                if until != live.BY_HAND and principal:  # since it was looked at, hold has cut sessions again
                    until = max(until, self._last_ends(principal))
                rows.append(residual.row(one.text, kind.ACCESS, until, one.why or "it could not be ended: see what failed"))
        return rows

    def rows(self) -> list[dict[str, t.Any]]:
        """The workloads, with what became of each: refreshed | asked to refresh | waiting | left | failed."""
        rows = []
        for row in self.workloads:
            done = self.run.runner.done.get(row["step"])
            shown = {k: v for k, v in row.items() if k != "step"}
            if done and done.status not in _STANDS:
                shown |= {"state": "failed", "why": done.message}
            elif done and done.status == "would":
                shown["state"] = "would be refreshed"
            if shown["state"] == "refreshed":
                shown["until"] = ""
            rows.append(shown)
        return sorted(rows, key=lambda r: (r["role"], r["object"]))

    def _missed(self) -> list[str]:
        """A line for each service and account, however many regions."""
        lines = []
        for (noun, account), regions in sorted((place, regions) for place, regions in self._unread.items() if regions):
            first = min(regions)
            more = f" and {len(regions) - 1} more region(s)" if len(regions) > 1 else ""
            lines.append(f"{noun} in {account} {first}{more}: {regions[first]}")
        return lines

    def open_items(self) -> list[dict[str, t.Any]]:
        """What a person has to look at."""
        items = [
            {"object": one.text, "why": one.why, "due": None} for _kind, one in self.lives.values() if one.why and one.until == live.BY_HAND
        ]
        items += [{"object": r["text"], "why": r["why"], "due": None} for r in self.rows() if r["state"] in ("waiting", "failed")]
        if listed := sorted(self.gaps) + self._missed():
            more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
            items.append({"object": "live sessions", "why": f"not known: {'; '.join(listed[:5])}{more}", "due": None})
        return items

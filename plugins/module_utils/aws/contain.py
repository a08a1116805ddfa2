# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The composed verb: resolve, guard, fence, scope, snapshot, disable, revoke, read back, in one process and one thread pool."""

from __future__ import annotations

import dataclasses
import datetime
import time
import typing as t
from collections.abc import Iterable

from ..common import durations, named, plan, restore
from ..common.case import Case
from ..common.chain import Job
from ..common.errors import EvictError, TakenOver
from ..common.guard import identity, session_arn
from ..common.plan import Phase, Step
from ..common.reader import Reader
from ..common.run import Runner
from . import (
    account_fence,
    claims,
    clocks,
    compute,
    credentials,
    facts,
    fence_words,
    findings,
    live,
    minting,
    quarantine,
    resource_fence,
    resources,
    sessions,
    shares,
    snapshot,
    space,
    store_home,
    trust,
)
from .aftermath import Aftermath
from .door import Door
from .findings import Findings
from .hold import Hold
from .isolation import PAUSE, Isolation
from .moving import Moving
from .people import People
from .principal import Principal
from .respond import Response
from .roles import Roles
from .scope import Scope
from .session import Aws, parse
from .stop_clocks import Clocks

_LOGS = 20.0  # seconds for which a refused suspect is looked up again; a later look does it once more
PROPAGATION = datetime.timedelta(seconds=claims.PROPAGATION)


@dataclasses.dataclass(frozen=True)
class Options:
    """``hold``: seconds for which containment is held at most, 0 = not at all; ``spread``: seconds that a change of IAM takes to spread.

    ``scope``: seconds for the quick scope, 0 = off; ``kinds``: of credentials, that are looked at.
    """

    hold: float = 90.0
    spread: float = PROPAGATION.total_seconds()
    scope: float = 60.0
    revoke_again: bool = False
    kinds: tuple[str, ...] = tuple(credentials.KINDS)
    later: bool = False  # a later look, which cuts nothing again that has been released
    freeze: bool = True  # while somebody works against it, nobody else writes in IAM
    account_fence: str = "on_the_spot"
    live_sessions: bool | None = None  # None: when there is a quick scope
    refresh: bool = True
    isolate: bool = True
    clocks: str = "stop"
    resources: bool = True
    quiet: float = 900.0  # of a rotation that goes before the cut
    soak: float = 86400.0


class Containment(Response):
    """The whole sequence over a case; results come from ``claims.result``."""

    def __init__(self, aws: Aws, case: Case, runner: Runner, options: Options) -> None:
        super().__init__(aws, case, runner)
        self.options = options
        self.minted: dict[str, datetime.datetime] = {}  # identity -> when a compromised credential of it last minted a session
        self._first_cutoffs: dict[str, datetime.datetime] = {}  # ARN -> of its sessions, as the first plan has it
        self.unsettled = {plan.decode(data).id for data in case.ledger.open_intents()}  # what a killed run may have carried out
        self.unknown: dict[str, set[str]] = {}  # identity -> kinds of credential of it that could not be listed
        self.scope: Scope | None = None
        self._repeating = False
        self.overtaken = ""  # by whom
        self.share = ""  # the account whose share this run has, when hosts contain side by side
        self.trusted = {identity(arn) for arn in (*self.incident.trusted.principals, *self.incident.automations)}
        self.fences = account_fence.AccountFences(self, options.account_fence, again=options.revoke_again)
        self.moving = Moving(self)
        self.roles = Roles(self)
        self.hold = Hold(self)
        self.findings = Findings(self)
        self.door = Door(self)
        self.released = {identity(arn) for arn in restore.released(case.history)} if options.later else set()
        self.isolation = Isolation(self, on=options.isolate, pause=min(PAUSE, self.spread))
        self.after = Aftermath(self)
        self.clocks = Clocks(self)
        self.people = People(self)
        self.resources = resource_fence.ResourceFences(self, self.fences)

    # -- the sequence ------------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        if self.options.scope > 0:
            since = credentials.Asked.by(self.incident).since
            keep = live.EVENTS | compute.EVENTS | clocks.EVENTS | resources.EVENTS | facts.EVENTS | findings.EVENTS
            self.scope = Scope(
                self.aws, self.findings.found, start=since, seconds=self.options.scope, keep=keep, theirs=self.moving.legitimate
            )
        self.take(self.suspects)
        self.runner.wait()
        self.people.cut()
        self._wait_for_logs()
        if self.scope:
            self.exhaust(self.scope)
        self.clocks.first()
        self.roles.settle()
        self._mend()
        self.give_way()
        self.isolation.contain(self)
        self.give_way()
        self.moving.rotate()
        self.fences.renew()
        self.after.end()
        self.runner.wait()
        self.hold.hold()
        self.give_way()
        self.after.end_again()
        self.give_way()
        self.after.refresh()
        self.give_way()
        self.clocks.stop()
        if self.options.resources:
            self.give_way()
            self.resources.scope = self.scope
            self.resources.fence(later=self.options.later)
        self.give_way()

    def give_way(self) -> None:
        """``TakenOver`` once a person has taken the case over for something else: what they undo is not to be looked at as an attack."""
        if why := self.case.stopped():
            self.overtaken = why
            raise TakenOver(f"this containment stopped: {why}", object=self.incident.id, operation="contain",
                            remedy="run it again when the other is done, if the suspects are still to be contained")  # fmt: skip

    def _wait_for_logs(self) -> None:
        """Somebody who wrote himself into the responder's trust a moment ago is guarded as part of it until CloudTrail tells."""
        deadline = time.monotonic() + min(self.options.hold, _LOGS)
        while self.held_back and time.monotonic() < deadline and not self.runner.check:
            time.sleep(_LOGS / 10)
            self.take_held_back()

    @property
    def spread(self) -> float:
        """Seconds that this run waits for a change of IAM to hold everywhere; less than it takes where it holds for less."""
        return min(self.options.spread, self.options.hold)

    @property
    def settles(self) -> float:
        """Seconds after which a change of IAM is believed to hold everywhere, so that something may be called contained."""
        return (self.options.spread if self.options.hold else 0) or claims.PROPAGATION

    def exhaust(self, scope: Scope) -> None:
        """To a fixed point: what is found is contained, and leads to more that is looked up."""
        while True:
            scope.wait()
            self.runner.wait()
            self.give_way()
            if scope.quiet and not self.findings.follow_names():
                break
        scope.stop()

    def take(self, suspects: Iterable[t.Any], start: bool = True) -> None:
        if start:
            self.fences.expect(suspects)
        super().take(suspects, start)

    def resolve(self, suspect: t.Any) -> Principal:
        return self.moving.resolve(suspect) or super().resolve(suspect)

    def spares(self, principal: Principal) -> bool:
        return self.moving.spares(principal)

    def admit(self, principal: Principal, start: bool = True) -> None:
        if not self.people.take(principal, start):
            super().admit(principal, start)

    def _take(self, suspect: t.Any, start: bool = True) -> None:
        super()._take(suspect, start)
        if start:
            self.fences.taken(suspect)

    # -- suspects and what follows from them -------------------------------------------------------------------------------------

    def follow(self, principal: Principal) -> None:
        """Look up what was done with the keys and under the names that are suspect of it."""
        if not self.scope:
            return
        account = principal.account
        self.scope.belongs(*principal.compromised, *(session_arn(principal.arn, name) for name in principal.sessions))
        for key in sorted(k for k in principal.compromised if k.startswith("AKIA")):
            self.scope.ask(account, "AccessKeyId", key)
        if principal.kind == "user" and principal.whole:
            self.scope.belongs(principal.arn)
        if principal.planted or principal.forced:
            self.scope.strangers(account, principal.arn)
        if principal.kind == "user" and (principal.whole or any(not k.startswith(("AKIA", "ASIA")) for k in principal.compromised)):
            self.scope.ask(account, "Username", principal.name)  # other credentials leave no key id in the log
        for name in sorted(principal.sessions):
            self.scope.ask(account, "Username", name)
        if principal.kind == "role" and principal.whole and principal.discovered:  # the suspect made it: whoever is in it is the attacker
            self.scope.belongs(principal.arn)
            self.scope.ask(account, "ResourceName", principal.arn)

    def start(self, principal: Principal) -> None:
        if identity(principal.arn) in self.released:
            self.hold.watch.append(
                {"object": principal.arn, "why": "released since it was contained, so this look leaves it alone", "due": None}
            )
            with self._lock:
                self.principals.pop(identity(principal.arn), None)
            return
        self.hold.begin(principal.account)
        self.cut(principal)

    def cut(self, principal: Principal) -> None:
        """All that is to be cut of it now."""
        jobs = list(self._jobs(principal))
        self.announce(principal)
        self.runner.add(principal.arn, principal.account, [*jobs, self.fences.started(principal)])

    def _jobs(self, principal: Principal) -> Iterable[Job]:
        return map(self.hold.kept_up, self._user_jobs(principal) if principal.kind == "user" else self.roles.jobs(principal))

    def announce(self, principal: Principal) -> None:
        """One note of who it is, what is cut and what may break; an earlier run's note is not repeated."""
        announced = claims.announce(principal, self.roles.actions.get(identity(principal.arn)), self.incident, self.options.kinds)
        announced = self.moving.announce(principal, announced)
        announced["breaks"] += fence_words.breaks(self.fences, principal)
        noted = [n for n in self.case.notes("principal") if n["data"]["arn"] == principal.arn]
        if all(n["run"] == self.case.ledger.run and n["data"] != announced for n in noted):
            self.case.note("principal", announced)

    def _user_jobs(self, principal: Principal) -> Iterable[Job]:
        if not principal.only:
            yield Job(Phase.FENCE, lambda r: self._fence_user(principal, r))
        yield from snapshot.jobs(principal, self.case, self.options.kinds)
        for kind in claims.kinds(principal, self.options.kinds, self.incident):
            yield Job(kind.PHASE, lambda r, kind=kind: self._disable(principal, kind, r))  # type: ignore[misc]
        yield Job(Phase.SESSION, lambda r: self.revoke(principal, r, self.aws.now() + PROPAGATION))

    def _disable(self, user: Principal, kind: credentials.Kind, reader: Reader) -> Iterable[Step]:
        unknown = self.unknown.setdefault(identity(user.arn), set())
        try:
            steps = credentials.planned(
                kind, user, "disabled", reader, credentials.Asked.by(self.incident, self.moving.only(user, kind, reader))
            )
        except EvictError:
            unknown.add(kind.NOUN)
            raise
        if kind.NOUN in unknown:  # a later pass could list it
            unknown.discard(kind.NOUN)
            self.runner.forgive(f"{user.arn} {kind.KIND}")
        return steps

    def _fence_user(self, user: Principal, reader: Reader) -> Iterable[Step]:
        if (instead := self.moving.fence(user, reader)) is not None:
            return instead
        if f"{user.arn}#policy/{self.incident.policy_name('quarantine')}" not in self.case.history:
            snapshot.list_inline(user, reader)  # which the snapshot needs as well: one call for two questions
        return space.fitting(user, quarantine.fence_user(user, self.incident, reader), reader, self.runner)

    def revoke(
        self, principal: Principal, reader: Reader, cutoff: datetime.datetime, newer_than: datetime.datetime | None = None
    ) -> list[Step]:
        newer = cutoff if self.options.revoke_again and not self._repeating else newer_than
        if newer is None and f"{principal.arn}#policy/{self.incident.policy_name('session')}" not in self.runner.done:
            cutoff = self._first_cutoffs.setdefault(principal.arn, cutoff)  # of plans side by side, none of which is carried out yet
        steps = sessions.revoke(principal, self.incident, cutoff, reader, newer_than=newer)
        return space.fitting(principal, steps, reader, self.runner)

    def mend_job(self, arn: str, role: Principal | None) -> Job:
        def mend(reader: Reader) -> Iterable[Step]:
            contained = {key for key, p in self.principals.items() if not p.only}
            return trust.mend(self.aws, arn, contained, self.incident.trusted.principals, reader, role)

        return Job(Phase.FENCE, mend)

    def _mend(self) -> None:
        """Roles that are not cut: their trust policies, and the denies of the suspects' sessions of them."""
        for arn in sorted(self.findings.mended):
            self.runner.add(arn, arn.split(":")[4], [self.mend_job(arn, None)])
        for spared in list(self.findings.spared.values()):
            spared.inline = None
            shut = list(self.door.shut(spared))  # then nobody needs to be named any more
            self.runner.add(spared.arn, spared.account, shut or ([self.roles.fence_job(spared, "session")] if spared.sessions else []))

    def own_trust_rewritten(self, role: str, event: dict[str, t.Any]) -> None:
        super().own_trust_rewritten(role, event)
        self.findings.mended.add(role)

    # -- again ---------------------------------------------------------------------------------------------------------------------

    def repeat(self, *, everything: bool = True) -> None:
        """Plan again for all that is contained: what stands is left, what is gone is written again, and sessions are cut once more where one could have been

        minted since. Without ``everything`` only that last part.
        """
        self.give_way()
        self._repeating = True
        if everything:
            for principal in list(self.principals.values()):
                principal.inline = None  # the listing is from before our own policies
                self.runner.add(principal.arn, principal.account, self._jobs(principal))
        self._mend()
        self.runner.wait()
        self._revoke_again()
        self.runner.wait()
        self.fences.renew(again=everything)
        self.runner.wait()

    def _revoke_again(self) -> None:
        """Source first, then derived: what could still be minted until the fences of the sources had spread."""
        for principal in list(self.principals.values()):
            principal.inline = None  # the listing is from before our own policies
            if (
                principal.kind == "role" and self.roles.actions[identity(principal.arn)].action == "session"
            ):  # by now more of its sessions may be known
                self.runner.add(principal.arn, principal.account, [self.roles.fence_job(principal, "session")])
        for principal, cutoff, needed in [] if self.runner.check else minting.cutoffs(self, self.aws.now()):
            job = Job(Phase.SESSION, lambda r, p=principal, c=cutoff, n=needed: self.revoke(p, r, c, n))  # type: ignore[misc]
            self.runner.add(principal.arn, principal.account, [job])

    def wait_for_spread(self) -> bool:
        """Whether there was anything to wait for: then what was seen before may have been undone meanwhile."""
        latest = max((parse(d.at) for d in self.runner.done.values() if d.status == "done" and d.at), default=None)
        times = [x for x in (latest, claims.last_control(self)) if x]
        left = self.spread - (self.aws.now() - max(times)).total_seconds() if times else 0.0
        if left > 0:
            time.sleep(min(left, self.spread))
        self.give_way()
        return left > 0


def read(params: t.Mapping[str, t.Any]) -> Options:
    """What the options of ``aws_contain`` say. Raises InvalidInput."""
    given = {f.name: params[f.name] for f in dataclasses.fields(Options) if f.name != "later"}
    given |= {"later": params["phase"] == "hold", "kinds": tuple(params["kinds"])}
    return Options(**given | {name: durations.seconds(params[name], name) for name in ("hold", "spread", "quiet", "soak")})


def contain(aws: Aws, case: Case, runner: Runner, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The body of ``aws_contain``: params are its options."""
    run = Containment(aws, case, runner, read(params))
    if params["phase"] == "resolve":
        return shares.resolve(run)
    run.moving.refuse()
    if params["account"]:
        run.suspects, run.share = shares.of(case, params), params["account"]
    if params["phase"] != "hold" and any(name.startswith(restore.PREFIX) for name in case.history):
        case.warnings.append("identities of this case have been released before; what the incident names is cut again")
    try:
        run.run()
    except TakenOver as error:
        runner.fail(error)
    told, left = named.missing(case.incident.as_dict(), case.ledger.state.notes)
    case.warnings += told
    run.open += left if not run.share else []
    if any(p.account == aws.caller["account"] for p in run.principals.values()):
        case.warnings.append(
            f"the responder's own credentials live in account {aws.caller['account']}, which is part of the incident: an attacker with administrator"
            " rights there can undo this; run from another account if you can"
        )
    case.warnings += store_home.warnings(case, {p.account for p in run.principals.values()})
    case.warnings += fence_words.warnings(run.fences) + run.people.warnings()
    if run.fences.frozen_in:
        case.warnings.append(
            "the contained worked against the containment, so for a while nobody but the responder and declared automations could write in IAM"
            f" (account {', '.join(sorted(run.fences.frozen_in))})"
        )
    return claims.result(run)

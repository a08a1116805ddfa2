# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releasing what was contained, from the ledger, without re-arming a compromised credential and without reviving a token."""

from __future__ import annotations

import dataclasses
import datetime
import time
import typing as t
from collections.abc import Iterable

from ..common import plan, restore
from ..common.case import Case
from ..common.chain import Job
from ..common.errors import EvictError, InvalidInput
from ..common.guard import identity, kind_of
from ..common.plan import Phase, Step
from ..common.reader import Reader
from ..common.run import Runner
from . import (
    account_release,
    canary,
    clocks,
    credentials,
    deny_all,
    people_release,
    policy,
    put_back,
    quarantine,
    resource_release,
    shared_release,
    standing_fence,
)
from .compute import release as compute_release
from .rotation.kinds.replacing import replaced
from .session import Aws, iso, parse

_DENY_ALL = (*deny_all.keys(), *(f"#tag/{key}" for key in deny_all.keys().values()))  # ends of the ids of its Steps


@dataclasses.dataclass(frozen=True)
class Order:
    """What to release. ``only``: suspects (as reported) or ARNs, empty = all; ``purposes``: only these inline policies of ours, empty = everything;

    ``false_positive``: the named suspects were never compromised, so everything of them comes back, keys included; ``resources``: of resources only these.
    """

    only: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    false_positive: bool = False
    reason: str = ""
    by: str = ""
    resources: tuple[str, ...] = ()


class Release:
    """One run. ``rows``: what stays, and why. The steps go through the runner like all others."""

    def __init__(self, aws: Aws, case: Case, runner: Runner, order: Order) -> None:
        self.aws, self.case, self.runner, self.order = aws, case, runner, order
        self.rows: list[restore.Verdict] = []
        self._standing: list[tuple[Step, Step]] = []
        self._known = [n["data"] for n in case.notes("suspect")]
        self._contained = {identity(d["arn"]) for d in self._known}

    def run(self) -> None:
        principals = self._chosen()
        self._note_verdict()
        everything = self._standing = restore.standing(self.case.history)
        above = [pair for pair in everything if pair[1].id.startswith(account_release.PREFIX)]
        on_resources = resource_release.split(everything)
        beside = [*above, *on_resources]
        mine = [pair for pair in everything if pair not in beside and not compute_release.is_group(pair[1])]
        standing = [pair for pair in mine if principals is None or self._is_of(pair[1], principals)]
        self._name_unclear([pair for pair in mine if pair not in standing], principals)
        if above and standing and self.order.purposes != ("resources",) and account_release.AccountRelease(self, above, principals).admit():
            time.sleep(account_release.SPREAD)
            self.case.ledger.flush()  # what was just written is what the fence is compared with
            everything = restore.standing(self.case.history)
            above = [pair for pair in everything if pair[1].id.startswith(account_release.PREFIX)]
        by_principal: dict[str, list[tuple[Step, Step]]] = {}
        for first, latest in standing:
            by_principal.setdefault(latest.principal, []).append((first, latest))
        for principal, changes in by_principal.items():
            self._release(principal, changes)
        self.runner.wait()
        if not self.order.purposes:
            compute_release.groups(self, everything)
            self.runner.wait()
        people_release.provision(self)
        if on_resources and (not self.order.purposes or "resources" in self.order.purposes):
            resource_release.ResourceRelease(self, on_resources, principals, self.order.resources).run()
        if above and (not self.order.purposes or "account" in self.order.purposes):  # last: it holds until all else has come back
            account_release.AccountRelease(self, above, principals).run()
            self.runner.wait()

    def _chosen(self) -> set[str] | None:
        """Identities of the named suspects, and (for a false positive) of what was reached through them alone; None = all."""
        if not self.order.only:
            return None
        chosen: set[str] = set()
        for wanted in self.order.only:
            arns = {d["arn"] for d in self._known if wanted in (d["suspect"], d["arn"])}
            if not arns:
                listed = ", ".join(sorted({d["suspect"] or d["arn"] for d in self._known})) or "none"
                raise InvalidInput("release", [("only", f"{wanted!r} was not contained in this case; known: {listed}")])
            chosen |= {identity(a) for a in arns}
        if self.order.false_positive:
            self._must_be_alone(chosen)
            while more := {identity(d["arn"]) for d in self._known if {identity(s) for s in self._sources(d["arn"])} <= chosen} - chosen:
                chosen |= more
        return chosen

    def _sources(self, arn: str) -> set[str]:
        """What a discovered principal was reached through; itself, when somebody named it."""
        return {arn if d["suspect"] else d["source"] for d in self._known if identity(d["arn"]) == identity(arn)}

    def _must_be_alone(self, chosen: set[str]) -> None:
        """A principal that another suspect names too is not released by a verdict on this one."""
        for data in self._known:
            if identity(data["arn"]) in chosen and data["suspect"] and data["suspect"] not in self.order.only:
                raise EvictError(
                    f"{data['arn']} is also what suspect {data['suspect']} stands for", object=data["arn"], operation="release",
                    remedy=f"judge both: -e only={','.join([*self.order.only, data['suspect']])}",
                )  # fmt: skip

    def _is_of(self, step: Step, chosen: set[str]) -> bool:
        """Whether it was done to the chosen; for a false positive also what they had changed elsewhere, unless that is somebody who is contained still."""
        key = identity(step.principal)
        return key in chosen or (self.order.false_positive and key not in self._contained and set() < self._changed_by(step) <= chosen)

    def _changed_by(self, step: Step) -> set[str]:
        """Identities whose changes a Step put back, as far as they were noted."""
        return {n["data"]["by"] for n in self.case.notes(put_back.NOTE) if n["data"]["step"] == step.id}

    def _name_unclear(self, rest: Iterable[tuple[Step, Step]], chosen: set[str] | None) -> None:
        """What a verdict on some suspects leaves of what was done to bystanders because of them, or of nobody knows whom."""
        for first, latest in rest if chosen is not None and self.order.false_positive else ():
            by, bystander = self._changed_by(latest), identity(latest.principal) not in self._contained
            if put_back.is_held(latest) and by <= (chosen or set()) and (by or bystander):
                why = "a suspect had changed it, and the ledger does not say which" if bystander else "whose it is stays contained"
            elif bystander and self._purpose(latest) in ("session", "userid"):
                why = "it denies sessions of suspects, and the ledger does not say of which"
            else:
                continue
            why += ": look at it, and give it back by hand"
            if verdict := restore.judge(first, latest, Reader(self.runner.clouds), lambda _step, why=why: ("unknown", why, None)):  # type: ignore[misc]
                self.rows.append(verdict)

    def _note_verdict(self) -> None:
        if not self.order.false_positive:
            return
        for suspect in self.order.only:
            data = {"suspect": suspect, "verdict": "false_positive", "reason": self.order.reason, "by": self.order.by}
            if not self.runner.check and data not in [n["data"] for n in self.case.notes("verdict")]:
                self.case.note("verdict", data)

    def _release(self, principal: str, changes: list[tuple[Step, Step]]) -> None:
        """Session denies first (they are looked at, and mostly stay), then credentials, the fence last."""
        cutoff = [s for _f, s in changes if self._purpose(s) == "session"]
        fences = [s for _f, s in changes if self._purpose(s) == "quarantine" and not s.expires]

        def make(phases: Iterable[Phase]) -> t.Callable[[Reader], list[Step]]:
            return lambda reader: self._steps([c for c in changes if c[1].phase in phases], cutoff, reader)

        def renew(reader: Reader) -> list[Step]:
            wanted = kind_of(principal) == "role" and not self.order.false_positive and self._lifts(fences, cutoff, reader)
            return [self._renewed(cutoff[0], reader)] if wanted else []

        account = changes[0][1].target.account
        # Reverse of containment: the fence (FENCE) is lifted when all else of the principal has come back.
        jobs = [
            Job(Phase.FENCE, make([Phase.SESSION])),
            Job(Phase.SESSION, renew),
            Job(Phase.CREDENTIAL, make([Phase.CREDENTIAL])),
            Job(Phase.RESOURCE, make([Phase.RESOURCE, Phase.FENCE])),
        ]
        self.runner.add(principal, account, jobs)

    def _steps(self, changes: list[tuple[Step, Step]], cutoff: list[Step], reader: Reader) -> list[Step]:
        steps: list[Step] = []
        standing = {latest.id for _first, latest in self._standing if latest.principal == changes[0][1].principal} if changes else set()
        for first, latest in sorted(changes, key=lambda pair: pair[1].id.endswith("#role")):  # a canary goes after its policy
            if people_release.ours(latest):
                continue
            if self.order.purposes and self._purpose(latest) not in self.order.purposes:
                continue
            verdict = shared_release.verdict(first, latest, standing, self.case.incident.id, reader, lambda step: self._kept(step, cutoff))
            if verdict and verdict.step:
                needs = tuple(s.id for s in steps) if latest.principal.rpartition("/")[2].startswith(canary.PREFIX) else ()
                steps.append(dataclasses.replace(verdict.step, needs=needs, optional=False))  # on the way out nothing takes its place
            if verdict and verdict.kind:
                self.rows.append(verdict)
        return steps

    def _purpose(self, step: Step) -> str:
        """Which of our inline policies a Step writes; "" for anything else."""
        for purpose in ("quarantine", "session", "userid"):
            if step.id.endswith(f"#policy/{self.case.incident.policy_name(purpose)}"):
                return purpose
        if step.id.endswith(f"#tag/{standing_fence.TAG}"):
            return "account"
        return "quarantine" if step.id.endswith(_DENY_ALL) else ""

    def _kept(self, step: Step, cutoff: list[Step]) -> tuple[str, str, str | None] | None:
        if "#rotation/" in step.id:
            return "kept", "rotated: a release takes no new credential away", None
        if self.order.false_positive:
            return None
        if step.id.endswith(f"#policy/{self.case.incident.policy_name('bridge')}"):
            return "kept", "behind it the old key is still alive: the rotation takes it away when that is off", None
        if away := people_release.kept(self, step):
            return away
        if put_back.is_held(step):
            if step.action == put_back.ACTION and not self._changed_by(step):
                return (
                    "kept",
                    "it was put back, and the ledger does not say that a suspect had changed it: if it was yours, do it again",
                    None,
                )
            return "kept", "a suspect had changed it, and it was put back", None
        if clocks.CLOCK in step.id and step.undo:  # what may be the owner's is not worth what it deletes if it is not
            return "kept", clocks.PERHAPS if step.action == clocks.CARRIED else clocks.KEPT, None
        if any(d["whole"] and d["source"] and identity(d["arn"]) == identity(step.principal) for d in self._known):
            what = "started this" if step.principal.split(":")[2] != "iam" else "created this identity"
            return "kept", f"the suspect {what}: delete it, or name it under -e only=… -e verdict=false_positive", None
        if (kept := credentials.id_of(step)) and not step.irreversible and replaced(self.case, step.principal, kept):
            return "kept", "it was replaced: its owner has another one", None
        if credentials.id_of(step) and not step.irreversible and self._compromised(step):
            return "kept", "named as compromised: it stays inactive; create a new one", None
        due = self._due(step, cutoff)
        if due and self.aws.now() < parse(due):
            return "due", "lifting it earlier would revive sessions that it holds back", due
        if self._purpose(step) == "quarantine" and not step.expires:
            return self._needs_cutoff(step, cutoff)
        if self._purpose(step) == "account" and not (self.order.purposes and self._inline_stands(step.principal)):
            return self._needs_cutoff(step, cutoff)
        return None

    @staticmethod
    def _due(step: Step, cutoff: list[Step]) -> str:
        """When it may go; an access entry not before its principal's cutoff, which may have been moved since: a session that it denies opens the cluster."""
        entry = cutoff if step.id.startswith(f"{step.principal}#eks/") else []
        return max([step.expires or "", *(session.expires or "" for session in entry)])

    def _inline_stands(self, arn: str) -> bool:
        entry = self.case.history.get(f"{arn}#policy/{self.case.incident.policy_name('quarantine')}")
        step = plan.decode(entry["step"]) if entry and entry.get("step") else None
        return bool(step and step.probe and Reader(self.runner.clouds).read(step.probe) is not None)

    def _lifts(self, fences: list[Step], cutoff: list[Step], reader: Reader) -> bool:
        """Whether this run is going to lift a full deny behind which sessions may have been minted since the cutoff."""
        if not cutoff or (self.order.purposes and "quarantine" not in self.order.purposes):
            return False
        return any(s.probe and reader.read(s.probe) == s.after and not self._kept(s, cutoff) for s in fences)

    def _renewed(self, session: Step, reader: Reader) -> Step:
        """The cutoff moved to now: a denied role can still be assumed, and those sessions must not wake up when the deny goes."""
        kept = policy.cutoff_of(session.after)
        longest = parse(session.expires) - parse(kept) if session.expires else datetime.timedelta(hours=12)
        now = (self.aws.now() + datetime.timedelta(seconds=1)).replace(microsecond=0)
        after = policy.deny_older(self.case.incident.sid, iso(now))
        name = self.case.incident.policy_name("session")
        _probe, put, _delete = policy.inline("role", session.principal.rsplit("/", 1)[-1], name, session.target)
        before = reader.read(session.probe) if session.probe else None
        action = f"deny sessions issued before {iso(now)}, since the deny is lifted"
        return dataclasses.replace(session, before=before, after=after, do=(put(after),), action=action, expires=iso(now + longest))

    def _needs_cutoff(self, step: Step, cutoff: list[Step]) -> tuple[str, str, str | None] | None:
        """A full deny goes only when a read has just shown the session cutoff that takes its place."""
        fresh = Reader(self.runner.clouds)
        for session in cutoff:
            if session.probe and policy.cutoff_of(fresh.read(session.probe)) >= policy.cutoff_of(session.after):
                return None
        past = self.case.history.get(f"{step.principal}#policy/{self.case.incident.policy_name('session')}")
        latest = plan.decode(past["step"]) if past and past.get("step") else None
        over = (latest.expires if latest else "") or self._outlived(step)
        if over and self.aws.now() >= parse(over):
            return None  # the cutoff, or what stood in its place, has done its work: every session that it held back has run out
        why = "the session cutoff is not in place, so sessions of the attacker would come back; run contain again first"
        return ("due", f"{why}, or release again when the last of them has run out", over) if over else ("kept", why, None)

    def _outlived(self, step: Step) -> str:
        """Of AWSDenyAll, when the last session has run out that there was as it was given; "" for anything else.

        It may be on a role that has no space for a cutoff, or that was to be clamped, which no run gives one: waited for, it would never go.
        """
        if not step.id.endswith(_DENY_ALL):
            return ""
        return iso(parse(self.case.history[step.id]["intent_at"]) + quarantine.lasts(kind_of(step.principal)))

    def _compromised(self, step: Step) -> bool:
        keys, identities = self.case.compromised()
        return credentials.id_of(step) in keys or identity(step.principal) in identities

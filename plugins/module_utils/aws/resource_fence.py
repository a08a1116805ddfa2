# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fence on sensitive resources, for a run: what the incident declares, and what the suspects' own calls name, denies the contained by its own policy.

It says no more than the fences of the identities do, so that whoever shares a role with a suspect loses nothing. What cannot or must not be changed is
named, with the next best control, and stops nothing.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import threading
import typing as t
from collections.abc import Iterable, Iterator

from ..common import edits, plan, restore
from ..common import resources as forms
from ..common.chain import Job
from ..common.errors import CloudError, EvictError
from ..common.guard import identity
from ..common.plan import Edit, Phase, Probe, Step, Target
from ..common.reader import Reader
from ..common.run import STANDS
from . import everybody, live, quarantine, resource_policy, resources, responders
from . import service_control as scp
from .resource_touched import Touched, touched
from .resources import Gone, Resource, Unfenceable, bucket
from .service_control import Exempt, Held
from .session import iso

if t.TYPE_CHECKING:
    from .account_fence import AccountFences
    from .principal import Principal
    from .respond import Response
    from .scope import Scope

PREFIX = "resource:"
NEXT = "the contained are held by their own denies, and by the policies above the account where there are any"
_DENIED = ("AccessDenied", "AccessDeniedException")
_HANDS = {
    "kms": "let a principal that its policy names change it, then run again",
    "lambda": "take the function's URL and triggers off, if it must not run",
}


class ResourceFences:
    """One run's. ``rows``: one for each resource that was looked at: {object, resource, state, why, remedy, public}.

    ``spared``: {ARN: why} of contained identities that no resource denies.
    """

    def __init__(self, run: Response, fences: AccountFences, scope: Scope | None = None) -> None:
        self.run, self.fences, self.incident, self.scope = run, fences, run.incident, scope
        self.spared: dict[str, str] = {}
        self._rows: dict[str, dict[str, t.Any]] = {}
        self._public: dict[
            str, tuple[str, bool]
        ] = {}  # of buckets that a suspect may have opened: (in words, whether a person has to look)
        self._taken: set[str] = set()
        self._exempts: dict[str, Exempt] = {}
        self._responders: dict[str, list[str]] = {}
        self._lock = threading.RLock()

    # -- which -------------------------------------------------------------------------------------------------------------------

    def fence(self, only: Iterable[str] | None = None, *, later: bool = False) -> None:
        """Fence them all; returns when it is done. ``only``: these ARNs and no others; ``later``: leave alone what has been released."""
        chosen = self._chosen(only, later)
        held = self._held() if chosen else []
        if chosen and not held and not later:
            self._nobody(chosen)
        for one in chosen if held else ():
            principal = f"{PREFIX}{one.kind.SERVICE}:{one.target.account}:{one.target.region}:{one.name}"
            self.run.runner.add(principal, one.target.account, [Job(Phase.RESOURCE, lambda r, one=one: self._plan(one, held, r))])  # type: ignore[misc]
        self.run.runner.wait()

    def _nobody(self, chosen: Iterable[Touched]) -> None:
        """What was asked for is never passed over silently."""
        people = bool(getattr(self.run, "people", None) and self.run.people.principals())
        why = "nobody is contained whom its policy could deny" + (
            ": people of Identity Center and root users are held above their accounts alone" if people else ""
        )
        for one in chosen:
            if one.declared:
                self._row(one.name, one.name, "left", why, "look at its own policy and at what they did with it")

    def _chosen(self, only: Iterable[str] | None, later: bool) -> list[Touched]:
        wanted: dict[t.Any, Touched] = {}
        for arn in only if only is not None else self.incident.resources.fence:
            if (why := forms.problem(arn)) or not (named := forms.parse(arn)):
                self._row(arn, arn, "refused", why, "")
                continue
            for target in self._places(named):
                one = Touched(resources.KINDS[named.service], target, arn, "declared", declared=True)
                wanted[one.key] = one
        seen = self._seen() if only is None or self.scope else []
        for one in seen:
            if one.key in wanted:
                wanted[one.key].by |= one.by
                wanted[one.key].opened += one.opened
                wanted[one.key].loosened |= one.loosened
        if only is not None:
            return list(wanted.values())
        for one in self._standing():
            if one.key not in wanted:
                same_one = next((s for s in seen if s.key == one.key), one)
                wanted[one.key] = dataclasses.replace(one, opened=same_one.opened, loosened=same_one.loosened)
        room = self.incident.limits["resources"] - sum(not w.declared for w in wanted.values())
        released = self._released() if later else set()
        known = {*everybody.accounts(self.run), *(w.target.account for w in wanted.values())}
        for one in seen if self.incident.resources.discover == "touched" else ():
            if one.key in wanted:
                continue
            if one.target.account not in known:  # a suspect may name whatever account it likes
                why = f"{one.how}; account {one.target.account} is none of this incident's"
                self._row(one.name, one.name, "left", why, "look at it and name it under incident.resources.fence")
            elif one.key in released:
                self._row(one.name, one.name, "left", "it was released since it was fenced, so this look leaves it alone", "")
            elif room > 0:
                wanted[one.key], room = one, room - 1
            else:
                limit = f"this run has already added {self.incident.limits['resources']} resources (incident.limits.resources)"
                self._row(one.name, one.name, "left", f"{one.how}; {limit}", "look at it and name it under incident.resources.fence")
        return list(wanted.values())

    def _places(self, named: forms.Named) -> list[Target]:
        """Where it is asked for. A bucket's ARN does not say whose it is, so with several accounts each is asked, by name."""
        if named.service != "s3":
            if self._share and named.account != self._share:
                self._row(named.arn, named.arn, "left", f"it is not in account {self._share}, whose share this is", "")
                return []
            return [Target("aws", named.account, named.region)]
        accounts = [self._share] if self._share else everybody.accounts(self.run)
        accounts = accounts or [self.run.aws.caller["account"]]
        if len(accounts) == 1 and not self._share:
            return [Target("aws", accounts[0])]
        for account in accounts:
            probe = bucket.access(bucket.resolve(Target("aws", account), named.arn, named.partition, Reader(self.run.runner.clouds)))
            try:
                Reader(self.run.runner.clouds).read(probe)
                return [Target("aws", account)]
            except CloudError as error:
                if error.code in bucket.GONE:
                    return [Target("aws", account)]
            except EvictError:
                continue
        if self._share:
            self._row(named.arn, named.arn, "left", f"account {self._share}, whose share this is, does not own it", "")
            return []
        self._row(
            named.arn, named.arn, "unknown", f"none of the accounts {', '.join(accounts)} owns it, or lets the responder see it", NEXT
        )
        return []

    def _seen(self) -> list[Touched]:
        if self.scope is None:
            return []
        who = everybody.suspects(self.run)

        def caller(event: live.kind.Event) -> str:
            found = who.caller(event)
            return found.arn if found else "a suspect"

        end = self.incident.window.end
        return [one for one in touched(list(self.scope.kept), caller, iso(end) if end else "") if self._mine(one)]

    @property
    def _share(self) -> str:
        """The account that is handled, when hosts contain side by side: each its own, so that no two write one policy."""
        return str(getattr(self.run, "share", ""))

    def _mine(self, one: Touched) -> bool:
        return not self._share or one.target.account == self._share

    def _standing(self) -> list[Touched]:
        """What this case has fenced and not released: it is looked at again, whether or not the log still names it."""
        standing = [latest for _first, latest in restore.standing(self.run.case.history)]
        found = [self._of(step) for step in standing if step.id.startswith(PREFIX) and step.id.endswith("#policy")]
        return [one for one in found if self._mine(one)]

    def _released(self) -> set[t.Any]:
        standing = {one.key for one in self._standing()}
        fenced = [
            plan.decode(e["step"])
            for n, e in self.run.case.history.items()
            if n.startswith(PREFIX) and n.endswith("#policy") and e.get("made") and e.get("step")
        ]
        return {one.key for one in map(self._of, fenced)} - standing

    @staticmethod
    def _of(step: Step) -> Touched:
        arn = step.id.removeprefix(PREFIX).removesuffix("#policy")
        return Touched(resources.KINDS[arn.split(":")[2]], step.target, arn, "fenced before")

    # -- whom --------------------------------------------------------------------------------------------------------------------

    def _held(self) -> list[Held]:
        """What the identities' own fences say, of all but those whom nothing may deny."""
        found = []
        principals = list(self.run.principals.values())
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self._exempt, {p.account for p in principals}))
        for principal in principals:
            mine = self.fences.of(principal)
            if mine and (why := self._spare(principal)):
                with self._lock:
                    self.spared[principal.arn] = why
            else:
                found += mine
        return scp.merge([], found)

    def _spare(self, principal: Principal) -> str:
        """Why no resource denies it; "" when nothing speaks for that."""
        exempt = {identity(arn) for arn in self._exempt(principal.account).arns}
        if identity(principal.arn) in exempt:
            return "the response stands on it, or the incident protects it"
        kept = quarantine.needed_by(principal) if principal.kind == "role" else []
        return f"{', '.join(kept)} needs it: logs, backups or replication would stop under a deny" if kept else ""

    def _exempt(self, account: str) -> Exempt:
        found = self._exempts.get(account)
        if found is None:
            found = self._exempts[account] = responders.exempt(self.run.aws, self.run.case, account)
        return found

    def _responder(self, account: str) -> list[str]:
        found = self._responders.get(account)
        if found is None:
            found = self._responders[account] = responders.exact(self.run.aws, self.run.aws.responder_arn(account))
        return found

    def _federated(self, held: Iterable[Held]) -> Exempt:
        """The declared federation sessions of the accounts of ``held``."""
        accounts = sorted({h.arn.split(":")[4] for h in held})
        return Exempt(federated=tuple(arn for account in accounts for arn in self._exempt(account).federated))

    # -- one resource ------------------------------------------------------------------------------------------------------------

    def _plan(self, asked: Touched, held: list[Held], reader: Reader) -> list[Step]:
        try:
            one = asked.kind.resolve(asked.target, asked.name, self.run.aws.partition, reader)
            with self._lock:
                if one.arn in self._taken:
                    return []
                self._taken.add(one.arn)
            if one.arn in self.incident.resources.exempt or asked.name in self.incident.resources.exempt:
                self._row(one.arn, one.text, "exempt", "the incident file exempts it", "")
                return []
            steps = list(fence(self, asked, one, held, reader))
            self._row(one.arn, one.text, "fenced", asked.how, "", step=steps[0].id)
            return steps
        except Gone as error:
            self._row(asked.name, error.object, "gone", error.message, "")
        except Unfenceable as error:
            self._row(error.object or asked.name, asked.name, "refused", error.message, self._next_best(asked))
        except EvictError as error:
            if isinstance(error, CloudError) and error.code in asked.kind.GONE:
                self._row(asked.name, asked.name, "gone", f"{asked.kind.NOUN} {asked.name} is not there any more", "")
            elif isinstance(error, CloudError) and error.code in _DENIED and asked.kind.NEEDS_ALLOW:
                why = f"its policy, or the responder's, does not even let the responder read it: {error.message}"
                self._row(asked.name, asked.name, "refused", why, self._next_best(asked))
            else:
                self._row(asked.name, asked.name, "unknown", error.message, "; ".join(filter(None, (error.remedy, NEXT))))
        return []

    @staticmethod
    def _next_best(asked: Touched) -> str:
        return "; ".join(filter(None, (NEXT, _HANDS.get(asked.kind.SERVICE, "look at its policy by hand, then run again"))))

    def steps(self, asked: Touched, one: Resource, held: list[Held], reader: Reader) -> Iterator[Step]:
        """The deny in its policy, proven to be reversible; then, for a bucket that a suspect opened, Block Public Access. Raises ``Unfenceable``."""
        probe, _write = asked.kind.document(one.target, one.document)
        policy = reader.read(probe)
        resource_policy.whole(policy, one)
        before, after, sids = self._wanted(asked, one, policy, held)
        changed = edits.set_statements(policy, sids, after)
        account = one.target.account
        responder = self._responder(account)
        protected = [a for a in self.incident.protected if re.match(rf"arn:[\w-]+:iam::{account}:(?:user|role)/", a)]
        if after != before:
            resource_policy.safe(policy, changed, asked.kind, one, responder, protected)
        said = plan.dig(reader.get(probe.call), asked.kind.TEXT) if policy is not None else ""
        where = f"{PREFIX}{one.arn}"
        yield Step(
            id=f"{where}#policy", principal=where, resource=f"{one.text} policy", phase=Phase.RESOURCE, before=before or self._none(policy), after=after,
            action=f"deny {', '.join(sorted({h.arn for h in resource_policy.members(after, self.incident.sid)}))}", probe=seen(probe, sids),
            do=(Edit(one.target, one.document, "set_statements", {"sids": sids, "statements": after}),),
            undo=(Edit(one.target, one.document, "restore_statements", {"sids": sids, "statements": before, "text": said or ""}),),
        )  # fmt: skip
        if asked.kind.SERVICE == bucket.SERVICE and asked.opened:
            yield from self._close(asked, one, policy, reader)

    @staticmethod
    def _none(policy: t.Any) -> t.Any:
        """What a probe sees of our statements where there are none: no policy at all, or a policy without them."""
        return None if policy is None else []

    def _wanted(
        self, asked: Touched, one: Resource, policy: t.Any, held: list[Held]
    ) -> tuple[list[scp.Statement], list[scp.Statement], list[str]]:
        """(our statements that are there, those that are wanted, the Sids of both). Where not all fit, those of its account and who touched it."""
        sid = self.incident.sid
        before = scp.ours(policy, sid)
        why = ""
        for choice in (held, [h for h in held if h.arn.split(":")[4] == one.target.account or h.arn in {scp.pattern(a) for a in asked.by}]):
            everybody = scp.merge(resource_policy.members(before, sid), choice)
            after = resource_policy.statements(sid, everybody, self._federated(everybody), asked.kind, one)
            after = before if same(before, after) else after
            sids = sorted({str(s.get("Sid")) for s in (*before, *after)})
            if choice and not (why := resource_policy.fits(edits.set_statements(policy, sids, after) or {}, asked.kind, one)):
                return before, after, sids
        raise Unfenceable(why, object=one.arn, operation="fence")

    def _mine_already(self) -> set[str]:
        """Ids of what this case has done and not undone."""
        return {latest.id for _first, latest in restore.standing(self.run.case.history)}

    def _close(self, asked: Touched, one: Resource, policy: t.Any, reader: Reader) -> Iterator[Step]:
        """The policy first: with Block Public Access before it, AWS would refuse to write one that is public."""
        calls = ", ".join(dict.fromkeys(asked.opened))
        said, by_hand, steps = f"not public ({calls} by a suspect)", False, []
        try:
            if by := bucket.opened(one, reader):
                if serving := bucket.serves(one, policy, reader):
                    said, by_hand = f"left public by its {by} ({calls} by a suspect), since {serving}: look at it by hand", True
                elif not (asked.loosened or f"{PREFIX}{one.arn}#public" in self._mine_already()):
                    said = f"public by its {by}, which a suspect wrote ({calls}) or carried along as it was: left so, look at it by hand"
                    by_hand = True
                else:
                    said, steps = f"closed: its {by} had made it public ({calls} by a suspect)", list(bucket.block(one, by, reader))
        except EvictError as error:
            said, by_hand = f"not known whether it is public ({calls} by a suspect): {error.message}", True
        with self._lock:
            self._public[one.arn] = (said, by_hand)
        for step in steps:
            yield dataclasses.replace(step, needs=(f"{PREFIX}{one.arn}#policy",))

    # -- what came of it ---------------------------------------------------------------------------------------------------------

    def _row(self, arn: str, text: str, state: str, why: str, remedy: str, step: str = "") -> None:
        with self._lock:
            row = {"object": arn, "resource": text, "state": state, "why": why, "remedy": remedy, "step": step}
            self._rows[arn] = {**self._rows.get(arn, {}), **row}

    def rows(self) -> list[dict[str, t.Any]]:
        """state: fenced | would be fenced | failed | exempt | refused | gone | unknown | left."""
        rows = []
        for row in self._rows.values():
            done = self.run.runner.done.get(row.get("step", ""))
            shown = {**{k: v for k, v in row.items() if k != "step"}, "public": self._opened(row["object"])[0]}
            if row["state"] == "fenced" and done and done.status not in STANDS:
                shown |= {"state": "failed", "why": done.message, "remedy": "; ".join(filter(None, (done.remedy, NEXT)))}
            elif row["state"] == "fenced" and done and done.status == "would":
                shown["state"] = "would be fenced"
            rows.append(shown)
        rows += [
            {"object": arn, "resource": arn, "state": "spared", "why": why, "remedy": NEXT, "public": ""}
            for arn, why in self.spared.items()
        ]
        return sorted(rows, key=lambda r: (r["state"], r["object"]))

    def failures(self) -> list[dict[str, str]]:
        """As entries of ``failed``: what was asked for by name and could not be fenced."""
        rows = [row for row in self._rows.values() if row["state"] in ("refused", "unknown")]
        return [{"object": r["object"], "operation": "fence", "message": r["why"], "remedy": r["remedy"]} for r in rows]

    def _opened(self, arn: str) -> tuple[str, bool]:
        """(what became of a bucket that a suspect may have opened, whether a person has to look): closed it is only when the Step says so."""
        said, by_hand = self._public.get(arn, ("", False))
        if not said.startswith("closed"):
            return said, by_hand
        done = self.run.runner.done.get(f"{PREFIX}{arn}#public")
        if done is None or done.status not in STANDS:
            why = (done.message or done.status) if done else "it was not tried"
            return f"not {said}; Block Public Access failed: {why}", True
        return (f"would be {said}" if done.status == "would" else said), by_hand

    def by_hand(self) -> list[dict[str, t.Any]]:
        """Buckets at which a person has to look."""
        found = {arn: self._opened(arn) for arn in self._public}
        return [{"object": arn, "why": said, "due": None} for arn, (said, by_hand) in found.items() if by_hand]

    def open_items(self) -> list[dict[str, t.Any]]:
        """What a person has to look at; a write that failed stands under ``failed``."""
        items = []
        for row in self._rows.values():
            if row["state"] in ("refused", "unknown") or (row["state"] == "left" and row["remedy"]):
                items.append(
                    {"object": row["object"], "why": "; ".join(filter(None, (f"not fenced: {row['why']}", row["remedy"]))), "due": None}
                )
        return sorted(items + self.by_hand(), key=lambda i: str(i["object"]))


def fence(wanted: ResourceFences, asked: Touched, one: Resource, held: list[Held], reader: Reader) -> Iterator[Step]:
    """The Steps that deny ``held`` in the policy of one resource. Raises ``Unfenceable``."""
    yield from wanted.steps(asked, one, held, reader)


def seen(probe: Probe, sids: Iterable[str]) -> Probe:
    """The probe that sees the statements with these Sids only."""
    return dataclasses.replace(probe, path=(*probe.path, "Statement", [{"Sid": sid} for sid in sids]))


def same(some: Iterable[scp.Statement], others: Iterable[scp.Statement]) -> bool:
    """Whether they are the same statements, in whatever order."""

    def by_sid(statement: t.Any) -> str:
        return str(statement.get("Sid"))

    return sorted(some, key=by_sid) == sorted(others, key=by_sid)

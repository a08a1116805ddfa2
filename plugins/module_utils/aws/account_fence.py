# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fences beside the identity fence, for a whole run: service control policies, and what takes their place where there can be none.

One SCP for all contained principals of an account, made when those that were named are fenced, and extended by what is found later. It never delays an
identity's own fence, and that it cannot be had never fails a containment: then AWSDenyAll is attached, and the result says why.
"""

from __future__ import annotations

import dataclasses
import threading
import typing as t
from collections.abc import Iterable

from ..common import plan, restore
from ..common.chain import Job
from ..common.edits import Overtaken
from ..common.plan import Step
from ..common.reader import Reader
from ..common.run import STANDS, Done
from . import fence_words, organization, policy, resource_control
from . import service_control as scp
from .beside import Beside
from .next_best import NextBest
from .organization import AccountFence, Form, Unavailable
from .principal import Principal
from .refusals import LASTING, Refusals
from .responders import declared, exempt, note_responder, protecting
from .service_control import Exempt, Held
from .tag_fence import BESIDE, CONTROL, TagFences

if t.TYPE_CHECKING:
    from .respond import Response

_RIVALS = 4  # so often another run may be faster
ID_NOTE = "user_id"  # {"id", "arn"} of a user that is fenced


class AccountFences:
    """One run's. ``controls``: what holds a principal beside its inline policies. For the result: see ``fence_words``."""

    def __init__(self, run: Response, form: str = "on_the_spot", *, again: bool = False, back_up: bool = True) -> None:
        self.back_up = back_up  # whether something else is put in the place of an SCP that cannot be had
        self.run, self.form, self.runner, self.incident = run, form, run.runner, run.incident
        self.refusals, self.next_best = Refusals(run, again=again), NextBest(run, self._whole)
        self._lock = threading.RLock()
        self._open: dict[str, int] = {}
        self._unfenced: dict[str, set[str]] = {}
        self._due: set[str] = set()  # accounts that are to be fenced as soon as nothing is open in them; each once, of many it adds up
        self._wanted: dict[str, list[Held]] = {}
        self._fences: dict[Form, dict[str, AccountFence]] = {organization.SCP: {}, organization.RCP: {}}  # {account: what is planned of it}
        self._why: dict[Form, dict[str, Unavailable]] = {organization.SCP: {}, organization.RCP: {}}
        self._looked_at: set[tuple[str, str]] = set()  # (id of a Step that wrote into a policy, when) that was looked at again
        self._rivals: dict[str, int] = {}  # account -> how often another run was faster
        self._until = ""  # for how long nobody else may write in IAM
        self.beside = Beside(run)
        self.frozen = False
        self.frozen_in: set[str] = set()  # accounts in which that has stood
        self.tags = (
            TagFences(run, again=again, alone=lambda account: not self._made(account), lost=self._distrusted)
            if form == "pre_deployed"
            else None
        )
        self._tagging: dict[str, int] = {}  # account -> tags that are being set
        self.recovered: list[str] = []  # as Runner.recover says it
        self._organization = Reader(self.runner.clouds)  # what is the same for all accounts is asked once
        told = [n["data"] for n in run.case.notes("organization_limits")][-1:] if not again else []
        self._limits = scp.Limits(**told[0]) if told else scp.Limits()
        self._busy: dict[str, bool] = {}  # account -> whether more is wanted meanwhile: one plan at a time writes its policies

    # -- when ------------------------------------------------------------------------------------------------------------------

    def expect(self, suspects: Iterable[t.Any]) -> None:
        with self._lock:
            for suspect in suspects:
                self._open[suspect.account or ""] = self._open.get(suspect.account or "", 0) + 1

    def taken(self, suspect: t.Any) -> None:
        with self._lock:
            self._open[suspect.account or ""] -= 1
        self._look()

    def started(self, principal: Principal) -> Job:
        """To be queued behind the principal's fence."""
        with self._lock:
            self._unfenced.setdefault(principal.account, set()).add(principal.arn)
        return Job(BESIDE, lambda reader: self._fenced(principal, reader))

    def _fenced(self, principal: Principal, _reader: Reader) -> list[Step]:
        with self._lock:
            self._unfenced[principal.account].discard(principal.arn)
            self._due.add(principal.account)
        if self.next_best.inline_full(principal):
            self.next_best.give(principal)
        self._tag([principal])
        self._look()
        return []

    def _tag(self, principals: Iterable[Principal]) -> None:
        """The tag of the standing fence, where that is asked for. Whether it holds decides what else the account gets, so that waits for it."""
        tags, wanted = self.tags, [p for p in principals if self.tags and self._whole(p)]
        with self._lock:
            for principal in wanted:
                self._tagging[principal.account] = self._tagging.get(principal.account, 0) + 1
        for principal in wanted:
            job = Job(BESIDE, lambda r, p=principal: list(tags.steps(p, r)) if tags else [])  # type: ignore[misc]
            self.runner.add(principal.arn, principal.account, [job], lambda _r, p=principal: self._tagged(p))  # type: ignore[misc]

    def _tagged(self, principal: Principal) -> None:
        account = principal.account
        with self._lock:
            self._tagging[account] -= 1
            ready = not self._unfenced.get(account) and not self._open.get(account)
        if ready:
            self.fence(account)

    def _whole(self, principal: Principal) -> bool:
        """Whether it is denied everything, whatever the request."""
        return not principal.only and any(not h.condition for h in self.of(principal))

    def _look(self) -> None:
        """Whatever account has all of its suspects fenced is fenced now; one that is slow delays no other, and one of unknown account nobody."""
        with self._lock:
            ready = [a for a in sorted(self._due) if not self._unfenced.get(a) and not self._open.get(a)]
            self._due -= {*ready}
        for account in ready:
            self.fence(account)

    def also(self, accounts: Iterable[str]) -> None:
        """Accounts that are to be fenced although no identity in them is: for people, and root users."""
        with self._lock:
            self._due |= {*accounts}

    def renew(self, *, again: bool = False) -> None:
        """Again for all accounts: what was found since, and cutoffs that have moved. ``again``: look at what stands, too."""
        if again:
            with self._lock:
                self._wanted.clear()
            self.next_best.again()
            self._organization = Reader(self.runner.clouds)
        if tags := self.tags:
            self._tag([p for p in list(self.run.principals.values()) if again or tags.id(p) not in self.runner.done])
        for account in sorted(
            {p.account for p in self.run.principals.values()} | (self.run.people.accounts() if self.run.people else set())
        ):
            self.fence(account)

    def freeze(self, until: str) -> None:
        """Until then (RFC 3339; "": everybody again) nobody but the responder and declared automations writes in the IAM of the fenced accounts.

        Who makes identities faster than they can be fenced is stopped by that alone. Says nothing where there is no service control policy.
        """
        self._until = until
        self.frozen = self.frozen or bool(until)
        if not until:
            self.beside.thaw()
        self.renew(again=True)
        self.runner.wait()

    # -- the fence -------------------------------------------------------------------------------------------------------------

    def _held(self, account: str) -> list[Held]:
        held = [held for p in list(self.run.principals.values()) if p.account == account for held in self.of(p)]
        held += [Held(user.id) for user in self._by_id(account)]
        own = sorted(arn for arn in list(self.run.own_in_wrong_hands) if arn.split(":")[4] == account)
        people = self.run.people.held(account) if self.run.people else []
        return held + [held for arn in own for held in self._conditions(arn)] + people

    def _by_id(self, account: str) -> list[Principal]:
        """Users that are denied everything, whom the fence names by their ids as well."""
        return [p for p in list(self.run.principals.values()) if p.account == account and p.kind == "user" and p.id and self._whole(p)]

    def _note_ids(self, account: str) -> None:
        """An id does not say whose it is, and a release has to know."""
        noted = {n["data"]["id"]: n["data"]["arn"] for n in self.run.case.notes(ID_NOTE)}
        for user in self._by_id(account):
            if not self.runner.check and noted.get(user.id) != user.arn:
                self.run.case.note(ID_NOTE, {"id": user.id, "arn": user.arn})

    def of(self, principal: Principal) -> list[Held]:
        """What the incident's inline denies say of the principal. A containment denies a user everything even if its own policy could not be written."""
        found = [Held(principal.arn)] if principal.kind == "user" and not principal.only and not self.run.spares(principal) else []
        return scp.merge([], [*found, *self._conditions(principal.arn)])

    def _conditions(self, arn: str) -> list[Held]:
        found = []
        for purpose in policy.PURPOSES:
            done = self.runner.done.get(f"{arn}#policy/{self.incident.policy_name(purpose)}")
            if done and done.step.after is not None:
                found.append(Held(arn, done.step.after["Statement"][0].get("Condition", {})))
        return found

    def fence(self, account: str) -> None:
        held = self._held(account)
        with self._lock:
            if self.form == "none" or not held or self._tagging.get(account) or self._wanted.get(account) == held:
                return
            if account in self._busy:
                self._busy[account] = True
                return
            self._busy[account], self._wanted[account] = False, held
        self._note_ids(account)
        if (
            self.tags
            and not self.frozen
            and self.tags.trusted(account)
            and not any(h.condition for h in held)
            and not self._made(account)
            and self._tags_hold(account)
        ):  # the standing fence holds them all, of whom it knows; what they reach from elsewhere it does not
            self._fence_resources(account, held)
            return
        fence = AccountFence(
            self.incident,
            account,
            Exempt(),
            self._ours,
            self._organization,
            self._limits,
            others=lambda r: self._exempt(account, r, anew=True),
        )
        self.runner.add(fence.principal, account, [Job(BESIDE, lambda r: self._plan(fence, held, r))], lambda _r: self._after(fence, held))

    def _tags_hold(self, account: str) -> bool:
        """Whether the tag stands on all that are denied everything."""
        mine = [p for p in list(self.run.principals.values()) if p.account == account and self._whole(p)]
        done = [self.runner.done.get(self.tags.id(p)) for p in mine] if self.tags else []
        return all(d is not None and d.status in STANDS for d in done)

    def _made(self, account: str) -> bool:
        """Whether this case has written a service control policy for the account before."""
        mine = organization.SCP.step_id(account, "")
        return any(name.startswith(mine) and known.get("made") for name, known in self.run.case.history.items())

    def _known(self, step: str) -> str | None:
        found = plan.dig(self.runner.answers.get(step), organization.ID)
        return str(found) if found else None

    def _ours(self, step: str) -> str | None:
        """The same, also of what a run beside has made since this one began."""
        return self._known(step) or self.beside.made(step)

    def _plan(self, fence: AccountFence, held: list[Held], reader: Reader) -> list[Step]:
        account, form = fence.account, fence.form
        with self._lock:
            self._fences[form][account] = fence
            self._why[form].pop(account, None)  # said of an earlier plan
        try:
            self.refusals.check(account, form)
            self._settle(fence)
            if form is organization.SCP:
                fence.exempt = self._exempt(account, reader)
                if self._until:
                    self.beside.freeze(account, self._until)
                note_responder(self.run.aws, self.run.case, account, reader)
            else:
                fence.exempt = exempt(self.run.aws, self.run.case, account)
            return list(organization.fence(fence, held, reader))
        except Unavailable as error:
            with self._lock:
                self._why[form][account] = error
            return []

    def _exempt(self, account: str, reader: Reader, *, anew: bool = False) -> Exempt:
        """``anew``: with whom other runs have noted since this one began, and as long as they freeze the account: two jobs may contain at once."""
        if anew:
            self.beside.look()
        found, until = protecting(self.run.aws, self.run.case, account, reader, self.beside.responders()), self._until
        until = max(until, self.beside.until(account)) if anew else until
        return dataclasses.replace(found, until=until, frozen=declared(self.run.aws, self.incident, account)) if until else found

    def _settle(self, fence: AccountFence) -> None:
        """What a killed run left half done at this fence: an orphan of its name would otherwise stand beside the one that is made now."""
        left = [data for data in self.run.case.ledger.open_intents() if plan.decode(data).principal == fence.principal]
        if left:
            recovered = self.runner.recover(left)
            with self._lock:
                self.recovered += recovered
            if self.runner.check:  # nothing is removed: as if it were
                fence.orphans = {plan.decode(data).id for data in left} - set(self.runner.answers)

    def _after(self, fence: AccountFence, held: list[Held]) -> None:
        """Runs when the SCP's Steps have been read back: whom it does not hold gets the next best control."""
        account, bad = fence.account, [d for i in fence.policies if (d := self.runner.done.get(i)) and d.status not in STANDS]
        first = next((d for d in bad if d.status != "blocked"), None)
        after = [
            d.step.after for i in fence.policies if (d := self.runner.done.get(i)) and d.status in STANDS and isinstance(d.step.after, list)
        ]
        if any(scp.frozen(statements) for statements in after):
            with self._lock:
                self.frozen_in.add(account)
        if first and (self._overtaken(first, fence) or self._learned(first, fence)):
            self._clear(fence, again=True)
            return
        if not first and self._written(fence):
            self._anew(account)
            return
        if first:
            why = Unavailable(
                first.message, object=first.step.resource, operation=first.operation, remedy=organization.refused(first.remedy)
            )
            with self._lock:
                self._why[fence.form][account] = why
            if first.code in LASTING:
                self.refusals.note(account, fence.form, why.message, why.remedy)
            self._clear(fence)
        elif fence.left:
            with self._lock:
                self._why[fence.form][account] = fence_words.no_room(fence)
        elif fence.policies:
            self.refusals.over(account, fence.form)
        denied = {h.arn for h in held if not h.condition}
        for principal in list(self.run.principals.values()):
            if self.back_up and scp.pattern(principal.arn) in denied and not self.scp_of(principal):
                self.next_best.give(principal)
        self._fence_resources(account, held)

    def _fence_resources(self, account: str, held: list[Held]) -> None:
        """Beside the service control policy, where the organization has resource control policies; nothing takes its place where it has not."""
        limits = scp.Limits(size=resource_control.SIZE, slots=resource_control.SLOTS)
        fence = AccountFence(self.incident, account, Exempt(), self._ours, self._organization, limits, organization.RCP)

        def planned(_reader: Reader) -> None:
            bad = [d for i in fence.policies if (d := self.runner.done.get(i)) and d.status not in (*STANDS, "blocked")]
            if bad and bad[0].code in LASTING:
                self.refusals.note(account, fence.form, bad[0].message, organization.refused(bad[0].remedy))
            elif fence.policies and not bad:
                self.refusals.over(account, fence.form)
            self._clear(fence)
            if bad and self._overtaken(bad[0], fence):
                self._anew(account)
                return
            with self._lock:
                more = self._busy.pop(account, False)
            if more:
                self.fence(account)

        self.runner.add(fence.principal, account, [Job(BESIDE, lambda r: self._plan(fence, held, r))], planned)

    def resources(self, account: str) -> tuple[list[str], str]:
        """(names of the resource control policies that stand on the account, or why there is none)."""
        fence, why = self._fences[organization.RCP].get(account), self._why[organization.RCP].get(account)
        done = {i: self.runner.done.get(i) for i in (fence.policies if fence else ())}
        no_room = f"no room for {', '.join(fence.left)}" if fence and fence.left else ""
        if fence and done and all(d and d.status in STANDS for d in done.values()):
            return sorted({name for name, _id in fence.policies.values()}), no_room
        failed = next((d.message for d in done.values() if d and d.status not in STANDS and d.message), "")
        return [], failed or (why.message if why else no_room)

    def _overtaken(self, failed: Done, fence: AccountFence) -> bool:
        """Whether another run made a policy of that name, or wrote into ours, in the same moment: then it is planned anew, with what is there by then."""
        lost = failed.status == "unverified"  # it was written, and another run's older copy over it
        if not (lost or failed.code in ("DuplicatePolicyException", Overtaken.code)) or self._rivals.get(fence.account, 0) >= _RIVALS:
            return False
        self._rivals[fence.account] = self._rivals.get(fence.account, 0) + 1
        return True

    def _written(self, fence: AccountFence) -> bool:
        """Whether a policy was written whole just now, and not looked at since: another run that had read it before may write its copy over ours."""
        found = {(i, d.at) for i in fence.policies if i.endswith("#document") and (d := self.runner.done.get(i)) and d.status == "done"}
        with self._lock:
            new = found - self._looked_at
            self._looked_at |= found
        return bool(new)

    def _learned(self, failed: Done, fence: AccountFence) -> bool:
        """Whether the organization's refusal says that it takes less than the documentation of today: then it is planned anew, with that."""
        done = [d for i in fence.policies if i.endswith("#attached") and (d := self.runner.done.get(i))]
        slots = fence.attached + sum(d.status == "done" for d in done)
        with self._lock:
            if "POLICY_CONTENT_LIMIT" in failed.message and self._limits.size > scp.SIZE:
                self._limits.size = scp.SIZE
            elif "ATTACHMENT_LIMIT" in failed.message and self._limits.slots > slots:
                self._limits.slots = slots
            else:
                return False
        if not self.runner.check:
            self.run.case.note("organization_limits", dataclasses.asdict(self._limits))
        return True

    def _anew(self, account: str) -> None:
        with self._lock:
            self._busy.pop(account, None)
            self._wanted.pop(account, None)
        self.fence(account)

    def _distrusted(self, account: str) -> None:
        """The standing fence does not hold, or not any more: whom it was to hold is held by a policy of this incident."""
        with self._lock:
            self._wanted.pop(account, None)
        self.fence(account)

    def _clear(self, fence: AccountFence, *, again: bool = False) -> None:
        """An SCP that was made and could not be attached is of no use: it goes again. ``again``: then the account is planned anew."""
        jobs = []
        for name in {i.removesuffix("#attached") for i in fence.policies if i.endswith("#attached")}:
            made, attached = self.runner.done.get(name), self.runner.done.get(f"{name}#attached")
            if made and made.status == "done" and attached and attached.status not in STANDS:
                gone = dataclasses.replace(
                    made.step, id=restore.PREFIX + name, before=made.step.after, after=None, do=made.step.undo, undo=made.step.do, owns=None,
                    probe=dataclasses.replace(made.step.probe, path=(*made.step.probe.path, 0)) if made.step.probe else None,
                    action="delete again: it cannot be attached", undoes=name, optional=False,  # left behind, it is said
                )  # fmt: skip
                jobs.append(Job(BESIDE, lambda _r, s=gone: [s]))  # type: ignore[misc]
                self.runner.forget([name])  # when it is gone nothing has changed
        if jobs or again:
            self.runner.add(fence.principal, fence.account, jobs, (lambda _r: self._anew(fence.account)) if again else None)

    # -- what came of it -------------------------------------------------------------------------------------------------------

    def done_of(self, principal: Principal) -> list[Done]:
        """The Steps that hold it beside its inline policies and that stand, the SCP's first."""
        tag = self.tags.done_of(principal) if self.tags else None
        return [*self.scp_of(principal), *([tag] if tag else []), *self.next_best.done_of(principal)]

    def scp_of(self, principal: Principal) -> list[Done]:
        return self.above(principal.account, principal.arn)

    def above(self, account: str, arn: str) -> list[Done]:
        """The Steps by which what stands above ``account`` holds ``arn``, where all of them stand."""
        fence = self.planned(account)
        ids = fence.placed.get(scp.pattern(arn), set()) if fence and not (arn.endswith(scp.PEOPLE) and arn in fence.left) else set()
        done = [self.runner.done.get(i) for i in sorted(ids, reverse=True)]
        return [d for d in done if d] if ids and all(d and d.status in STANDS for d in done) else []

    def named(self, account: str, above: Iterable[Done]) -> list[str]:
        """scp:<id> of the policies that these Steps wrote."""
        fence, found = self.planned(account), []
        for done in above:
            name, policy = fence.policies[done.step.id] if fence else ("", "")
            found.append(f"scp:{policy or self._known(done.step.id.partition('#')[0]) or name}")
        return list(dict.fromkeys(found))

    def why(self, account: str) -> str:
        """Why nothing stands above the account; "" when something does, or nothing was tried."""
        why = self.refusal(account)
        return why.message if why else ""

    def controls(self, principal: Principal) -> list[str]:
        found = self.named(principal.account, self.scp_of(principal))
        found += [CONTROL] if self.tags and self.tags.done_of(principal) else []
        return list(dict.fromkeys([*found, *self.next_best.controls(principal)]))

    def planned(self, account: str) -> AccountFence | None:
        """What was planned above the account, if anything was."""
        return self._fences[organization.SCP].get(account)

    def refusal(self, account: str) -> Unavailable | None:
        """Why nothing stands above the account, or not for all."""
        return self._why[organization.SCP].get(account)

    def accounts(self) -> list[str]:
        """Those above which something was planned, or in which somebody has a tag."""
        tagged = {p.account for p in self.run.principals.values()} if self.tags else set()
        return sorted({*self._fences[organization.SCP], *tagged})

    def failures(self) -> list[dict[str, str]]:
        """As entries of ``failed``: accounts for which there is no SCP, or not for all."""
        with self._lock:
            return [{**error.as_dict(), "object": account} for account, error in sorted(self._why[organization.SCP].items())]

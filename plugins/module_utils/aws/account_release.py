# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lifting the fence above an account: last of all, and only as far as the identities that it holds have been released.

An SCP that this case made is detached and deleted when it holds nobody any more; while it holds somebody, or another incident has statements in it, only
what is ours and no longer needed leaves it. What somebody else has changed in it is left to a person.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Iterator

from ..common import plan, restore
from ..common.chain import Job
from ..common.errors import EvictError
from ..common.guard import identity
from ..common.plan import Call, Phase, Probe, Step
from ..common.reader import Reader
from . import organization, people_release, policy
from . import service_control as scp
from .account_fence import ID_NOTE
from .organization import TARGET, Policy
from .responders import exempt, note_responder, protecting
from .service_control import Exempt, Held
from .session import parse

if t.TYPE_CHECKING:
    from .release import Release

PREFIX = "organizations:"
Pair = tuple[Step, Step]
_GONE = ("PolicyNotFoundException",)
SPREAD = 5.0  # seconds until an exemption just written is known everywhere


class AccountRelease:
    """Part of a ``Release``. ``chosen``: identities that are released (None: all)."""

    def __init__(self, release: Release, standing: Iterable[Pair], chosen: set[str] | None) -> None:
        self.release, self.runner, self.case, self.chosen = release, release.runner, release.case, chosen
        self.sid = self.case.incident.sid
        self._pairs = {latest.id: (first, latest) for first, latest in standing}
        self._arns = {identity(d["data"]["arn"]): d["data"]["arn"] for d in self.case.notes("suspect")}
        self._users = {d["data"]["id"]: d["data"]["arn"] for d in self.case.notes(ID_NOTE)}

    def run(self) -> None:
        accounts = sorted({name.split(":")[1] for name in self._pairs})
        for account in accounts:
            self.runner.add(f"{PREFIX}{account}", account, [Job(Phase.FENCE, lambda r, a=account: self._account(a, r))])  # type: ignore[misc]

    def admit(self) -> bool:
        """Exempt the responder of this run, who may be another than the one that contained: else it could lift nothing. Whether that changed anything."""
        for account in sorted({name.split(":")[1] for name in self._pairs}):
            self.runner.add(f"{PREFIX}{account}", account, [Job(Phase.FENCE, lambda r, a=account: list(self._admitted(a, r)))])  # type: ignore[misc]
        self.runner.wait()
        return any(done.status == "done" for name, done in self.runner.done.items() if name.startswith(PREFIX))

    def _admitted(self, account: str, reader: Reader) -> Iterator[Step]:
        wanted = self._exempts(account, reader)
        for base in self._bases(account):
            if (found := self._find(base, reader)) is None:
                continue
            if found.form is organization.RCP:
                continue  # it names nobody but whom it holds
            mine = scp.ours(found.content, self.sid)
            inside = {arn for s in mine for arn in scp.listed(s.get("Condition", {}).get("ArnNotLike", {}).get("aws:PrincipalArn", []))}
            if set(wanted[0].arns) - inside and self._sorted(mine) == self._sorted(self._written(base)):
                note_responder(self.release.aws, self.case, account, reader)
                yield self._sure(organization.rewritten(account, found, self.sid, scp.members(mine, self.sid), wanted))

    def _exempts(self, account: str, reader: Reader) -> list[Exempt]:
        """Who is exempt, and less and less around them: in a policy that is full whoever lifts it comes before what protects, and before who is not at work."""
        found = [protecting(self.release.aws, self.case, account, reader)]
        for less in organization.LESS:
            found.append(dataclasses.replace(found[-1], **less))
        return [*found, dataclasses.replace(exempt(self.release.aws, self.case, account, noted=()), bare=True)]

    def _bases(self, account: str) -> list[str]:
        return sorted({name.partition("#")[0] for name in self._pairs if name.startswith(f"{PREFIX}{account}:")})

    def _find(self, base: str, reader: Reader) -> Policy | None:
        """The SCP that is there; None when it has been deleted, and what was changed in it went with it."""
        made, document = self._pairs.get(base), self._pairs.get(f"{base}#document")
        if not made and (document is None or self._made_once(base)):
            return None
        policy_id = str(made[1].after) if made else str(document[1].probe.call.parameters["PolicyId"])  # type: ignore[union-attr,index]
        content = reader.read(Probe(Call(TARGET, "organizations", "DescribePolicy", {"PolicyId": policy_id}), ("Policy", "Content"), _GONE))
        return (
            None if content is None else Policy(policy_id, base.partition("/")[2], content, attached=True, form=organization.form_of(base))
        )

    def _account(self, account: str, reader: Reader) -> list[Step]:
        return [step for base in self._bases(account) for step in self._policy(account, base, reader)]

    # -- one SCP ---------------------------------------------------------------------------------------------------------------

    def _policy(self, account: str, base: str, reader: Reader) -> list[Step]:
        made, found = self._pairs.get(base), self._find(base, reader)
        if found is None:
            return []
        policy_id, name, content = found.id, found.name, found.content
        mine, others = scp.ours(content, self.sid), scp.others(content, self.sid)
        resource = f"account {account} {found.form.noun} {name}"
        if self._sorted(mine) != self._sorted(self._written(base)):
            self._row(resource, "conflict", "somebody has changed it since; look at it by hand")
            return []
        held = scp.members(mine, self.sid)
        stay = [h for h in held if not self._leaves(h, resource, reader)]
        if stay:
            return self._shrink(account, found, held, stay, reader)
        if others or not mine:
            foreign = [str(s.get("Sid")) for s in others if not str(s.get("Sid")).startswith("Evict")]
            if foreign and made:
                self._row(resource, "conflict", f"somebody has added {', '.join(foreign)} to it; look at it by hand")
            return [self._sure(organization.change(account, found, self.sid, []))] if mine else []
        return self._remove(account, base, policy_id, name, reader)

    def _made_once(self, base: str) -> bool:
        return base in self.case.history

    @staticmethod
    def _sorted(statements: Iterable[scp.Statement]) -> list[scp.Statement]:
        return sorted(statements, key=lambda s: str(s.get("Sid")))

    def _written(self, base: str) -> list[scp.Statement]:
        """Our statements as the ledger has them last."""
        made, document = self._pairs.get(base), self._pairs.get(f"{base}#document")
        history = self.case.history
        if document and (not made or history[f"{base}#document"]["places"]["outcome"] > history[base]["places"]["outcome"]):
            return list(document[1].after or [])
        return list(plan.decode(history[base]["step"]).after) if made else []

    def _shrink(self, account: str, found: Policy, held: list[Held], stay: list[Held], reader: Reader) -> list[Step]:
        if stay == held:
            return []
        return [self._sure(organization.rewritten(account, found, self.sid, stay, self._exempts(account, reader)))]

    def _remove(self, account: str, base: str, policy_id: str, name: str, reader: Reader) -> list[Step]:
        """Detach, then delete. An SCP of another incident that is empty but for us goes too: its own case is closed."""
        if base not in self._pairs:
            return self._remove_others(account, base, policy_id, name)
        steps: list[Step] = []
        for part in (f"{base}#attached", base):
            if part not in self._pairs:
                continue
            verdict = restore.judge(*self._pairs[part], reader, lambda _step: None)
            if verdict and verdict.step:
                steps.append(dataclasses.replace(self._sure(verdict.step), needs=tuple(s.id for s in steps)))
            elif verdict:
                self.release.rows.append(verdict)
                return []
        return steps

    def _remove_others(self, account: str, base: str, policy_id: str, name: str) -> list[Step]:
        where, resource = {"PolicyId": policy_id, "TargetId": account}, f"account {account} {organization.form_of(base).noun} {name}"
        listed = Probe(Call(TARGET, "organizations", "ListPoliciesForTarget", {"TargetId": account, **organization.form_of(base).filter}),
                       ("Policies", {"Id": policy_id}, "Id"))  # fmt: skip
        there = Probe(Call(TARGET, "organizations", "DescribePolicy", {"PolicyId": policy_id}), ("Policy", "PolicySummary", "Id"), _GONE)
        detach = Step(
            id=f"{base}#detached", principal=f"{PREFIX}{account}", resource=resource, action="detach: nobody is held by it any more", phase=Phase.FENCE,
            before=policy_id, after=None, do=(Call(TARGET, "organizations", "DetachPolicy", where),),
            undo=(Call(TARGET, "organizations", "AttachPolicy", where),), probe=listed,
        )  # fmt: skip
        delete = dataclasses.replace(
            detach, id=f"{base}#deleted", action="delete: the incident that made it is closed", needs=(detach.id,), undo=(), probe=there,
            do=(Call(TARGET, "organizations", "DeletePolicy", {"PolicyId": policy_id}),), irreversible="an empty fence of a closed incident",
        )  # fmt: skip
        return [detach, delete]

    @staticmethod
    def _sure(step: Step) -> Step:
        """On the way in something else takes its place when it fails; on the way out nothing does."""
        return dataclasses.replace(step, optional=False)

    # -- who leaves ------------------------------------------------------------------------------------------------------------

    def _leaves(self, held: Held, resource: str, reader: Reader) -> bool:
        if people_release.mine(held):
            stays = people_release.stays(self.release, held, self.chosen)
            return stays is None or (self._row(f"{resource}: {stays[0]}", *stays[1]) if stays[1] else False)
        if scp.is_id(held.arn):
            if (user := self._users.get(held.arn)) is None:
                return self._row(f"{resource}: {held.arn}", "kept", "the ledger does not say whose id that is; look at it by hand")
            held = Held(user)  # an id goes when its user goes
        who = identity(held.arn)
        if self.chosen is not None and who not in self.chosen:
            return False
        order = self.release.order
        if order.false_positive:
            return True
        arn = self._arns.get(who, held.arn)
        try:
            inline = any(self._there(arn, purpose, reader) for purpose in ("quarantine", "userid"))
            due = [d for purpose in ("quarantine", "userid") if (d := self._due(arn, purpose))]
            cutoff = self._cutoff(arn, reader)
        except EvictError as error:
            self._row(f"{resource}: {arn}", "unknown", error.message)
            return False
        if order.purposes and inline:
            return True  # only the account's fence is lifted, and its own holds
        if inline:
            return self._row(f"{resource}: {arn}", "kept", "the identity's own fence stays, and so does this one")
        if due:
            return self._row(f"{resource}: {arn}", "due", "lifting it earlier would revive sessions that it holds back", max(due))
        if not cutoff and not self._over(held, arn):
            why = "the session cutoff is not in place, so sessions of the attacker would come back; run contain again first"
            return self._row(f"{resource}: {arn}", "kept", why)
        return True

    def _over(self, held: Held, arn: str) -> bool:
        """Whether a deny of single sessions, or a clamp, has outlived every session that it held back; it has no cutoff behind it."""
        purpose = {"userid": "userid", "clamp": "quarantine"}.get(held.purpose)
        step = self._step(arn, purpose) if purpose else None
        return bool(step and step.expires and self.release.aws.now() >= parse(step.expires))

    def _step(self, arn: str, purpose: str) -> Step | None:
        entry = self.case.history.get(f"{arn}#policy/{self.case.incident.policy_name(purpose)}")
        return plan.decode(entry["step"]) if entry and entry.get("step") else None

    def _there(self, arn: str, purpose: str, reader: Reader) -> bool:
        """Whether the inline policy stands when this run is over, as far as it has come."""
        step = self._step(arn, purpose)
        undone = self.runner.done.get(restore.PREFIX + step.id) if step else None
        if step is None or step.probe is None or (undone and undone.status in ("done", "would")):
            return False
        return reader.read(step.probe) is not None

    def _due(self, arn: str, purpose: str) -> str | None:
        step = self._step(arn, purpose)
        return step.expires if step and step.expires and self.release.aws.now() < parse(step.expires) else None

    def _cutoff(self, arn: str, reader: Reader) -> bool:
        """Whether the session cutoff stands in its place, or has done its work."""
        step = self._step(arn, "session")
        if step is None or step.probe is None:
            return False
        if step.expires and self.release.aws.now() >= parse(step.expires):
            return True
        renewed = self.runner.done.get(step.id)
        if renewed and renewed.status == "would":
            return True
        return policy.cutoff_of(reader.read(step.probe)) >= policy.cutoff_of(step.after) != ""

    def _row(self, what: str, kind: str, why: str, due: str | None = None) -> bool:
        row = restore.Verdict(what, "", kind=kind, why=why, due=due)
        if row not in self.release.rows:
            self.release.rows.append(row)
        return False

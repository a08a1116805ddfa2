# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fence above the account: service control policies of this incident on one account of the organization.

``evict-<incident>-<account>-<n>``: a name is unique in an organization, so two accounts that are fenced side by side need names of their own.
Nothing else of the organization is touched: no account is moved, no policy type enabled.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Callable, Iterable, Iterator

from ..common.errors import EvictError
from ..common.plan import Call, Edit, Phase, Probe, Ref, Step, Target
from ..common.reader import Reader
from . import resource_control
from . import service_control as scp
from .service_control import Exempt, Held

READS = ("organizations:DescribeOrganization", "organizations:DescribePolicy", "organizations:ListPolicies", "organizations:ListPoliciesForTarget",
         "organizations:ListRoots")  # fmt: skip
TARGET = Target("aws", "")  # Organizations is asked by the management role, or by the caller
PREFIX = "evict-"
ID: tuple[str, ...] = ("Policy", "PolicySummary", "Id")
# What gives way where there is no room for all, one after the other: who is held counts more.
LESS: tuple[dict[str, t.Any], ...] = ({"until": ""}, {"policies": ()}, {"bare": True})


@dataclasses.dataclass(frozen=True)
class Form:
    """A type of policy that can stand above an account. ``part``: of the ids of its Steps; ``make``: its statements."""

    type: str
    part: str
    noun: str
    make: scp.Maker

    @property
    def filter(self) -> dict[str, str]:
        return {"Filter": self.type}

    def step_id(self, account: str, name: str) -> str:
        return f"organizations:{account}:{self.part}/{name}"


SCP = Form("SERVICE_CONTROL_POLICY", "scp", "service control policy", scp.statements)
RCP = Form("RESOURCE_CONTROL_POLICY", "rcp", "resource control policy", resource_control.statements)


def form_of(step: str) -> Form:
    """Of the id of a Step."""
    return RCP if step.split(":", 2)[2].startswith("rcp/") else SCP


class Unavailable(EvictError):
    """No SCP can be used for this account; ``remedy`` says how it could be."""


@dataclasses.dataclass
class Policy:
    """An SCP that is there. ``known``: this case's ledger says that we made it."""

    id: str
    name: str
    content: t.Any
    attached: bool
    known: bool = False
    form: Form = SCP


def find(account: str, reader: Reader, whole: Reader, form: Form = SCP) -> list[dict[str, str]]:
    """The policies of that form attached to ``account``: [{Id, Name}]. Raises ``Unavailable`` with the reason and what to do about it."""
    organization = _ask(whole, Call(TARGET, "organizations", "DescribeOrganization", {}))["Organization"]
    if organization.get("MasterAccountId") == account:
        raise Unavailable(
            f"{account} is the management account: AWS exempts it from every service control policy", object=account, operation="fence",
            remedy="its users and roles are held by identity policies only; keep workloads and access keys out of the management account",
        )  # fmt: skip
    if organization.get("FeatureSet") == "CONSOLIDATED_BILLING":
        raise Unavailable(
            "the organization has consolidated billing only, so no service control policies", object=account, operation="fence",
            remedy="enable all features of the organization",
        )  # fmt: skip
    try:
        roots = _ask(whole, Call(TARGET, "organizations", "ListRoots", {})).get("Roots", [])
    except Unavailable:
        roots = []  # a delegated administrator may not be allowed to list them; attaching tells then
    enabled = any(p.get("Type") == form.type and p.get("Status") == "ENABLED" for r in roots for p in r.get("PolicyTypes", []))
    if roots and not enabled:
        raise Unavailable(
            f"{form.noun.replace('policy', 'policies')} are not enabled in this organization, and are not enabled unasked", object=account, operation="fence",
            remedy=f"aws organizations enable-policy-type --root-id {roots[0]['Id'] if roots else 'ROOT'} --policy-type {form.type} (it attaches"
            f" {'FullAWSAccess' if form is SCP else 'RCPFullAWSAccess'} everywhere and denies nothing by itself), then run again",
        )  # fmt: skip
    return list(
        _ask(reader, Call(TARGET, "organizations", "ListPoliciesForTarget", {"TargetId": account, **form.filter})).get("Policies", [])
    )


def _ask(reader: Reader, call: Call) -> dict[str, t.Any]:
    try:
        return reader.get(call)
    except EvictError as error:
        raise _unavailable(error) from error


def _unavailable(error: EvictError) -> Unavailable:
    code = getattr(error, "code", "")
    if code == "AWSOrganizationsNotInUseException":
        return Unavailable("there is no organization", object=error.object, operation=error.operation, remedy="")
    if code == "TargetNotFoundException":
        return Unavailable("the account is not in the organization that was asked", object=error.object, operation=error.operation,
                           remedy="give connection.aws.management_role_arn of its own organization")  # fmt: skip
    return Unavailable(error.message, object=error.object, operation=error.operation, remedy=refused(error.remedy))


def refused(remedy: str) -> str:
    return "set connection.aws.management_role_arn to a role of the management account with docs/permissions/aws-management.json" + (
        f"; {remedy}" if remedy else ""
    )


class AccountFence:
    """What is wanted of one account, and after ``steps`` was run what came of it: ``placed`` ({ARN pattern: ids of the Steps that hold it}),

    ``left`` (patterns for which there is no room), ``policies`` ({step id: (name, id or "")}).
    """

    def __init__(
        self,
        incident: t.Any,
        account: str,
        exempt: Exempt,
        known: Callable[[str], str | None],
        whole: Reader | None = None,
        limits: scp.Limits | None = None,
        form: Form = SCP,
        others: Callable[[Reader], Exempt] | None = None,
    ) -> None:
        self._others = others  # ``exempt``, with what other runs of the case have noted meanwhile
        self._whole = whole  # for reads of the organization as a whole; None: the reader of ``steps``
        self.incident, self.account, self.exempt, self._known = incident, account, exempt, known
        self.limits, self.form = limits or scp.Limits(), form
        self.attached = 0  # SCPs on the account
        self.principal = f"organizations:{account}" + ("" if form is SCP else f":{form.part}")
        self.placed: dict[str, set[str]] = {}
        self.left: list[str] = []
        self.too_long = False  # of ``left`` somebody fits into no document at all, since the exempt fill it
        self.orphans: set[str] = set()  # ids of creations that a killed run left; check mode plans as if they were gone
        self.policies: dict[str, tuple[str, str]] = {}

    def name(self, number: int) -> str:
        middle = "" if self.form is SCP else f"{self.form.part}-"
        return f"{PREFIX}{middle}{self.incident.id}-{self.account}-{number}"

    # -- what is there -----------------------------------------------------------------------------------------------------------

    def there(self, reader: Reader) -> tuple[list[Policy], int]:
        """(the SCPs of this collection on the account, and ours that is not attached; how many more may be attached)."""
        attached = find(self.account, reader, self._whole or reader, self.form)
        mine = re.compile(re.escape(self.name(0)[:-1]) + r"\d{1,3}")
        named = {
            p["Name"]: p["Id"]
            for p in _ask(reader, Call(TARGET, "organizations", "ListPolicies", self.form.filter)).get("Policies", [])
            if mine.fullmatch(p["Name"]) and self.form.step_id(self.account, p["Name"]) not in self.orphans
        }
        kin = re.compile(
            re.escape(PREFIX) + rf".+-{self.account}-\d{{1,3}}"
        )  # another incident's for this account, and nobody else's by its beginning
        wanted = {p["Id"]: p["Name"] for p in attached if kin.fullmatch(p["Name"])} | {i: n for n, i in named.items()}
        ids = {p["Id"] for p in attached}
        found = []
        for policy, name in sorted(wanted.items(), key=lambda pair: pair[1]):
            content = _ask(reader, Call(TARGET, "organizations", "DescribePolicy", {"PolicyId": policy}))["Policy"]["Content"]
            known = name in named and self._known(self.form.step_id(self.account, name)) == policy
            found.append(Policy(policy, name, content, policy in ids, known, self.form))
        self.attached = len(attached)
        return found, self.limits.slots - len(attached)

    # -- what is to be done ------------------------------------------------------------------------------------------------------

    def steps(self, held: Iterable[Held], reader: Reader) -> Iterator[Step]:
        """Hold everybody in ``held`` and whoever is held already. Raises ``Unavailable``."""
        found, free = self.there(reader)
        sid = self.incident.sid
        own = [p for p in found if p.known]
        foreign = [p for p in found if not p.known and p.attached]
        extended = [p for p in foreign if scp.ours(p.content, sid)]
        wanted = scp.merge([h for p in (*own, *extended) for h in scp.members(scp.ours(p.content, sid), sid)], held)
        if not wanted:
            return
        if self._others and scp.of_others([s for p in (*own, *extended) for s in scp.ours(p.content, sid)], self.exempt):
            self.exempt = self._others(reader)
        free -= sum(not p.attached for p in own)
        kept = own + extended
        boxes, left = self._allocate(kept, max(free, 0), wanted)
        for less in LESS:
            if self._named(left) and any(getattr(self.exempt, name) != value for name, value in less.items()):
                self.exempt = dataclasses.replace(self.exempt, **less)
                boxes, left = self._allocate(kept, max(free, 0), wanted)
        if self._named(left):  # no slot is free: in an SCP of this collection there may be room
            kept = kept + [p for p in foreign if p not in extended]
            boxes, left = self._allocate(kept, max(free, 0), wanted)
        if self._named(left):  # a name holds who bears it now, and comes before the id, which holds who is renamed
            wanted = [h for h in wanted if not scp.is_id(h.arn)]
            boxes, left = self._allocate(kept, max(free, 0), wanted)
        self.left = self._named(left)
        alone = (scp.text(scp.document(self.form.make(sid, [one], self.exempt))) for one in left if one.arn in self.left)
        self.too_long = any(len(said) > self.limits.size for said in alone)
        for index, members in enumerate(boxes):
            if members and index < len(kept):
                yield from self._change(kept[index], members)
            elif members:
                taken = {p.name for p in found} | {name for name, _id in self.policies.values()}
                name = next((n for n in map(self.name, range(1, 1000)) if n not in taken), "")
                yield from self._create(name, members)

    @staticmethod
    def _named(left: list[Held]) -> list[str]:
        return sorted({h.arn for h in left if not scp.is_id(h.arn)})

    def _allocate(self, kept: list[Policy], fresh: int, wanted: list[Held]) -> tuple[list[list[Held]], list[Held]]:
        sid = self.incident.sid
        use = [(scp.members(scp.ours(p.content, sid), sid), len(scp.text(scp.document(others))) if (others := scp.others(p.content, sid)) else 0)
               for p in kept]  # fmt: skip
        exempt = [self.exempt if p.known else self.exempt.thawed for p in kept] + [self.exempt] * fresh
        boxes, left = scp.allocate(sid, use, exempt, wanted, make=self.form.make)
        return (
            scp.allocate(sid, use, exempt, wanted, self.limits.size, self.form.make)
            if left and self.limits.size > scp.SIZE
            else (boxes, left)
        )

    def _place(self, members: list[Held], name: str, policy: str, *steps: str) -> None:
        for one in members:
            self.placed.setdefault(one.arn, set()).update(steps)
        self.policies.update(dict.fromkeys(steps, (name, policy)))

    def _create(self, name: str, members: list[Held]) -> Iterator[Step]:
        step = self.form.step_id(self.account, name)
        content = scp.document(self.form.make(self.incident.sid, members, self.exempt))
        made = Ref(step, ID)
        parameters = {
            "Content": scp.text(content),
            "Name": name,
            "Type": self.form.type,
            "Description": f"Containment of incident {self.incident.id}",
        }
        yield Step(
            id=step, principal=self.principal, resource=f"account {self.account} {self.form.noun} {name}", phase=Phase.FENCE, owns=made,
            action=f"create a deny of {', '.join(scp.shown(members))}", before=[], after=content["Statement"], optional=True,
            do=(Call(TARGET, "organizations", "CreatePolicy", parameters, idempotent=False),),
            undo=(Call(TARGET, "organizations", "DeletePolicy", {"PolicyId": made}),),
            probe=Probe(Call(TARGET, "organizations", "ListPolicies", self.form.filter), ("Policies", [{"Name": name}], "Id")),
        )  # fmt: skip
        yield self._attach(name, made, None)
        self._place(members, name, "", step, f"{step}#attached")

    def _attach(self, name: str, policy: t.Any, before: str | None) -> Step:
        step, where = self.form.step_id(self.account, name), {"PolicyId": policy, "TargetId": self.account}
        return Step(
            id=f"{step}#attached", principal=self.principal, resource=f"account {self.account} attached {self.form.noun} {name}",
            action="attach", phase=Phase.FENCE, before=before, after=name, optional=True,
            do=(Call(TARGET, "organizations", "AttachPolicy", where),), undo=(Call(TARGET, "organizations", "DetachPolicy", where),),
            needs=(step,) if isinstance(policy, Ref) else (),
            probe=Probe(
                Call(TARGET, "organizations", "ListPoliciesForTarget", {"TargetId": self.account, **self.form.filter}),
                ("Policies", {"Name": name}, "Name"),
            ),
        )  # fmt: skip

    def _change(self, policy: Policy, members: list[Held]) -> Iterator[Step]:
        """Our statements in an SCP that is there; what others have in it stays."""
        after = self.form.make(self.incident.sid, members, self.exempt if policy.known else self.exempt.thawed)
        document = change(self.account, policy, self.incident.sid, after)
        yield document
        steps = [document.id]
        if policy.known:
            yield self._attach(policy.name, policy.id, policy.name if policy.attached else None)
            steps.append(f"{self.form.step_id(self.account, policy.name)}#attached")
        self._place(members, policy.name, policy.id, *steps)


def fence(wanted: AccountFence, held: Iterable[Held], reader: Reader) -> Iterator[Step]:
    """The Steps that hold ``held`` above their account. Raises ``Unavailable``."""
    yield from wanted.steps(held, reader)


def change(account: str, policy: Policy, sid: str, after: list[scp.Statement]) -> Step:
    """The Step that replaces the statements of one incident in an SCP. What was there, as the SCP has it, is what an undo puts back.

    Organizations has no way to write only if nobody else has: when others have changed these statements since they were read, nothing is written.
    """
    before = scp.ours(policy.content, sid)
    if sorted(before, key=_sid) == sorted(after, key=_sid):
        after = before
    sids = sorted({*map(_sid, before), *map(_sid, after)})
    where = {"kind": "organizations.policy", "PolicyId": policy.id}
    probe = Probe(
        Call(TARGET, "organizations", "DescribePolicy", {"PolicyId": policy.id}),
        ("Policy", "Content", "Statement", [{"Sid": s} for s in sids]),
    )
    return Step(
        id=f"{policy.form.step_id(account, policy.name)}#document", principal=f"organizations:{account}",
        resource=f"account {account} {policy.form.noun} {policy.name}", phase=Phase.FENCE, before=before, after=after, optional=True,
        action=f"deny {', '.join(scp.shown(scp.members(after, sid))) or 'nobody any more'}{scp.frozen(after)}", probe=probe,
        do=(Edit(TARGET, where, "exchange_statements", {"prefix": sid, "before": before, "statements": after}),),
        undo=(Edit(TARGET, where, "set_statements", {"sids": sids, "statements": before}),),
    )  # fmt: skip


def rewritten(account: str, policy: Policy, sid: str, held: Iterable[Held], exempts: Iterable[Exempt]) -> Step:
    """``change`` for a policy that goes on holding ``held``, with the first of ``exempts`` with which it is no longer than the organization is known to take.

    Where it is with none, the last one is tried: the limit may be higher than what was ever seen.
    """
    held, after = list(held), []
    most = max(scp.SIZE, len(scp.text(policy.content)))  # what is there was taken
    for exempt in exempts:
        after = policy.form.make(sid, held, exempt)
        if len(scp.text({**policy.content, "Statement": [*scp.others(policy.content, sid), *after]})) <= most:
            break
    return change(account, policy, sid, after)


def _sid(statement: t.Mapping[str, t.Any]) -> str:
    return str(statement.get("Sid"))

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The single verbs: thin faces of the generators that the composed verb uses."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Mapping

from ..common import incident as incidents
from ..common import restore
from ..common.case import Case
from ..common.chain import Job
from ..common.errors import CloudError, EvictError, InvalidInput, Refused
from ..common.guard import identity, kind_of
from ..common.ledger_verify import tampered
from ..common.plan import Phase, Step
from ..common.reader import Reader
from ..common.run import Done, Runner
from ..common.suspect import classify
from . import (
    account_fence,
    credentials,
    deny_all,
    fence_words,
    identity_center,
    policy,
    quarantine,
    resource_fence,
    responders,
    service_control,
    sessions,
    snapshot,
    standing_fence,
)
from .contain import PROPAGATION
from .principal import Principal
from .release import Order, Release
from .resolving import resolve
from .respond import Response
from .session import Aws
from .tag_fence import TagFences

Params = Mapping[str, t.Any]


class _Single(Response):
    """One verb on named principals."""

    def __init__(self, aws: Aws, case: Case, runner: Runner, verb: Callable[[Principal, Reader], Iterable[Step]]) -> None:
        super().__init__(aws, case, runner)
        self._verb = verb

    def remember(self, suspect: t.Any, principal: Principal) -> None:
        """To be named in a task is no accusation: only the incident says what is compromised."""
        self.note_suspect(principal.arn, suspect=suspect.value)

    def start(self, principal: Principal) -> None:
        self.runner.add(principal.arn, principal.account, [Job(Phase.FENCE, lambda reader: self._verb(principal, reader))])

    def handle(self, named: Iterable[str]) -> dict[str, t.Any]:
        """Every name in ``principals`` is resolved and guarded like a suspect of the incident."""
        self.take([suspect for text in named for suspect in classify(text)])
        self.runner.wait()
        failed = self.refused + self.runner.failures
        status = "ok" if not failed else "partial" if self.principals else "refused"
        return {
            "status": status,
            "incident": self.incident.id,
            "principals": [p.row() for p in self.principals.values()],
            "failed": failed,
            "open": [],
            "residual": [],
        }


class _Above(_Single):
    """The account's fence on named principals: it repeats what the incident's own policies on them say."""

    cuts = False  # by the identity's own fence it is denied already
    must = True  # whoever is named has to be fenced

    def __init__(self, aws: Aws, case: Case, runner: Runner, form: str) -> None:
        super().__init__(aws, case, runner, lambda _principal, _reader: ())
        self.fences = account_fence.AccountFences(self, form, again=True, back_up=False)
        self._standing = {latest.id: latest for _first, latest in restore.standing(case.history)}
        self._denied: set[str] = set()  # users whom AWSDenyAll holds for this incident

    def spares(self, principal: Principal) -> bool:
        """Only a containment denies a user unseen: one who is named here, or was a suspect, may never have been fenced, or be released since."""
        return principal.arn not in self._denied

    def start(self, principal: Principal) -> None:
        """Look at the identity's own fences; they are what is repeated."""

        def look(reader: Reader) -> list[Step]:
            for purpose in policy.PURPOSES:
                found = policy.present(principal, self.incident, purpose, reader)
                if found is not None:
                    step = policy.inline_step(principal, self.incident, purpose, found, found, "", Phase.FENCE)
                    self.runner.done[step.id] = Done(step, "already")
            if principal.kind == "user" and deny_all.holds(principal, self._standing, reader):
                self._denied.add(principal.arn)
            own = f"{principal.arn}#policy/{self.incident.policy_name('quarantine')}"
            gone = own in self._standing and own not in self.runner.done and principal.arn not in self._denied
            if gone or (self.must and not self.fences.of(principal)):
                self.runner.fail(
                    EvictError(
                        f"{principal.arn} is not fenced by this incident{' any more' if gone else ''}, so that is not repeated", object=principal.arn,
                        operation="fence", remedy="run aws_identity_quarantine or aws_contain first",
                    )
                )  # fmt: skip
            return []

        self.runner.add(principal.arn, principal.account, [Job(Phase.FENCE, look)])

    def handle_alone(self, named: Iterable[str]) -> dict[str, t.Any]:
        return super().handle(named)

    def handle(self, named: Iterable[str]) -> dict[str, t.Any]:
        result = self.handle_alone(named)
        self.fences.renew()
        self.runner.wait()
        failed = [*result["failed"], *self.fences.failures()]
        rows = [{**p.row(), "controls": self.fences.controls(p)} for p in self.principals.values()]
        status = "ok" if not failed else "partial" if any(r["controls"] for r in rows) else "error" if rows else "refused"
        return {**result, "status": status, "failed": failed, "principals": rows, "fences": fence_words.rows(self.fences)}


class _OnResources(_Above):
    """The resources' own fence: it repeats what stands on the named principals, or on all that the case has contained."""

    def __init__(self, aws: Aws, case: Case, runner: Runner, named: bool) -> None:
        super().__init__(aws, case, runner, "none")
        self.must = named
        self.resources = resource_fence.ResourceFences(self, self.fences)

    def contain(self, named: Iterable[str] | None, only: Iterable[str] | None) -> dict[str, t.Any]:
        known = named or sorted({n["data"]["arn"] for n in self.case.notes("suspect")})
        result = self.handle_alone(known)
        self.resources.fence(only)
        rows = self.resources.rows()
        failed = [*result["failed"], *self.runner.failures, *self.resources.failures()]
        failed = [f for i, f in enumerate(failed) if f not in failed[:i]]
        stands = any(r["state"] in ("fenced", "would be fenced") for r in rows)
        status = "ok" if not failed else "partial" if stands else result["status"] if result["status"] == "refused" else "error"
        return {**result, "status": status, "failed": failed, "open": self.resources.by_hand(), "resource_fences": rows}


def resource_fence_state(aws: Aws, case: Case, runner: Runner, params: Params) -> dict[str, t.Any]:
    """aws_resource_fence."""
    only = tuple(params["resources"] or ())
    if params["state"] == "absent":
        order = Order(only=tuple(params["principals"] or ()), purposes=("resources",), resources=only)
        return {**released(case, Release(aws, case, runner, order)), "resource_fences": []}
    run = _OnResources(aws, case, runner, bool(params["principals"]))
    return run.contain(params["principals"], only or None)


def account_fence_state(aws: Aws, case: Case, runner: Runner, params: Params) -> dict[str, t.Any]:
    """aws_account_fence."""
    if params["state"] == "absent":
        return {
            **released(case, Release(aws, case, runner, Order(only=tuple(params["principals"] or ()), purposes=("account",)))),
            "fences": [],
        }
    if params["state"] == "rendered":
        return _rendered(aws, case, params)
    if params["state"] == "verified":
        return _verified(_Above(aws, case, runner, "pre_deployed"), params["accounts"])
    if not params["principals"]:
        raise InvalidInput("aws_account_fence", [("principals", "state present needs them")])
    return _Above(aws, case, runner, params["form"]).handle(params["principals"])


def _rendered(aws: Aws, case: Case, params: Params) -> dict[str, t.Any]:
    """The standing fence as text, for a person or a pipeline to deploy: nothing is changed."""
    exempt = params["exempt"] or [*_responders(aws), *case.incident.protected]
    document = standing_fence.document(exempt, aws.partition)
    said = service_control.text(document)
    if len(said) > service_control.SIZE:
        raise EvictError(f"the standing fence has {len(said)} characters, and {service_control.SIZE} fit into a policy", object=standing_fence.NAME,
                         operation="render", remedy="exempt fewer, with * in the place of the account")  # fmt: skip
    if users := sorted(arn for arn in exempt if kind_of(arn) == "user"):
        case.warnings.append(
            f"{', '.join(users)}: the standing fence cannot deny for good that users are added to groups, so whoever may do that can cut off an exempt user;"
            " exempt a role instead"
        )
    empty: dict[str, t.Any] = {"principals": [], "failed": [], "open": [], "residual": [], "fences": []}
    return {
        "status": "ok",
        "incident": case.incident.id,
        **empty,
        "document": document,
        "commands": standing_fence.commands(said, "<root, OU or account>"),
    }


def _responders(aws: Aws) -> list[str]:
    """The responder's role in every account, of a caller that acts in its own account its role there; and the role that writes policies, if there is one."""
    found: list[str] = responders.exact(aws, aws.responder_arn("{account}").replace("{account}", "*"))
    found += [aws.management_arn] if aws.management_arn != aws.caller["arn"] else []
    if any("*" in arn.split(":", 5)[5] for arn in found):
        raise EvictError(f"the path of the caller's role {found[0]} is not known, so it cannot be exempt by its exact ARN", object=found[0],
                         operation="render", remedy="name it under exempt")  # fmt: skip
    return found


def _verified(run: _Above, accounts: Iterable[str] | None) -> dict[str, t.Any]:
    """A canary into each account: does the standing fence deny a live session?"""
    chosen = sorted(set(accounts or ()) or {s.account for s in run.suspects if s.cloud == "aws" and s.account}) or [
        run.aws.caller["account"]
    ]
    tags = run.fences.tags or TagFences(run, again=True)
    for account in chosen:
        tags.look(account, anew=True)
    run.runner.wait()
    run.case.ledger.flush()
    rows = [{"account": account, "control": "tag" if tags.trusted(account) else "none", "policies": [], "instead": [], "why": "", "remedy": "",
             **tags.row(account)} for account in chosen]  # fmt: skip
    unproven = [{"object": row["account"], "why": row["standing_why"], "due": None} for row in rows if row["control"] == "none"]
    failed = run.runner.failures
    return {"status": "partial" if failed else "open" if unproven and not run.runner.check else "ok", "incident": run.incident.id, "principals": [],
            "failed": failed, "open": unproven, "residual": [], "fences": rows}  # fmt: skip


def _only(principal: Principal, kind: str, what: str) -> None:
    if principal.kind != kind:
        raise EvictError(f"{principal.arn} is a {principal.kind}: {what}", object=principal.arn, operation="resolve")


def quarantine_state(aws: Aws, case: Case, runner: Runner, params: Params) -> dict[str, t.Any]:
    """aws_identity_quarantine."""
    if params["state"] == "absent":
        return released(case, Release(aws, case, runner, Order(only=tuple(params["principals"]), purposes=("quarantine", "userid"))))
    networks = case.incident.trusted.networks

    def fence(principal: Principal, reader: Reader) -> Iterable[Step]:
        if principal.kind == "user":
            yield from quarantine.fence_user(principal, case.incident, reader)
            return
        wanted = params["action"] or case.incident.role_action
        action = quarantine.decide(principal, wanted=wanted, networks=networks, others=None, now=aws.now(), open_paths=[]).action
        if action == "deny" and policy.present(principal, case.incident, "quarantine", reader) is None:
            try:
                run.may_deny(principal, asked=wanted == "deny")
            except Refused as error:
                run.refuse(error, principal.arn)
                return
        yield from quarantine.fence_role(principal, case.incident, action, networks, aws.now(), reader)
        if action == "revoke":
            yield from sessions.revoke(principal, case.incident, aws.now(), reader)

    run = _Single(aws, case, runner, fence)
    return run.handle(params["principals"])


def credential_state(aws: Aws, case: Case, runner: Runner, params: Params) -> dict[str, t.Any]:
    """aws_credential."""
    keys, identities = case.compromised()
    asked = credentials.Asked.by(case.incident, params["ids"])

    def change(principal: Principal, reader: Reader) -> Iterable[Step]:
        _only(principal, "user", "only users hold such credentials")
        for kind in params["kinds"]:
            try:
                steps = credentials.planned(credentials.KINDS[kind], principal, params["state"], reader, asked)
            except CloudError as error:  # one kind that cannot be listed stops no other
                run.runner.fail(error)
                continue
            for step in steps:
                dead = credentials.id_of(step) in keys or identity(principal.arn) in identities
                if params["state"] != "enabled" or not dead or step.true:
                    yield step
                    continue
                refusal = Refused(
                    f"{step.resource} is named as compromised and stays inactive", object=step.resource, operation="guard compromised",
                    remedy="create a new one; if it was no compromise: recover.yml -e verdict=false_positive",
                )  # fmt: skip
                run.refuse(refusal, step.resource)

    run = _Single(aws, case, runner, change)
    return run.handle(params["principals"])


def session_state(aws: Aws, case: Case, runner: Runner, params: Params) -> dict[str, t.Any]:
    """aws_session."""

    def revoke(principal: Principal, reader: Reader) -> Iterable[Step]:
        if params["sessions"]:
            _only(principal, "role", "a session name narrows the sessions of a role")
            principal.sessions = set(params["sessions"])
            yield from quarantine.fence_role(principal, case.incident, "session", (), aws.now(), reader)
            return
        # A user's key may go on minting until its fence has spread; a role's sessions are others' too, so not a second more than now.
        cutoff = aws.now() + PROPAGATION if principal.kind == "user" else aws.now()
        yield from sessions.revoke(principal, case.incident, cutoff, reader, newer_than=cutoff if params["revoke_again"] else None)

    run = _Single(aws, case, runner, revoke)
    run.cuts = False  # whoever holds the credentials makes new sessions
    return run.handle(params["principals"])


def release(aws: Aws, case: Case, runner: Runner, params: Params) -> dict[str, t.Any]:
    """aws_restore."""
    order = Order(
        only=tuple(params["only"] or ()),
        false_positive=params["verdict"] == "false_positive",
        reason=params["reason"] or "",
        by=params["by"] or "",
    )
    return released(case, Release(aws, case, runner, order))


def released(case: Case, run: Release) -> dict[str, t.Any]:
    """What is due later or stays for good is no failure of a release; a conflict, or what could not be read, is."""
    if problems := tampered(case.store):  # what is undone is taken from there
        listed = "; ".join(f"{p['chain']} record {p['seq']}: {p['why']}" for p in problems[:3])
        raise Refused(
            f"the ledger of {case.incident.id} has been changed or has lost records: {listed}", object=case.store.url, operation="release",
            remedy=f"look at it with case_ledger_info; what must come back at once, release by hand: the inline policies evict-*-{case.incident.id}",
        )  # fmt: skip
    run.run()
    rows = [v.row() for v in sorted(run.rows, key=lambda v: (v.principal, v.resource))]
    conflicts = any(v.kind in ("conflict", "unknown") for v in run.rows)
    residual = [{"object": v.resource, "token_kind": "session", "until": v.due, "why": v.why} for v in run.rows if v.due]
    status = "partial" if run.runner.failures else "open" if conflicts else "ok"
    case.ledger.flush()  # what was just undone is not standing
    stands = any(latest.phase == Phase.FENCE for _first, latest in restore.standing(case.history))
    return {
        "status": status,
        "covers": "part" if stands or run.order.only else "whole",
        "incident": case.incident.id,
        "principals": [],
        "failed": run.runner.failures,
        "open": rows,
        "residual": residual,
    }


def describe(params: Params, connect: Callable[..., Aws]) -> dict[str, t.Any]:
    """aws_principal_info."""
    incident = incidents.validate(incidents.load(params["incident"]), params["incident"]) if params["incident"] else None
    aws = connect(params, incident.connection.get("aws") if incident else None)
    named = [s for text in params["suspects"] or () for s in classify(text, account=params["account"])]
    rows, problems = [], []
    for suspect in named or (incident.suspects if incident else []):
        try:
            principal = resolve(aws, suspect)
            documents = snapshot.take(principal, Reader({"aws": aws}), last_used=True) if principal.kind in ("user", "role") else {}
            row = {**principal.row(), "credentials": documents.get("credentials", {}), "used": principal.used}
            if documents:
                row["server_certificates"] = snapshot.server_certificates(principal.target, Reader({"aws": aws}))
            if principal.kind == identity_center.KIND:
                row["identity_center"] = identity_center.facts(principal.facts["person"], Reader({"aws": aws}))
                if why := principal.facts.get("why"):
                    problems.append({**why.as_dict(), "object": why.object or suspect.value})
            if principal.kind == "role":
                row["trusted_by"] = quarantine.trusted_by(principal.facts)
            rows.append({**row, "documents": documents} if params["detail"] == "full" else row)
        except EvictError as error:
            problems.append({**error.as_dict(), "object": error.object or suspect.value})
            rows.append({"cloud": "aws", "account": suspect.account, "kind": "unknown", "id": "", "arn": "", "name": "", "suspect": suspect.value,
                         "state": "unknown", "reason": error.message})  # fmt: skip
    return {"principals": rows, "problems": problems}

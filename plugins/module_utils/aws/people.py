# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom no identity policy holds, in a containment: people of IAM Identity Center, and root users.

The order for a person: the external identity provider, by hand and told first, since it brings memberships back; a statement above each account in which
they have anything; their assignments and memberships; and where nothing can stand above an account, a statement in its permission sets, last. The role
behind a permission set is others' too and stays as it is. No API ends a session of the access portal, so that is a step for a person.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import re
import threading
import typing as t

from ..common import manual, restore
from ..common.chain import Job
from ..common.errors import EvictError, Refused
from ..common.guard import kind_of
from ..common.plan import Call, Phase, Target
from ..common.reader import Reader
from ..common.run import STANDS, Done
from . import identity_center, residual
from . import service_control as scp
from .identity_center import Assignment, Person
from .principal import Principal
from .roots import Roots, Row, failed_of, row, settled
from .service_control import Held
from .session import iso, parse

if t.TYPE_CHECKING:
    from .contain import Containment

READS = ("iam:ListRoles",)
NOTE = "person"
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)  # as it can stand in a pattern
_CONSOLE = "AWS console > IAM Identity Center > Users > {name}"


@dataclasses.dataclass
class Contained:
    """One person of a run. ``sessions``: the names of its role sessions; ``sets``: {permission set: its name}; ``unread``: why some of this is missing."""

    principal: Principal
    who: Person
    sessions: set[str] = dataclasses.field(default_factory=set)
    accounts: set[str] = dataclasses.field(default_factory=set)
    has: set[Assignment] = dataclasses.field(default_factory=set)
    sets: dict[str, str] = dataclasses.field(default_factory=dict)
    unread: str = ""

    @property
    def arn(self) -> str:
        return self.principal.arn


class People:
    """One run's. ``cut`` does it, when what stands above the accounts has been written; the rest says what came of it."""

    def __init__(self, run: Containment) -> None:
        self.run, self.case, self.runner = run, run.case, run.runner
        self.persons: dict[str, Contained] = {}
        self.roots = Roots(run)
        self._lock = threading.RLock()

    # -- who ---------------------------------------------------------------------------------------------------------------------

    def take(self, principal: Principal, start: bool) -> bool:
        """Whether it is one of these; then it is guarded, and (with ``start``) held. Raises ``Refused``."""
        if principal.kind == "root":
            self.roots.take(principal, start)
            return True
        if principal.kind != identity_center.KIND:
            return False
        self._guard(principal)
        who: Person = principal.facts["person"]
        with self._lock:
            fresh = principal.arn not in self.persons
            one = self.persons.setdefault(principal.arn, Contained(principal, who))
            one.principal.join(principal)
            one.sessions |= {n for n in (*principal.sessions, who.name) if _SESSION_NAME.fullmatch(n)}
            one.accounts |= {principal.facts["account"]} - {""}
        if start and self._was_released(principal.arn):
            self.run.hold.watch.append(
                {"object": principal.arn, "why": "released since it was contained, so this look leaves it alone", "due": None}
            )
            with self._lock:
                self.persons.pop(principal.arn, None)
            return True
        if start:
            self._know(one, fresh)
            self._follow(one)
            self.run.fences.also(one.accounts)
        return True

    def _guard(self, principal: Principal) -> None:
        """Never the person who runs this, whoever else has the same permission set; nor whom the incident protects."""
        who: Person = principal.facts["person"]
        names = who.names | {n.casefold() for n in principal.sessions}
        called = {n.casefold() for n in (who.name, *principal.sessions)}  # a session has the user name, which is given once
        own = identity_center.session_of(self.run.aws.caller["arn"])
        if own and own[2].casefold() in called:
            raise Refused(
                f"{principal.arn} ({who.name}) is refused: it is the person who runs this command, and cutting them would end the response",
                object=principal.arn, operation="guard caller",
                remedy="run the same command as somebody else, e.g. break-glass: AWS_PROFILE=break-glass ansible-playbook …",
            )  # fmt: skip
        protected = {p.casefold() for p in self.run.incident.protected}
        protected |= {s[2].casefold() for p in self.run.incident.protected if (s := identity_center.session_of(p))}
        if protected & (names | {principal.arn.casefold()}):
            self.run.guard.refuse("protected", principal.arn, "it is listed under incident.protected", "")
        if principal.discovered:
            self.run.guard.check(principal.arn if who.id else f"{principal.account}:person/{who.name}", discovered=True)

    def _was_released(self, arn: str) -> bool:
        """By a release: what was taken has come back, although what denies the sessions of before stays for some hours."""
        if not self.run.options.later:
            return False
        made = {n for n, e in self.case.history.items() if n.startswith(f"{arn}#") and e.get("made")}
        taken = {n for n in made if "#assignment/" in n or "#membership/" in n} or {n for n in made if "#deny/" in n}
        return bool(taken) and not taken & {latest.id for _first, latest in restore.standing(self.case.history)}

    def _know(self, one: Contained, fresh: bool) -> None:
        """What the person has, and had when an earlier run of the case looked."""
        before = next((n["data"] for n in reversed(self.case.notes(NOTE)) if n["data"]["arn"] == one.arn), None)
        if before:
            one.accounts |= set(before["accounts"])
            one.sessions |= set(before["sessions"])
            one.has |= {Assignment(*pair) for pair in before["has"]}
            one.sets = {**before.get("sets", {}), **one.sets}
        if fresh:
            try:
                self._read(one)
            except EvictError as error:
                one.unread = error.message
                self.runner.fail(error, one.arn)
            if one.principal.facts.get("why"):
                one.unread = one.principal.facts["why"].message
                self.runner.fail(one.principal.facts["why"], one.arn)
            self._announce(one)
        data = {"arn": one.arn, "id": one.who.id, "name": one.who.name, "sessions": sorted(one.sessions), "accounts": sorted(one.accounts),
                "has": [list(dataclasses.astuple(a)) for a in sorted(one.has, key=dataclasses.astuple)], "sets": one.sets}  # fmt: skip
        if not self.runner.check and data != before:
            self.case.note(NOTE, data)

    def _read(self, one: Contained) -> None:
        if not one.who.id or not one.who.instance:
            return
        reader = Reader(self.runner.clouds)
        found = identity_center.assignments(one.who, reader)
        one.has |= set(found)
        one.accounts |= {a.account for a in found}
        for permission_set in sorted({a.permission_set for a in found}):
            one.sets[permission_set] = identity_center.name_of(one.who.instance, permission_set, reader)

    def _announce(self, one: Contained) -> None:
        groups = len({a.group for a in one.has if a.group})
        own = len([a for a in one.has if not a.group])
        first = f"first, by hand: disable {one.who.name} in {one.who.issuer}, which brings memberships back; " if one.who.issuer else ""
        cut = f"{first}a deny of this person alone above {', '.join(sorted(one.accounts)) or 'no account'}; {own} assignment(s), {groups} group(s) with access"
        note = {"arn": one.arn, "kind": "Identity Center user", "suspect": one.principal.suspect, "cut": cut,
                "breaks": ["what this person does in these accounts; nobody else of the same permission sets"]}  # fmt: skip
        if all(n["run"] == self.case.ledger.run or n["data"]["arn"] != one.arn for n in self.case.notes("principal")):
            self.case.note("principal", note)

    def _follow(self, one: Contained) -> None:
        """Look up what the person's sessions did, in each account."""
        scope = self.run.scope
        if not scope:
            return
        scope.belongs(*one.principal.compromised)
        for account in sorted(one.accounts):
            try:
                asked = {"PathPrefix": "/aws-reserved/sso.amazonaws.com/"}
                listed = self.run.aws.call(Call(Target("aws", account), "iam", "ListRoles", asked)).get("Roles", [])
            except EvictError as error:
                scope.gaps.append(f"account {account}: which roles are Identity Center's: {error.message}")
                continue
            for name in sorted(one.sessions):
                scope.belongs(*(f"arn:{self.run.aws.partition}:sts::{account}:assumed-role/{r['RoleName']}/{name}" for r in listed))
                scope.ask(account, "Username", name)

    def principals(self) -> list[Principal]:
        return [*(one.principal for one in self.persons.values()), *self.roots.found.values()]

    def behind_session(self, arn: str) -> Principal | None:
        """Which of these a session of the portal is."""
        found = identity_center.session_of(arn)
        with self._lock:
            known = list(self.persons.values()) if found else []
        mine = [p for p in known if found and found[0] in p.accounts and found[2].casefold() in {n.casefold() for n in p.sessions}]
        return mine[0].principal if mine else None

    def behind_role(self, arn: str) -> list[Principal]:
        """Who of these has, or had, sessions of a role of Identity Center; of whom it is not known which, of each where they are."""
        account, name = (arn.split(":")[4], arn.rsplit("/", 1)[-1]) if kind_of(arn) == "role" else ("", "")
        label = name.removeprefix(identity_center.PREFIX).rpartition("_")[0]  # of the permission set

        def had(one: Contained) -> bool:
            seen = identity_center.session_of(one.principal.suspect)
            sets = [one.sets.get(a.permission_set, label) for a in one.has if a.account == account]
            return account in one.accounts and (label in sets or bool(one.unread) or bool(seen and seen[1] == name))

        with self._lock:
            return [one.principal for one in self.persons.values() if name.startswith(identity_center.PREFIX) and had(one)]

    def signs_until(self) -> dict[str, str]:
        """{ARN: when the last session of it runs out that was opened before its assignments went} (RFC 3339), or that they have not gone."""
        return {arn: self._signs_until(one) for arn, one in self.persons.items() if one.accounts}

    def _signs_until(self, one: Contained) -> str:
        if one.unread or self._minting(one):
            return residual.BY_HAND
        made = [e for name, e in self.case.history.items() if name.startswith(f"{one.arn}#") and e.get("made")]
        times = [(e.get("outcome") or {}).get("at") for e in made]
        times += [d.at for d in list(self.runner.done.values()) if d.step.principal == one.arn and d.status == "done"]
        return iso(max((parse(at) for at in times if at), default=self.run.aws.now()) + identity_center.LONGEST)

    # -- above the accounts ------------------------------------------------------------------------------------------------------

    def accounts(self) -> set[str]:
        with self._lock:
            return {a for one in self.persons.values() for a in one.accounts} | set(self.roots.found)

    def behind(self, account: str) -> str:
        """The roles that Identity Center made in an account."""
        return f"arn:{self.run.aws.partition}:iam::{account}{scp.PEOPLE}"

    def held(self, account: str) -> list[Held]:
        """What the fence above ``account`` says of these. By the id of the person, and by the name of its sessions, which must not be an attacker's pattern."""
        found = self.roots.held(account)
        with self._lock:
            mine = [one for one in self.persons.values() if account in one.accounts]
        for one in mine:
            if one.who.id:
                found.append(Held(self.behind(account), {"StringEquals": {identity_center.USER_KEY: one.who.id}}))
            if names := sorted(one.sessions):
                found.append(Held(self.behind(account), {"StringLike": {"aws:userid": [f"*:{name}" for name in names]}}))
        return found

    # -- below them --------------------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """When the fences above stand: assignments and memberships; then, where there is none, the permission sets; and the root users' own."""
        for one in self._known():
            takes = (identity_center.remove_assignments, identity_center.leave_groups)
            jobs = [Job(Phase.CREDENTIAL, functools.partial(take, one.who, one.arn)) for take in takes]
            self.runner.add(one.arn, "", jobs)
        self.roots.cut()
        self.runner.wait()
        for one in self._known():
            self._deny(one)
        self.runner.wait()

    def _known(self) -> list[Contained]:
        return [one for one in self.persons.values() if one.who.id and one.who.instance]

    def _deny(self, one: Contained) -> None:
        wanted: dict[str, set[str]] = {}
        for has in one.has:
            if not self._above(one, has.account):
                wanted.setdefault(has.permission_set, set()).add(has.account)
        incident, now = self.run.incident, self.run.aws.now()
        for permission_set, accounts in sorted(wanted.items()):
            expires = iso(now + identity_center.LONGEST)
            holding = functools.partial(identity_center.deny, one.who, one.arn, permission_set, min(accounts), incident, expires)
            jobs = [Job(Phase.SESSION, holding)]
            jobs += [Job(Phase.RESOURCE, functools.partial(self._provision, one, permission_set, a)) for a in sorted(accounts)]
            self.runner.add(one.arn, "", jobs)

    def _provision(self, one: Contained, permission_set: str, account: str, reader: Reader) -> list[t.Any]:
        done = self.runner.done.get(f"{one.arn}#deny/{permission_set}")
        if not done or done.status not in STANDS or not one.who.instance:
            return []
        changed = done.status != "already"
        return list(identity_center.provision(one.who.instance, one.arn, permission_set, account, changed, reader))

    # -- what came of it ---------------------------------------------------------------------------------------------------------

    def _above(self, one: Contained, account: str) -> list[Done]:
        del one
        return self.run.fences.above(account, self.behind(account))

    def _inside(self, one: Contained, account: str) -> list[Done]:
        """The Steps that hold the person in the permission sets of an account, where all of them stand."""
        sets = {a.permission_set for a in one.has if a.account == account}
        ids = [i for s in sets for i in (f"{one.arn}#deny/{s}", f"{one.arn}#{identity_center.PROVISIONED}/{s}/{account}")]
        done = [self.runner.done.get(i) for i in ids]
        found = [d for d in done if d and d.status in STANDS]
        return found if found and len(found) == len(ids) else []

    def instead(self, account: str) -> list[str]:
        """What holds people where nothing stands above the account."""
        held = any(self._inside(one, account) for one in self.persons.values() if account in one.accounts)
        return ["permission set"] if held else []

    def policies(self, account: str) -> list[Done]:
        """The Steps of what stands above an account because of these."""
        behind = (
            self.run.fences.above(account, self.behind(account)) if any(account in one.accounts for one in self.persons.values()) else []
        )
        return [*behind, *self.roots.above(account)]

    def _open_accounts(self, one: Contained) -> list[str]:
        return sorted(a for a in one.accounts if not self._above(one, a) and not self._inside(one, a))

    def rows(self) -> list[Row]:
        """As ``principals`` of the result."""
        return [row(one.principal, self._claim(one), self._controls(one)) for one in self.persons.values()] + self.roots.rows()

    def _controls(self, one: Contained) -> list[str]:
        found = []
        for account in sorted(one.accounts):
            found += self.run.fences.named(account, self._above(one, account))
            found += ["permission set"] if self._inside(one, account) else []
        return list(dict.fromkeys(found))

    def _claim(self, one: Contained) -> Row:
        held = [d for a in one.accounts for d in (*self._above(one, a), *self._inside(one, a))]
        claim = settled(self.run, one.arn, held, self._open_accounts(one))
        if one.unread and not self._open_accounts(one) and not failed_of(self.run, one.arn):
            what = "its assignments are not known" if one.who.id else "its sessions of that name are denied, but who it is is not known"
            return {"action": f"held in {', '.join(sorted(one.accounts))}; {what}: {one.unread}", "contained_at": None, "proof": "unknown"}
        if claim["action"] == "contained" and not one.accounts:
            return {**claim, "action": "contained: it has access to no account"}
        return claim

    def manual(self) -> list[Row]:
        """The steps for a person, the identity provider first."""
        rows = []
        for one in self.persons.values():
            who, key, cut = one.who, one.who.id or one.who.name, self._cut(one)
            page = _CONSOLE.format(name=who.name)
            if who.issuer:
                rows.append(manual.row(
                    self.case, f"manual/identity-provider/{key}", one.arn,
                    f"disable {who.name} in the identity provider ({who.issuer}) and end its sessions there",
                    "do this first: its provisioning (SCIM) brings the user's memberships back", cut,
                ))  # fmt: skip
            elif who.status != "DISABLED":
                rows.append(manual.row(
                    self.case, f"manual/sign-in/{key}", one.arn, f"{page} > Disable user access; reset the password and look at the MFA devices",
                    "no API disables a user of Identity Center, who can sign in again", cut,
                ))  # fmt: skip
            rows.append(manual.row(
                self.case, f"manual/portal-session/{key}", one.arn, f"{page} > Active sessions > select all > Delete session",
                "no API ends a session of the access portal: it lasts up to 90 days, as it is configured (8 hours by default)", cut,
            ))  # fmt: skip
        return rows + self.roots.manual()

    def open_items(self) -> list[Row]:
        items = manual.open_items(self.manual())
        for one in self.rows():
            if not one["action"].startswith(("contained", "would be contained")):
                items.append({"object": one["arn"], "why": one["action"], "due": None})
        return items

    def residual(self) -> list[Row]:
        """What could still act: a portal session, role sessions in accounts that nothing holds, a root that nothing holds."""
        if self.runner.check:
            return []
        rows, now = [], self.run.aws.now()
        for one in self.persons.values():
            key = one.who.id or one.who.name
            if not manual.confirmed(self.case, f"manual/portal-session/{key}", self._cut(one)):
                why = f"no API does; it gives no role that is not assigned any more or is held ({iso(now + identity_center.PORTAL)} at the latest)"
                rows.append(residual.row(one.arn, "portal session", "somebody ends it", why))
            rows += self._left(one, now)
        rows += [residual.signing(arn, until) for arn, until in self.signs_until().items() if until == residual.BY_HAND or until > iso(now)]
        return rows + self.roots.residual()

    def _left(self, one: Contained, now: datetime.datetime) -> list[Row]:
        accounts = self._open_accounts(one)
        if not accounts:
            return []
        until = residual.BY_HAND if self._minting(one) or one.unread else iso(now + identity_center.LONGEST)
        return [residual.row(one.arn, "Identity Center session", until, f"nothing holds it in {', '.join(accounts)}")]

    def _minting(self, one: Contained) -> bool:
        """Whether it still has what new sessions come from."""
        return any("#assignment/" in d.step.id or "#membership/" in d.step.id for d in failed_of(self.run, one.arn))

    def _cut(self, one: Contained) -> list[t.Any] | None:
        return manual.newest_cut(self.case.history, one.arn, one.accounts)

    def warnings(self) -> list[str]:
        return self.roots.warnings()

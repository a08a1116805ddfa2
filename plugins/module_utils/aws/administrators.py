# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last administrator of an account: whether anybody could still administer it when one more identity is denied everything.

Which error is worse? An attacker who stays in costs more than an account that its owner has to open again as the root user, so this guard refuses only
on what it has seen: every read is in, and nobody is left. A read that fails or takes longer than ``SECONDS`` is unknown: it is said, and the fence comes.

Nothing is read at all where another way in is shown to work: the responder's role was assumed from another account (whoever can write a deny there can
take it away again), or the management account's role can be assumed. So an ordinary response, from a security account, is not delayed by a call. Who acts
with its own credentials in its own account pays one request for each identity, and a listing of the account once an administrator is to be denied.

Counted as administrators are identities that policies (inline, attached, of groups; within their boundary) allow ``*`` or ``iam:*`` on ``*``, with a
condition or without, and that no policy of them denies the same. Users need an active key or a password; roles somebody who may assume them: a user or
role that is there, an identity provider, and of other accounts the organization's management account and whom the incident declares as trusted or protected
(else the back door of an outsider would count). Roles of services and AWS's own do not count, nor whoever this run has denied.

A role that a suspect made, that works against the containment, or that strangers of another account may assume, is never kept for that: a back door is no
administrator. What remains is said.
"""

from __future__ import annotations

import fnmatch
import functools
import re
import threading
import typing as t
from collections.abc import Callable, Iterable, Mapping

from ..common.errors import CloudError, EvictError
from ..common.guard import identity
from ..common.plan import Call, Target
from . import quarantine
from .assumed import MANAGEMENT
from .principal import Principal

if t.TYPE_CHECKING:
    from .respond import Response

READS = (
    "iam:GetAccountAuthorizationDetails", "iam:GetLoginProfile", "iam:ListAccessKeys", "iam:SimulatePrincipalPolicy",
    "organizations:DescribeOrganization",
)  # fmt: skip
SECONDS = 10.0
_PROBES = ["iam:AttachUserPolicy", "iam:CreateUser", "iam:PutRolePolicy"]  # who may do these to anybody can give itself the rest
_ADMINISTRATOR = re.compile(r"arn:[\w-]+:iam::aws:policy/(?:AdministratorAccess|IAMFullAccess)")
_DENY_ALL = re.compile(r"arn:[\w-]+:iam::aws:policy/AWSDenyAll")
_ACCOUNT = re.compile(r"(?:arn:[\w-]+:iam::)?(\d{12})(?::root)?")
Entity = dict[str, t.Any]


class Administrators:
    """One run's. ``check`` is called before an identity is denied everything; what it lets pass counts as denied from then on."""

    def __init__(self, run: Response) -> None:
        self._run, self._lock = run, threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._denied: set[str] = set()
        self._details: dict[str, Details] = {}
        self._unknown: set[str] = set()

    def check(self, principal: Principal) -> None:
        """Raises ``Refused`` when nobody could administer the account any more."""
        account, key = principal.account, identity(principal.arn)
        if self._way_in(account):
            return
        with self._lock:
            lock = self._locks.setdefault(account, threading.Lock())
        with lock:  # of two last administrators who are denied side by side, one stays
            if key not in self._denied and self._is_last(principal):
                if principal.kind == "role" and (principal.planted or principal.forced or self._open_to_strangers(principal)):
                    self._say(principal)
                    self._denied.add(key)
                    return
                alone = "and it is the account's last resort" if principal.kind == "root" else "once it is denied, only the root user can"
                self._run.guard.refuse(
                    "last_admin", principal.arn, f"nobody else can administer account {account}: {alone}",
                    "make another administrator (a break-glass role that somebody can assume, declared under incident.protected or trusted), give"
                    " connection.aws.management_role_arn, or run from another account, with role_arn",
                )  # fmt: skip
            self._denied.add(key)

    def _open_to_strangers(self, role: Principal) -> bool:
        """Whether its trust lets in somebody of another account whom the owner does not know."""
        for arn in quarantine.trusted_by(role.facts)["AWS"]:
            home = _home(arn, role.account)
            if home != role.account and not self._from_elsewhere(home, arn):
                return True
        return False

    def _say(self, role: Principal) -> None:
        why = f"{role.arn} was its last administrator and is denied all the same, as a suspect: only the root user is left; make another administrator"
        self._run.warn(f"account {role.account}: {why}")
        self._run.open.append({"object": f"account {role.account}", "why": why, "due": None})

    def _is_last(self, principal: Principal) -> bool:
        """Whether it is; no, and a warning, when that cannot be known in time."""
        box: list[t.Any] = []

        def work() -> None:
            try:
                box.append(self._administers(principal) and not self._somebody_else(principal))
            except Exception as error:  # given to the one who waits
                box.append(error)

        account = principal.account
        if account not in self._unknown:
            thread = threading.Thread(target=work, name="evict-administrators", daemon=True)
            thread.start()
            thread.join(SECONDS)
        found = box[0] if box else EvictError(f"no answer within {SECONDS:.0f} s")
        if not isinstance(found, Exception):
            return bool(found)
        if not isinstance(found, EvictError):
            raise found
        self._unknown.add(account)  # whoever comes next does not wait for it again
        self._run.warn(
            f"account {account}: not known whether {principal.arn} is its last administrator ({found.message}); it is denied all the same"
        )
        return False

    def _way_in(self, account: str) -> bool:
        aws = self._run.aws
        own = aws.caller["account"]
        if account != own:
            return True
        management = aws.roles.arn(MANAGEMENT)
        return bool(management) and management.split(":")[4] != account and aws.roles.works(MANAGEMENT)

    def _administers(self, principal: Principal) -> bool:
        if principal.kind == "root":
            return True
        call = Call(principal.target, "iam", "SimulatePrincipalPolicy", {"PolicySourceArn": principal.arn, "ActionNames": _PROBES})
        results = self._run.aws.call(call).get("EvaluationResults", [])
        return bool(results) and all(r.get("EvalDecision") == "allowed" for r in results)

    def _somebody_else(self, principal: Principal) -> bool:
        """Whether another could administer the account; the first that is found is enough."""
        account, details = principal.account, self._read(principal.account)
        gone = (
            self._denied | {identity(principal.arn)} | {i for i, p in list(self._run.principals.items()) if not p.only and p.kind == "user"}
        )
        caller = identity(self._run.aws.caller["arn"])
        left = [e for e in details.administrators() if identity(e["Arn"]) not in gone]
        return any(identity(e["Arn"]) == caller or self._usable(Target("aws", account), e, details, gone) for e in left)

    @functools.cached_property
    def _declared(self) -> set[str]:
        """Identities, and accounts as a whole, that the incident file calls good."""
        incident = self._run.incident
        return {identity(arn) for arn in (*incident.protected, *incident.trusted.principals)}

    @functools.cached_property
    def _management(self) -> str:
        """The organization's management account; "" where there is none or it cannot be asked."""
        aws = self._run.aws
        if role := aws.roles.arn(MANAGEMENT):
            return str(role.split(":")[4])
        try:
            answer = aws.call(Call(Target("aws", ""), "organizations", "DescribeOrganization", {}))
        except EvictError:
            return ""
        return str(answer.get("Organization", {}).get("MasterAccountId", ""))

    def _from_elsewhere(self, account: str, arn: str) -> bool:
        """Whether who may assume a role from another account is somebody whom the owner knows."""
        return identity(arn) in self._declared or identity(f"arn:aws:iam::{account}:root") in self._declared or account == self._management

    def _read(self, account: str) -> Details:
        parameters = {"Filter": ["User", "Role", "Group", "LocalManagedPolicy"]}
        if (found := self._details.get(account)) is None:
            answer = self._run.aws.call(Call(Target("aws", account), "iam", "GetAccountAuthorizationDetails", parameters))
            found = self._details[account] = Details(answer)
        return found

    def _usable(self, target: Target, entity: Entity, details: Details, gone: set[str]) -> bool:
        if "RoleName" in entity:
            return identity(entity["Arn"]) in self._declared or details.assumable(entity, target.account, gone, self._from_elsewhere)
        who = {"UserName": entity["UserName"]}
        keys = self._run.aws.call(Call(target, "iam", "ListAccessKeys", who)).get("AccessKeyMetadata", [])
        if any(k.get("Status") == "Active" for k in keys):
            return True
        try:
            return bool(self._run.aws.call(Call(target, "iam", "GetLoginProfile", who)))
        except CloudError as error:
            if error.code in ("NoSuchEntity", "NoSuchEntityException"):
                return False
            raise


def _home(arn: str, account: str) -> str:
    """The account of a principal in a trust policy; an id that was left of somebody who is gone is of ``account``."""
    whole = _ACCOUNT.fullmatch(arn)
    return whole[1] if whole else arn.split(":")[4] if arn.count(":") > 4 else account if arn != "*" else arn


class Details:
    """The answer of GetAccountAuthorizationDetails, as far as it tells who administers the account."""

    def __init__(self, answer: Mapping[str, t.Any]) -> None:
        self.entities: list[Entity] = [*answer.get("UserDetailList", []), *answer.get("RoleDetailList", [])]
        self._groups = {g["GroupName"]: g for g in answer.get("GroupDetailList", [])}
        self._managed = {p["Arn"]: _default(p) for p in answer.get("Policies", [])}

    def administrators(self) -> list[Entity]:
        return [e for e in self.entities if self._administers(e)]

    def _administers(self, entity: Entity) -> bool:
        if str(entity.get("Path", "/")).startswith("/aws-service-role/"):
            return False
        statements = list(self._statements(entity))
        boundary = (entity.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
        within = not boundary or _full(list(self._policy(boundary)))
        return within and _full(statements)

    def _statements(self, entity: Entity) -> t.Iterator[Mapping[str, t.Any]]:
        held = [entity, *(self._groups[g] for g in entity.get("GroupList", []) if g in self._groups)]
        for one in held:
            for kind in ("UserPolicyList", "RolePolicyList", "GroupPolicyList"):
                for policy in one.get(kind, []):
                    yield from _listed(policy.get("PolicyDocument"))
            for attached in one.get("AttachedManagedPolicies", []):
                yield from self._policy(attached["PolicyArn"])

    def _policy(self, arn: str) -> Iterable[Mapping[str, t.Any]]:
        if _ADMINISTRATOR.fullmatch(arn):
            return [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        if _DENY_ALL.fullmatch(arn):
            return [{"Effect": "Deny", "Action": "*", "Resource": "*"}]
        return _listed(self._managed.get(arn))

    def assumable(self, role: Entity, account: str, gone: set[str], known: Callable[[str, str], bool]) -> bool:
        """Whether somebody who is there may assume the role. ``known``: whether (account, ARN) of another account is one of ours."""
        trusted = quarantine.trusted_by(role)
        if trusted["Federated"]:
            return True
        there = {identity(e["Arn"]): e for e in self.entities}
        for arn in trusted["AWS"]:
            whole = _ACCOUNT.fullmatch(arn)
            home = _home(arn, account)
            if home != account and identity(arn) not in gone and known(home, arn):
                return True
            if whole and any(i not in gone and self._may_assume(e, role["Arn"]) for i, e in there.items()):
                return True
            if identity(arn) in there and identity(arn) not in gone and not _full(list(self._statements(there[identity(arn)])), "Deny"):
                return True
        return False

    def _may_assume(self, entity: Entity, arn: str) -> bool:
        """Of a trust in the whole account: whether its own policies allow it (roles of services assume nothing for a human)."""
        if "RoleName" in entity and not any(quarantine.trusted_by(entity)[k] for k in ("AWS", "Federated")):
            return False
        statements = list(self._statements(entity))
        return any(_covers(s, "sts:AssumeRole", arn) for s in statements if s.get("Effect") == "Allow") and not _full(statements, "Deny")


def _default(policy: Mapping[str, t.Any]) -> t.Any:
    return next((v.get("Document") for v in policy.get("PolicyVersionList", []) if v.get("IsDefaultVersion")), None)


def _listed(document: t.Any) -> list[Mapping[str, t.Any]]:
    statements = document.get("Statement", []) if isinstance(document, Mapping) else []
    return [s for s in ([statements] if isinstance(statements, Mapping) else statements) if isinstance(s, Mapping)]


def _full(statements: list[Mapping[str, t.Any]], effect: str = "Allow") -> bool:
    """Whether they allow (or deny) writing to all of IAM; an Allow that a Deny takes back is none.

    In doubt there is an administrator: an Allow counts under a condition too (MFA, a network), a Deny only without one.
    """
    found = any(
        s.get("Effect") == effect and (effect == "Allow" or not s.get("Condition")) and _covers(s, "iam:*", "*") for s in statements
    )
    return found and (effect == "Deny" or not _full(statements, "Deny"))


def _covers(statement: Mapping[str, t.Any], action: str, resource: str) -> bool:
    """By the statement's own words; of NotResource it is enough that an Allow has one."""
    if "NotAction" in statement:
        named = not any(str(a).lower().startswith(("*", action[:4])) for a in _many(statement["NotAction"]))
    else:
        named = any(fnmatch.fnmatchcase(action.lower(), str(a).lower()) for a in _many(statement.get("Action")))
    if "NotResource" in statement:
        return named and statement.get("Effect") == "Allow"
    return named and any(fnmatch.fnmatchcase(resource, str(r)) for r in _many(statement.get("Resource")))


def _many(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else [] if value is None else [value]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles that the responder assumes: under which name, until when, made anew before they end, and what is said when one cannot be had.

The session's name is the incident's; its source identity is the human, where the role's trust lets it be set (sts:SetSourceIdentity). AWS keeps both in
every CloudTrail record of the session, and a source identity also in those of the roles that are assumed from it.
"""

from __future__ import annotations

import datetime
import re
import secrets
import threading
import typing as t
from collections.abc import Callable, Mapping

from ..common.errors import CloudError, EvictError
from ..common.plan import Call, Target

READS = ("organizations:DescribeAccount",)
MANAGEMENT = "management"  # stands for the account of connection.aws.management_role_arn
IDENTITY_CENTER = "identity center"  # for that of connection.aws.identity_center_role_arn: a delegated administrator's
# Which option says who talks to a service that is not an account's own: the first that is given; without any the caller does.
ABOVE = {
    "organizations": (MANAGEMENT,),
    "sso-admin": (IDENTITY_CENTER, MANAGEMENT),
    "identitystore": (IDENTITY_CENTER, MANAGEMENT),
}
_OPTIONS = {MANAGEMENT: "management_role_arn", IDENTITY_CENTER: "identity_center_role_arn"}
ROOT = "root"  # "root:<task>:<account>" stands for a session of that account's root, limited to one task policy of AWS
MARGIN = datetime.timedelta(minutes=5)  # a session is made anew when less than this is left of it
WARN = datetime.timedelta(minutes=15)  # the caller's own session that ends earlier is spoken of at the start
_AGAIN = datetime.timedelta(seconds=30)  # between two attempts, while the old session still works
_DENIED = ("AccessDenied", "AccessDeniedException")
_NOT_A_NAME = re.compile(r"[^\w+=,.@-]", re.ASCII)
Keys = tuple[str, str, str]  # access key id, secret key, session token


class Asking(t.Protocol):
    """What is needed of ``session.Aws``."""

    reached: Callable[[str], None]

    @property
    def caller(self) -> dict[str, str]: ...

    def call(self, call: Call) -> dict[str, t.Any]: ...

    def now(self) -> datetime.datetime: ...

    def _assume_role(self, account: str) -> Keys: ...


def human(arn: str) -> str:
    """Who is behind a caller's ARN, as a source identity: the name of the session or of the user; "" where there is none to be had.

    An Identity Center session is named after its user (ada@corp); one that a machine named says at least which machine it was.
    """
    resource = arn.split(":", 5)[-1]
    name = resource.rsplit("/", 1)[-1] if resource.startswith(("user/", "assumed-role/", "federated-user/")) else ""
    name = _NOT_A_NAME.sub("", name)[:64]
    return name if len(name) > 1 else ""


class Roles:
    """One process's assumed roles, by account. Thread-safe; one account's role is never assumed twice side by side."""

    def __init__(self, aws: Asking, options: Mapping[str, t.Any], name: str) -> None:
        self._aws, self._options, self.name = aws, options, name
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._kept: dict[str, tuple[Keys, datetime.datetime]] = {}
        self._unreachable: dict[str, EvictError] = {}
        self._tried: dict[str, datetime.datetime] = {}
        self._plain: set[str] = set()  # accounts whose role does not let its source identity be set
        self.nameless: set[str] = set()  # and whose sessions have none from the caller's own either
        self.minted: set[str] = set()  # ids of the keys of all sessions

    def arn(self, account: str) -> str:
        """The role to assume in ``account``; "" when none is configured."""
        if account.startswith(f"{ROOT}:"):
            return f"arn:{self._aws.caller['arn'].split(':')[1]}:iam::{account.rsplit(':', 1)[-1]}:root"
        template = str(self._options.get(_OPTIONS.get(account, "role_arn")) or "")
        return template if account in _OPTIONS else template.replace("{account}", account)

    def above(self, service: str) -> str:
        """Which of the roles above the accounts makes a request to ``service``; "" when the caller does."""
        return next((who for who in ABOVE.get(service, (MANAGEMENT,)) if self._options.get(_OPTIONS[who])), "")

    def keys(self, account: str) -> Keys:
        """Credentials that last for ``MARGIN`` at least. Raises ``EvictError``, the same one for each who asks."""
        with self._lock:
            lock = self._locks.setdefault(account, threading.Lock())
        with lock:
            kept = self._kept.get(account)
            if kept and not self._ends(account, *kept):
                return kept[0]
            if account in self._unreachable:
                raise self._unreachable[account]
            try:
                return self._aws._assume_role(account)
            except EvictError as error:
                now = self._aws.now()
                if kept and kept[1] > now:  # it works for some minutes yet
                    self._tried[account] = now
                    return kept[0]
                if not kept:  # a role that could be assumed before may be again: only what never worked is given up
                    self._unreachable[account] = error
                raise

    def _ends(self, account: str, _keys: Keys, until: datetime.datetime) -> bool:
        now = self._aws.now()
        if until - now > MARGIN:
            return False
        tried = self._tried.get(account)
        return until <= now or tried is None or now - tried > _AGAIN

    def fresh(self, account: str, keys: Keys) -> bool:
        """Whether ``keys`` are still what ``keys(account)`` would give, as far as is known without a request."""
        kept = self._kept.get(account)
        return bool(kept and kept[0] == keys and not self._ends(account, *kept))

    def current(self, account: str) -> Keys | None:
        kept = self._kept.get(account)
        return kept[0] if kept else None

    def forget(self, account: str, keys: Keys | None) -> bool:
        """AWS says that a session has expired, ``keys`` as far as it is known: the next who asks gets a new one. False: there is none to be had."""
        with self._lock:
            kept = self._kept.get(account)
            if kept and keys in (None, kept[0]):
                self._kept[account] = (kept[0], datetime.datetime.min.replace(tzinfo=datetime.UTC))
        return kept is not None

    def rename(self) -> None:
        """Somebody else has sessions under this name: from now on ours have another, which nobody can foretell."""
        self.name = f"{self.name[:57]}-{secrets.token_hex(3)}"
        for account in list(self._kept):
            self.forget(account, None)

    def works(self, account: str) -> bool:
        """Whether the role has been assumed, or can be now: that way into the account is shown to work."""
        try:
            return bool(self.arn(account)) and bool(self.keys(account))
        except EvictError:
            return False

    # -- one request -------------------------------------------------------------------------------------------------------------

    def assume(self, account: str) -> Keys:
        """sts:AssumeRole, now. Raises ``EvictError`` that says which setting it came from."""
        arn = self.arn(account)
        try:
            if not arn:
                raise EvictError(
                    f"account {account} is not the caller's ({self._aws.caller['account']}) and no role to assume is configured",
                    object=account, operation="sts:AssumeRole", remedy="set connection.aws.role_arn, with {account} in the place of the account",
                )  # fmt: skip
            answer = self._ask(account, arn)
        except EvictError as error:
            raise self._cannot(account, arn, error) from error
        found = answer["Credentials"]
        keys = (found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
        first = account not in self._kept
        self.minted.add(keys[0])
        self._kept[account] = (keys, datetime.datetime.fromisoformat(found["Expiration"]))
        self._tried.pop(account, None)
        if first and account not in _OPTIONS and not account.startswith(f"{ROOT}:"):
            self._aws.reached(account)
        return keys

    def _ask(self, account: str, arn: str) -> dict[str, t.Any]:
        if account.startswith(f"{ROOT}:"):
            return self._ask_root(account, arn)
        parameters = {"RoleArn": arn, "RoleSessionName": self.name}
        if self._options.get("external_id"):
            parameters["ExternalId"] = str(self._options["external_id"])
        who = str(self._options.get("source_identity") or human(self._aws.caller["arn"]))
        plain = Call(Target("aws", ""), "sts", "AssumeRole", parameters)
        if not who or account in self._plain:
            return self._aws.call(plain)
        try:
            return self._aws.call(Call(Target("aws", ""), "sts", "AssumeRole", {**parameters, "SourceIdentity": who}))
        except CloudError as error:
            if error.code not in _DENIED:
                raise
        answer = self._aws.call(plain)  # its refusal, if it is refused too, is the one that counts
        self._plain.add(account)
        if not answer.get("SourceIdentity"):  # else the caller's session has one, which AWS hands on and lets nobody replace
            self.nameless.add(account)
        return answer

    def _ask_root(self, account: str, arn: str) -> dict[str, t.Any]:
        """AWS takes it of the management account (or a delegated administrator of IAM), at a regional endpoint, for 15 minutes at most."""
        _root, task, number = account.split(":")
        policy = f"arn:{arn.split(':')[1]}:iam::aws:policy/root-task/{task}"
        asked = {"TargetPrincipal": number, "TaskPolicyArn": {"arn": policy}, "DurationSeconds": 900}
        return self._aws.call(Call(Target("aws", MANAGEMENT), "sts", "AssumeRoot", asked))

    def _cannot(self, account: str, arn: str, error: EvictError) -> EvictError:
        if account.startswith(f"{ROOT}:"):
            return EvictError(
                f"{arn} cannot be acted for (sts:AssumeRoot): {error.message}", object=arn, operation="sts:AssumeRoot",
                remedy="it needs centralized root access (IAM console of the management account, Root access management), connection.aws.management_role_arn,"
                " and sts:AssumeRoot for that role (docs/permissions/aws-management.json)",
            )  # fmt: skip
        denied = getattr(error, "code", "") in _DENIED
        remedy = f"check that {arn} exists, that it trusts {self._aws.caller['arn']}, and that this may assume it"
        what, subject = f"account {account} cannot be reached", account
        if account not in _OPTIONS and arn and (state := self._state(account)):
            what = f"account {account} is {state.lower().replace('_', ' ')} and cannot be reached"
            return EvictError(
                f"{what}: {error.message}", object=account, operation="sts:AssumeRole",
                remedy="AWS keeps its users and roles for 90 days and lets nobody change them meanwhile: have it reopened (AWS Support, as root of the"
                " management account), then run again; what its identities may do in other accounts is cut there (trust policies, resource policies)",
            )  # fmt: skip
        if account in _OPTIONS:
            subject = f"connection.aws.{_OPTIONS[account]}"
            what = f"{subject} ({arn}) cannot be assumed"
            remedy = (
                remedy
                if denied
                else f"correct {subject}: the ARN of a role of the management account"
                + (" or of a delegated administrator" if account == IDENTITY_CENTER else "")
            )
        remedy = remedy if denied or not error.remedy else error.remedy
        return EvictError(f"{what}: {error.message}", object=subject, operation="sts:AssumeRole", remedy=remedy)

    def _state(self, account: str) -> str:
        """What the organization says of an account that is not active (SUSPENDED, PENDING_CLOSURE, CLOSED); "" when it is, or nobody knows."""
        try:
            found = self._aws.call(Call(Target("aws", ""), "organizations", "DescribeAccount", {"AccountId": account}))["Account"]
        except EvictError:
            return ""
        state = str(found.get("State") or found.get("Status") or "")
        return "" if state in ("ACTIVE", "PENDING_ACTIVATION") else state

    def warnings(self) -> list[str]:
        if not self.nameless:
            return []
        arns = ", ".join(sorted(self.arn(a) for a in self.nameless)[:3]) + (" …" if len(self.nameless) > 3 else "")
        return [
            f"CloudTrail will not say who ran this in {len(self.nameless)} account(s): neither {arns} nor the caller's policies let a source identity be"
            " set; allow sts:SetSourceIdentity beside sts:AssumeRole in both (docs/permissions)"
        ]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quick scope: what the suspects minted, reached and created, from CloudTrail's event history, to a fixed point."""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
import typing as t
from collections.abc import Callable, Collection

from ..common.errors import EvictError
from ..common.guard import session_arn
from ..common.plan import Target
from . import events, federation, trust
from .session import Aws

READS = events.READS


@dataclasses.dataclass(frozen=True)
class Found:
    """A principal in somebody's trail: ``arn`` (user or role), ``how`` in words; ``session``, ``key`` or ``only`` narrow what is compromised."""

    account: str
    arn: str
    how: str
    source: str = ""  # ARN that reached it
    session: str = ""
    name: str = ""  # under which CloudTrail files the calls of the new key
    key: str = ""
    only: str = ""  # a single credential of an innocent user: its id, or "password"
    kind: str = ""  # of that credential: its name in the registry
    whole: bool = False
    at: str = ""
    by: str = ""  # key id that made the call: whose trail this belongs to
    trust: t.Any = None  # the trust policy that was written, as text
    renamed: str = ""  # the name of the user until then

    @property
    def compromised(self) -> set[str]:
        """Ids of credentials that are in wrong hands because of this."""
        return {self.key, self.only} - {"", "password"}

    @property
    def acted_as(self) -> str:
        """The ARN under which services name what was started with it: of the role session that it opened, or of the user that it made; "" for none."""
        if not self.session:
            return self.arn if self.whole else ""
        return session_arn(self.arn, self.session)


# Calls that give a credential to a user: the kind, the element of the answer that describes it, the field with its id, the field of the request with
# its id, and words. The names are those of IAM's API reference written as CloudTrail writes names (first letter small): documented, not observed, so
# they are compared without regard to case. EnableMFADevice answers with nothing.
_MADE = {
    "UploadSSHPublicKey": ("ssh_public_key", "sSHPublicKey", "sSHPublicKeyId", "", "SSH public key {} uploaded"),
    "CreateServiceSpecificCredential": (
        "service_specific_credential", "serviceSpecificCredential", "serviceSpecificCredentialId", "", "service-specific credential {} created"),
    "ResetServiceSpecificCredential": (
        "service_specific_credential", "serviceSpecificCredential", "serviceSpecificCredentialId", "serviceSpecificCredentialId",
        "service-specific credential {} reset"),
    "UploadSigningCertificate": ("signing_certificate", "certificate", "certificateId", "", "signing certificate {} uploaded"),
    "EnableMFADevice": ("mfa_device", "", "", "serialNumber", "MFA device {} enrolled"),
}  # fmt: skip


def _get(event: events.Event, *path: str) -> t.Any:
    place: t.Any = event
    for part in path:
        place = place.get(part) if isinstance(place, dict) else None
    return place


def _user_arn(event: events.Event, name: str) -> str:
    return f"{_prefix(event)}user/{name}"


def _prefix(event: events.Event) -> str:
    """``arn:<partition>:iam::<account>:`` of the account that the event belongs to."""
    caller = str(_get(event, "userIdentity", "arn") or "arn:aws:")
    partition = caller.split(":")[1] if caller.startswith("arn:") else "aws"
    return f"arn:{partition}:iam::{event.get('recipientAccountId')}:"


def _field(place: t.Any, name: str) -> t.Any:
    """``place[name]``, however it is capitalised; None where there is none."""
    items = place.items() if isinstance(place, dict) and name else ()
    return next((value for key, value in items if str(key).lower() == name.lower()), None)


def _made(event: events.Event, source: str, by: str) -> Found | None:
    """A credential that was given to a user, who is the caller when the request names nobody."""
    kind, element, answered, asked, words = _MADE[str(event.get("eventName"))]
    request, made = event.get("requestParameters"), _field(event.get("responseElements"), element)
    name = str(_field(made, answered) or _field(request, asked) or "")
    owner = str(_field(made, "userName") or _field(request, "userName") or _get(event, "userIdentity", "userName") or "")
    at, account = str(event.get("eventTime")), str(event.get("recipientAccountId"))
    if not name or not owner:
        return None
    how = f"{words.format(name)} by {source} at {at}"
    return Found(account, _user_arn(event, owner), how, source, only=name, kind=kind, at=at, by=by)


def caller_arn(event: events.Event) -> str:
    """ARN of the user or role that made the call (of a session: its issuer's)."""
    issuer = _get(event, "userIdentity", "sessionContext", "sessionIssuer", "arn")
    return str(issuer or _get(event, "userIdentity", "arn") or "")


def read_event(event: events.Event) -> Found | None:
    """What one successful call opened for its caller; None when nothing. Pure."""
    name, at, account = str(event.get("eventName")), str(event.get("eventTime")), str(event.get("recipientAccountId"))
    source, by = caller_arn(event), str(_get(event, "userIdentity", "accessKeyId") or "")
    if event.get("errorCode") or event.get("errorMessage"):
        return None
    if name in _MADE:
        return _made(event, source, by)
    if name == "CreateSession":
        for arn, opened_as, key in federation.sessions(event) if federation.opened(event) else ():
            how = f"opened as {opened_as} through Roles Anywhere at {at}"
            return Found(arn.split(":")[4], arn, how, session=opened_as, key=key, at=at, by=by)
        return None
    if name in ("AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"):
        role, session = (
            str(_get(event, "requestParameters", "roleArn") or ""),
            str(_get(event, "requestParameters", "roleSessionName") or ""),
        )
        if role.count(":") < 5:
            return None
        how = f"assumed as {session} by {source or 'a federated identity'} at {at}"
        return Found(
            role.split(":")[4],
            role,
            how,
            source,
            session=session,
            key=str(_get(event, "responseElements", "credentials", "accessKeyId") or ""),
            at=at,
            by=by,
        )
    if name in ("GetSessionToken", "GetFederationToken"):
        return Found(
            account,
            source,
            f"{name} at {at}",
            source,
            name=str(_get(event, "requestParameters", "name") or _get(event, "userIdentity", "userName") or ""),
            key=str(_get(event, "responseElements", "credentials", "accessKeyId") or ""),
            at=at,
            by=by,
        )
    if name == "CreateAccessKey":
        key = str(_get(event, "responseElements", "accessKey", "accessKeyId") or "")
        owner = str(_get(event, "responseElements", "accessKey", "userName") or _get(event, "requestParameters", "userName") or "")
        return (
            Found(
                account,
                _user_arn(event, owner),
                f"access key {key} created by {source} at {at}",
                source,
                key=key,
                only=key,
                kind="access_key",
                at=at,
                by=by,
            )
            if key and owner
            else None
        )
    if name in ("CreateLoginProfile", "UpdateLoginProfile"):
        owner = str(_get(event, "requestParameters", "userName") or "")
        return (
            Found(
                account,
                _user_arn(event, owner),
                f"console password set by {source} at {at}",
                source,
                only="password",
                kind="login_profile",
                at=at,
                by=by,
            )
            if owner
            else None
        )
    if name == "CreateUser":
        arn = str(_get(event, "responseElements", "user", "arn") or "")
        return Found(account, arn, f"created by {source} at {at}", source, whole=True, at=at, by=by) if arn else None
    if name == "UpdateUser":
        old, new = (str(_get(event, "requestParameters", key) or "") for key in ("userName", "newUserName"))
        how = f"renamed from {old} by {source} at {at}"
        return Found(account, f"{_prefix(event)}user/{new}", how, source, at=at, by=by, renamed=old) if old and new else None
    if name in ("UpdateAssumeRolePolicy", "CreateRole"):
        role = str(_get(event, "requestParameters", "roleName") or "")
        verb = "created" if name == "CreateRole" else "trust policy rewritten"
        return (
            Found(
                account,
                f"{_prefix(event)}role/{role}",
                f"{verb} by {source} at {at}",
                source,
                whole=name == "CreateRole",
                at=at,
                by=by,
                trust=_get(event, "requestParameters", "policyDocument") or _get(event, "requestParameters", "assumeRolePolicyDocument"),
            )
            if role
            else None
        )
    return None


class Scope:
    """Follows key ids and names through every enabled region of their accounts, side by side, until nothing new comes or time is up.

    A name (of a user, of a role session) finds all that was done under it in one look-up, however many sessions there were; what belongs to
    no key in the trail waits, in case that key turns out to be part of it.
    """

    def __init__(
        self, aws: Aws, found: Callable[[Found], None], *, start: str, seconds: float, keep: Collection[tuple[str, str]] = (),
        before: Scope | None = None, theirs: Callable[[events.Event], bool] = lambda _event: False,
    ) -> None:  # fmt: skip
        self._aws, self._found, self._start = aws, found, start
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._lock = threading.Condition(threading.RLock())
        self._asked: set[tuple[str, str, str]] = set()
        self._queues: dict[tuple[str, str], queue.SimpleQueue[tuple[str, str] | None]] = {}
        self._regions: dict[str, list[str]] = {}
        self._open = 0
        self._trail: set[str] = set()  # key ids, ARNs of users and of role sessions that are the attacker's
        self._parked: dict[str, list[events.Event]] = {}
        self._open_roles: set[str] = set()  # that let strangers in: a suspect made them, or wrote their trust policy
        self.seen: set[str] = set()  # ids of events
        self.newest = ""  # eventTime of the newest one
        self.gaps: list[str] = []  # what could not be read
        self._keep = frozenset(keep)
        self._theirs: Callable[[events.Event], bool] = (
            before._theirs if before else theirs
        )  # calls that are no attacker's: nothing that they opened is followed
        self.kept: list[events.Event] = []  # successful calls of the attacker whose (eventSource, eventName) was to be kept
        self._asked_before = before._asked if before else set()
        if before:  # a later look: what is known stays known, and is not reported again
            self._regions, self._trail, self._parked, self._open_roles = before._regions, before._trail, before._parked, before._open_roles
            self.seen, self.newest, self.gaps, self._keep, self.kept = before.seen, before.newest, before.gaps, before._keep, before.kept

    def belongs(self, *who: str) -> None:
        """From now on calls of these are the attacker's: key ids, user ARNs, session ARNs. Events that waited for one of them are taken."""
        with self._lock:
            new = [w for w in who if w and w not in self._trail]
            self._trail.update(new)
            waiting = [event for w in new for event in self._parked.pop(w, ())]
        for event in waiting:
            self._report(event)

    def ask_again(self) -> None:
        """Everything that the look before this one asked: more may have happened since."""
        for account, attribute, value in sorted(self._asked_before):
            self.ask(account, attribute, value)

    def strangers(self, account: str, role: str) -> None:
        """Look up who came to ``role`` (ARN) from other accounts: those sessions are the attacker's."""
        with self._lock:
            self._open_roles.add(role)
        self.ask(account, "ResourceName", role.rsplit("/", 1)[-1])
        self.ask(account, "ResourceName", role)  # CloudTrail names the role of an AssumeRole by its ARN

    def _stranger(self, event: events.Event) -> bool:
        role = str(_get(event, "requestParameters", "roleArn") or "")
        caller = str(_get(event, "userIdentity", "accountId") or "")
        if (
            not str(event.get("eventName", "")).startswith("AssumeRole")
            or role not in self._open_roles
            or caller in ("", role.split(":")[4])
        ):
            return False
        return not trust.in_organization(self._aws, caller)

    def knows(self, *who: str) -> bool:
        """Whether one of these (key ids, ARNs) is the attacker's."""
        with self._lock:
            return not self._trail.isdisjoint(w for w in who if w)

    def ask(self, account: str, attribute: str, value: str) -> None:
        """Look up ``value`` in all regions of ``account``; asked once."""
        with self._lock:
            if not value or (account, attribute, value) in self._asked:
                return
            self._asked.add((account, attribute, value))
            self._open += 1
        threading.Thread(target=self._spread, args=(account, attribute, value), daemon=True).start()

    def _spread(self, account: str, attribute: str, value: str) -> None:
        try:
            with self._lock:
                names = self._regions.get(account)
            if names is None:
                names = events.regions(self._aws, account)
                with self._lock:
                    self._regions[account] = names
            for region in names:
                self._worker(account, region).put((attribute, value))
        except EvictError as error:
            self._gap(f"{account}: {error.message}")
        finally:
            self._close()

    def _worker(self, account: str, region: str) -> queue.SimpleQueue[tuple[str, str] | None]:
        """One thread per account and region: AWS's limit of two requests a second holds for each of them."""
        with self._lock:
            self._open += 1
            if (account, region) not in self._queues:
                self._queues[account, region] = queue.SimpleQueue()
                threading.Thread(target=self._work, args=(account, region), daemon=True).start()
            return self._queues[account, region]

    def _work(self, account: str, region: str) -> None:
        waiting = self._queues[account, region]
        while (job := waiting.get()) is not None:
            try:
                if time.monotonic() >= self._deadline:
                    self._gap(f"{account} {region}: time was up before {job[1]} was looked up")
                    continue
                for event in events.lookup(self._aws, Target("aws", account, region), *job, start=self._start, deadline=self._deadline):
                    self._take(event)
            except EvictError as error:
                self._gap(f"{account} {region}: {error.message}")
            finally:
                self._close()

    def _take(self, event: events.Event) -> None:
        who = [w for w in (str(_get(event, "userIdentity", "accessKeyId") or ""), str(_get(event, "userIdentity", "arn") or "")) if w]
        who += federation.ways(event)
        stranger = self._stranger(event)
        with self._lock:
            if event.get("eventID") in self.seen:
                return
            self.seen.add(str(event.get("eventID")))
            if self._trail.isdisjoint(who) and not stranger:
                for w in who:
                    self._parked.setdefault(w, []).append(event)
                return
        self._report(event)

    def _report(self, event: events.Event) -> None:
        with self._lock:
            self.newest = max(self.newest, str(event.get("eventTime") or ""))
            if self._theirs(event):
                return
            if (event.get("eventSource"), event.get("eventName")) in self._keep and not event.get("errorCode"):
                self.kept.append(event)
        if way := federation.made(event):
            self.belongs(way[0])
            self.ask(str(event.get("recipientAccountId")), "EventName", way[1])
        if found := read_event(event):
            self._found(found)

    def _gap(self, text: str) -> None:
        with self._lock:
            if text not in self.gaps:
                self.gaps.append(text)

    def _close(self) -> None:
        with self._lock:
            self._open -= 1
            self._lock.notify_all()

    @property
    def quiet(self) -> bool:
        """Nothing is being looked up, or time is up."""
        with self._lock:
            return self._open == 0 or time.monotonic() >= self._deadline

    def wait(self) -> None:
        """Until what was asked so far is looked up, or time is up. What is found may lead to more: look at ``quiet`` once that is dealt with."""
        with self._lock:
            self._lock.wait_for(lambda: self._open == 0, timeout=max(0.0, self._deadline - time.monotonic()))

    def stop(self) -> None:
        """End the threads; what was not looked up is named as a gap."""
        with self._lock:
            if self._open:
                self._gap(f"the quick scope ended after {self._seconds:.0f} s before everything was looked up")
        for waiting in list(self._queues.values()):
            waiting.put(None)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who made a change of IAM: the newest event of CloudTrail's history that is about the object and the facet.

Events show up minutes after the call, so that nobody is found at first means nothing.
"""

from __future__ import annotations

import time
import typing as t
from collections.abc import Collection, Iterable, Iterator

from ..common.errors import EvictError
from ..common.guard import identity, kind_of
from ..common.plan import Target
from . import events, identity_providers, own, trust
from .account_state import Change
from .scope import caller_arn, read_event
from .session import Aws

if t.TYPE_CHECKING:
    from ..common.case import Case

READS = ("cloudtrail:LookupEvents",)
_GLOBAL = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}  # where a partition files its calls of IAM
_CALLS = {
    "inline": ("Put{}Policy", "Delete{}Policy"),
    "attached": ("Attach{}Policy", "Detach{}Policy"),
    "group": ("AddUserToGroup", "RemoveUserFromGroup"),
    "boundary": ("Put{}PermissionsBoundary", "Delete{}PermissionsBoundary"),
    "trust": ("UpdateAssumeRolePolicy",),
    "key": ("CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"),
    "password": ("CreateLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile"),
    "name": ("UpdateUser",),
    "profile": ("AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile"),
    "metadata": ("UpdateSAMLProvider",),
    "thumbprints": ("UpdateOpenIDConnectProviderThumbprint",),
    "client": ("AddClientIDToOpenIDConnectProvider", "RemoveClientIDFromOpenIDConnectProvider"),
    "version": ("CreatePolicyVersion", "SetDefaultPolicyVersion"),
    "created": ("Create{}", "Delete{}"),
}
_TAKES = ("Delete", "Detach", "Remove")  # how the calls begin after which something is gone
_BOTH_WAYS = (
    "inline",
    "attached",
    "group",
    "boundary",
    "key",
    "password",
    "profile",
    "client",
    "created",
)  # that come and go by different calls
_MOST, _LINKS = 60, 12  # keys that are followed, and links of a chain of sessions
# The names that CloudTrail gives to what the facet's own name says; compared where the event has them.
_NAMED = {
    "inline": "policyName",
    "attached": "policyArn",
    "group": "groupName",
    "key": "accessKeyId",
    "profile": "instanceProfileName",
    "client": "clientID",
}


def global_region(aws: Aws) -> str:
    """Where CloudTrail files the calls of IAM."""
    return _GLOBAL.get(aws.partition, "us-east-1")


def calls(change: Change) -> set[str]:
    """Names of the events that can have made ``change``."""
    kind = kind_of(change.arn)
    noun = {"oidc-provider": "OpenIDConnectProvider", "saml-provider": "SAMLProvider"}.get(kind, kind.capitalize())
    return {name.format(noun) for name in _CALLS.get(change.facet.partition("/")[0], ())}


class Authors:
    """Of the changes of one account since ``start`` (RFC 3339). The responder's own calls, by its keys, are none of an author's.

    Whoever else acts as the responder, under whatever name, is somebody else.
    """

    def __init__(self, aws: Aws, case: Case, account: str, start: str, seconds: float = 15.0) -> None:
        self._target = Target("aws", account, global_region(aws))
        self._aws, self._case, self._account, self._start = aws, case, account, start
        self._deadline = time.monotonic() + seconds
        self._own: dict[str, bool] = {}  # access key id -> whether it is the responder's
        self._events: dict[str, list[events.Event]] = {}
        self.gaps: list[str] = []

    def of(self, change: Change) -> events.Event | None:
        """The newest event of somebody else that can have made ``change``; None when none is there (yet).

        Not one of the other direction: that the newest event is there, and the one that left it as it is now not yet, is what late logs look like.
        """
        return next((event for event in self.all_of(change) if left_it_so(change, event)), None)

    def all_of(self, change: Change) -> Iterator[events.Event]:
        """All of somebody else that touched the place, newest first; of a key those that left it as it is."""
        name = change.arn if kind_of(change.arn) == "policy" else change.arn.rsplit("/", 1)[-1]
        wanted, kind, part = calls(change), change.facet.partition("/")[0], change.facet.partition("/")[2]
        of_provider = kind_of(change.arn) in identity_providers.KINDS
        for event in self._of_provider(change.arn, wanted) if of_provider else self._about(name):
            request = event.get("requestParameters") or {}
            if event.get("eventName") not in wanted or event.get("errorCode"):
                continue
            if part and kind in _NAMED and request.get(_NAMED[kind], part) != part:
                continue
            if kind == "key" and change.after is not None and request.get("status", change.after) != change.after:
                continue
            if not self._is_own(event):
                yield event

    def minted(self, keys: Iterable[str], names: Iterable[str]) -> set[str]:
        """``keys`` (access key ids) and every key id that was minted with them or by users of ``names``, and with those in turn, as the log tells."""
        found, todo = set(keys), [*(("AccessKeyId", key) for key in keys), *(("Username", name) for name in names)]
        for attribute, value in todo:  # it grows
            try:
                for event in events.lookup(self._aws, self._target, attribute, value, self._start, self._deadline):
                    opened = read_event(event)
                    if opened and opened.key and opened.key not in found and len(found) < _MOST:
                        found.add(opened.key)
                        todo.append(("AccessKeyId", opened.key))
            except EvictError as error:
                self.gaps.append(error.message)
        return found

    def comes_from(self, key: str, suspects: Collection[str]) -> bool:
        """Whether ``key`` (an access key id) was minted by one of ``suspects`` (key ids, identities), or with what one of them had minted, link by link.

        Backwards from one key: forwards there may be hundreds, and CloudTrail answers two requests a second.
        """
        for _link in range(_LINKS):
            issued = [event for event in self._about(key) if (opened := read_event(event)) and opened.key == key] if key else []
            if not issued:
                return False
            key = str((issued[0].get("userIdentity") or {}).get("accessKeyId") or "")
            if key in suspects or identity(caller_arn(issued[0])) in suspects or self._stranger(issued[0]):
                return True
        return False

    def _stranger(self, event: events.Event) -> bool:
        """Whether the caller is of another account that is not in our organization: whoever let it in, it has no business here."""
        account = str((event.get("userIdentity") or {}).get("accountId") or "")
        return account not in ("", self._account) and not trust.in_organization(self._aws, account)

    def _is_own(self, event: events.Event) -> bool:
        who = event.get("userIdentity") or {}
        key = str(who.get("accessKeyId") or "")
        if identity(str(who.get("arn") or "")) not in map(identity, (self._aws.caller["arn"], self._aws.responder_arn(self._account))):
            return False
        if key not in self._own:
            self._own[key] = own.is_own(self._aws, self._case, key)
        return self._own[key]

    def _of_provider(self, arn: str, wanted: Iterable[str]) -> list[events.Event]:
        """By the calls' names, which are rare: under which name CloudTrail files a provider differs from call to call."""
        found = [event for name in sorted(wanted) for event in self._about(name, "EventName")]
        return [event for event in found if _names(event, arn)]

    def _about(self, name: str, attribute: str = "ResourceName") -> list[events.Event]:
        if name not in self._events:
            found: list[events.Event] = []
            try:
                found.extend(events.lookup(self._aws, self._target, attribute, name, self._start, self._deadline))
            except EvictError as error:
                self.gaps.append(error.message)
            self._events[name] = found
        return self._events[name]


def left_it_so(change: Change, event: events.Event) -> bool:
    """Whether a call that touches the place leaves it as ``change`` has it: there, or gone."""
    if change.facet.partition("/")[0] not in _BOTH_WAYS:
        return True
    return str(event.get("eventName")).startswith(_TAKES) == (change.after is None)


def _names(event: events.Event, arn: str) -> bool:
    """Whether an event's request or answer names the provider: by its ARN, by its name, or by the URL that its ARN ends with."""
    values = [v for part in ("requestParameters", "responseElements") for v in (event.get(part) or {}).values() if isinstance(v, str)]
    tail = arn.split("provider/", 1)[-1]
    return any(value in (arn, tail) or value.removeprefix("https://").rstrip("/") == tail for value in values)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one successful call in Entra or Azure opened. Read from the record as it came, in Graph's shape or that of diagnostic settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .model import NARROW, SKEW, WIDE, Act, Match, Node, at, items, opened, text

_KEY_ID = re.compile(r"KeyIdentifier=([0-9a-fA-F-]{36})")


def _targets(act: Act) -> list[object]:
    return items(act.written("targetResources") or act.written("properties", "targetResources"))


def _credential(act: Act) -> Iterator[Node]:
    """Keys and passwords that an application or its service principal has since, and had not before."""
    for target in _targets(act):
        for change in items(at(target, "modifiedProperties")):
            if "KeyDescription" not in text(at(change, "displayName")):
                continue
            old, new = (set(_KEY_ID.findall(text(at(change, name), 100_000))) for name in ("oldValue", "newValue"))
            for uid in sorted(new - old):
                yield opened(
                    act,
                    "app_credential",
                    uid.lower(),
                    text(at(target, "id")),
                    matches=tuple(Match("credential", one) for one in sorted({uid, uid.lower()})),
                )


def _created(kind: str) -> Callable[[Act], Iterator[Node]]:
    """``kind`` of object that is the attacker's from its first moment."""

    def make(act: Act) -> Iterator[Node]:
        for target in _targets(act):
            uid = text(at(target, "id"))
            if uid and text(at(target, "type")).lower() in ("", "user", "application", "serviceprincipal", "other"):
                since = act.time - SKEW
                matches = (Match("actor", uid, WIDE, since=since), Match("actor_id", uid, WIDE, since=since))
                yield opened(
                    act, kind, uid, text(at(target, "userPrincipalName") or at(target, "displayName")), matches=matches, whole=True
                )

    return make


def _password(act: Act) -> Iterator[Node]:
    """A password that was set for somebody else: sign-ins from elsewhere than the user's own networks."""
    for target in _targets(act):
        uid, name = text(at(target, "id")), text(at(target, "userPrincipalName"))
        if uid and text(at(target, "type")).lower() in ("", "user"):
            matches = [Match("actor", uid, WIDE, "foreign", since=act.time - SKEW)]
            matches += [Match("actor_id", name, WIDE, "foreign", since=act.time - SKEW)] if name else []
            yield opened(act, "user", uid, name, sure=90, matches=tuple(matches))


def _sign_in(act: Act) -> Iterator[Node]:
    """An application signed in with a credential that is the attacker's: what it does from the attacker's addresses then."""
    ids = dict.fromkeys(text(act.written(*path)) for path in (
        ("servicePrincipalId",), ("properties", "servicePrincipalId"), ("appId",), ("properties", "appId")))  # fmt: skip
    matches = tuple(Match(handle, uid, NARROW, "attacker", since=act.time - SKEW) for uid in ids if uid for handle in ("actor", "actor_id"))
    if matches and act.node.kind == "app_credential":
        yield opened(act, "app", matches[0].value, text(act.written("servicePrincipalName")), sure=90, matches=matches)


_BY_NAME: dict[str, Callable[[Act], Iterator[Node]]] = {
    "Add service principal credentials": _credential,
    "Update application – Certificates and secrets management": _credential,
    "Update application – Certificates and secrets management ": _credential,
    "Update application - Certificates and secrets management": _credential,
    "Update service principal": _credential,
    "Update application": _credential,
    "Add application": _created("app"),
    "Add service principal": _created("app"),
    "Add user": _created("user"),
    "Invite external user": _created("user"),
    "Reset user password": _password,
    "Reset password (by admin)": _password,
    "Sign-in activity": _sign_in,
    "ServicePrincipalSignInLogs": _sign_in,
    "signIn": _sign_in,
}
OPENERS: dict[tuple[str, str], Callable[[Act], Iterator[Node]]] = {("", name): opener for name, opener in _BY_NAME.items()}

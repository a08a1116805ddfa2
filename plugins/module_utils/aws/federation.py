# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that no identity of the account opened: SAML, OIDC, Roles Anywhere, strangers.

CloudTrail files the opening under whoever they are elsewhere, so it is tied to the trail by what it went through: an identity provider, trust anchor or
profile that the attacker made, or a role that the attacker made.
Fields: CloudTrail's documented examples of these events; the bed has none of them.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

Event = Mapping[str, t.Any]
_STS, _ANYWHERE = "sts.amazonaws.com", "rolesanywhere.amazonaws.com"
_ASSUME = ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")
# Calls that make a way in: (the path of its ARN in the answer, the events that go through it). One that changes or enables a way makes none: others use it too.
_WAYS: dict[str, tuple[tuple[str, ...], str]] = {
    "CreateSAMLProvider": (("sAMLProviderArn",), "AssumeRoleWithSAML"),
    "CreateOpenIDConnectProvider": (("openIDConnectProviderArn",), "AssumeRoleWithWebIdentity"),
    "CreateProfile": (("profile", "profileArn"), "CreateSession"),
    "CreateTrustAnchor": (("trustAnchor", "trustAnchorArn"), "CreateSession"),
}


def _at(place: t.Any, *path: str) -> t.Any:
    """The value at ``path``, however its names are capitalised."""
    for part in path:
        items = place.items() if isinstance(place, Mapping) else ()
        place = next((value for key, value in items if str(key).lower() == part.lower()), None)
    return place


def opened(event: Event) -> bool:
    """Whether it is the opening of a session by somebody who is no AWS identity."""
    name, source = event.get("eventName"), event.get("eventSource")
    return name in _ASSUME or (name == "CreateSession" and source == _ANYWHERE)


def ways(event: Event) -> list[str]:
    """ARNs through which such a session was opened, and of the role: it belongs to whoever made one of them. Strangers of other accounts open by AssumeRole."""
    if not opened(event) and event.get("eventName") != "AssumeRole":
        return []
    named = [_at(event, "requestParameters", name) for name in ("roleArn", "principalArn", "profileArn", "trustAnchorArn")]
    return [str(arn) for arn in (*named, _at(event, "userIdentity", "identityProvider")) if str(arn or "").startswith("arn:")]


def made(event: Event) -> tuple[str, str] | None:
    """(ARN of the way in that this call made, name of the events that go through it); None when it made none."""
    path, through = _WAYS.get(str(event.get("eventName")), ((), ""))
    anywhere = through == "CreateSession"
    if not path or event.get("errorCode") or (anywhere and event.get("eventSource") != _ANYWHERE):
        return None
    arn = str(_at(event.get("responseElements"), *path) or "")
    return (arn, through) if arn else None


def sessions(event: Event) -> Iterator[tuple[str, str, str]]:
    """(role ARN, session name, key id) of each session that Roles Anywhere answered with; the name is the certificate's serial number, or a chosen one."""
    answered = _at(event.get("responseElements"), "credentialSet")
    for entry in answered if isinstance(answered, list) else ():
        arn, role = str(_at(entry, "assumedRoleUser", "arn") or ""), str(_at(entry, "roleArn") or "")
        role = role or str(_at(event.get("requestParameters"), "roleArn") or "")
        if role.count(":") >= 5 and arn.count("/") >= 2:
            yield role, arn.split("/", 2)[2], str(_at(entry, "credentials", "accessKeyId") or "")

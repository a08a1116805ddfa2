# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM Roles Anywhere (T1098.001): who holds a certificate opens sessions of a role, whatever happens to users and keys.

A profile or trust anchor that a suspect made is switched off, and its revocation list too (a new list cannot be trusted to say who is out).
Those of others stay: they are named where they lead to a contained role that is not denied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Phase, Probe, Step, Target
from ...common.reader import Reader
from ..quarantine import trusted_by
from .kind import Event, Live, Suspects, named

KIND = "roles_anywhere"
NOUN = "Roles Anywhere profiles and trust anchors"
ACCESS = "Roles Anywhere session"
LISTED = True
EVENTS: frozenset[tuple[str, str]] = frozenset(
    ("rolesanywhere.amazonaws.com", name) for name in ("CreateProfile", "CreateTrustAnchor", "ImportCrl")
)
READS: tuple[str, ...] = (
    "rolesanywhere:ListProfiles", "rolesanywhere:ListTrustAnchors", "rolesanywhere:GetProfile", "rolesanywhere:GetTrustAnchor", "rolesanywhere:GetCrl",
)  # fmt: skip
SERVICE = "rolesanywhere.amazonaws.com"
_ABSENT = ("ResourceNotFoundException",)


def wanted(who: Suspects, account: str) -> bool:
    """Whether a contained role of the account can be reached so: no other account has to be asked."""
    return any(p.account == account and p.kind == "role" and SERVICE in trusted_by(p.facts)["Service"] for p in who.all)


def _get(target: Target, noun: str, name: str) -> Call:
    if noun == "profile":
        return Call(target, "rolesanywhere", "GetProfile", {"profileId": name})
    if noun == "trustAnchor":
        return Call(target, "rolesanywhere", "GetTrustAnchor", {"trustAnchorId": name})
    return Call(target, "rolesanywhere", "GetCrl", {"crlId": name})


def _switch(target: Target, noun: str, name: str, on: bool) -> Call:
    if noun == "profile":
        return Call(target, "rolesanywhere", "EnableProfile" if on else "DisableProfile", {"profileId": name})
    if noun == "trustAnchor":
        return Call(target, "rolesanywhere", "EnableTrustAnchor" if on else "DisableTrustAnchor", {"trustAnchorId": name})
    return Call(target, "rolesanywhere", "EnableCrl" if on else "DisableCrl", {"crlId": name})


def _probe(target: Target, noun: str, name: str) -> Probe:
    return Probe(_get(target, noun, name), (noun, "enabled"), _ABSENT)


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> list[Live]:
    """What the suspects made and is switched on; and, of others, the profiles that lead to a contained role."""
    events, lives, mine = list(started), [], set()
    for noun in ("profile", "trustAnchor", "crl"):
        for name, principal in named(who, events, noun, f"{noun}Id").items():
            mine.add(name)
            if reader.read(_probe(target, noun, name)):
                lives.append(Live(target, name, principal.arn, f"Roles Anywhere {noun} {name} in {target.region}", {"noun": noun}))
    return [*lives, *_leading(target, who, mine, reader)] if wanted(who, target.account) else lives


def _leading(target: Target, who: Suspects, mine: set[str], reader: Reader) -> list[Live]:
    profiles = [
        p
        for p in reader.get(Call(target, "rolesanywhere", "ListProfiles", {})).get("profiles", [])
        if p.get("enabled") and p.get("profileId") not in mine
    ]
    roles = {p.arn: p for p in who.all if p.kind == "role" and not who.denied(p)}
    leading = [(p, roles[arn]) for p in profiles for arn in p.get("roleArns", []) if arn in roles]
    if not leading:
        return []
    anchors = reader.get(Call(target, "rolesanywhere", "ListTrustAnchors", {})).get("trustAnchors", [])
    names = ", ".join(sorted(str(a.get("name") or a.get("trustAnchorId")) for a in anchors if a.get("enabled"))) or "none"
    return [
        Live(
            target, str(profile["profileId"]), role.arn, f"Roles Anywhere profile {profile.get('name')} in {target.region}",
            why=f"certificates of its trust anchors ({names}) open sessions of {role.arn}: revoke the suspect certificate, or disable the profile",
        )
        for profile, role in leading
    ]  # fmt: skip


def steps(live: Live) -> Iterator[Step]:
    """Switched off; on again by a release."""
    noun = live.data["noun"]
    yield Step(
        id=f"{live.principal}#live/{KIND}/{live.target.region}/{noun}/{live.id}", principal=live.principal, resource=live.text, action="disable",
        phase=Phase.RESOURCE, before=True, after=False, do=(_switch(live.target, noun, live.id, on=False),),
        undo=(_switch(live.target, noun, live.id, on=True),), probe=_probe(live.target, noun, live.id),
    )  # fmt: skip

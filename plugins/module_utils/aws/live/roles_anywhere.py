# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM Roles Anywhere (T1098.001): who holds a certificate opens sessions of a role, whatever happens to users and keys.

A profile or trust anchor that a suspect made is switched off, and its revocation list too (a new list cannot be trusted to say who is out).
Those of others stay: they are named where a suspect changed them or switched them on, and where they lead to a contained role that is not denied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ...common.plan import Call, Phase, Probe, Step, Target
from ...common.reader import Reader
from ..each import each
from ..principal import Principal
from ..quarantine import trusted_by
from .kind import Event, Live, Suspects, field, named

KIND = "roles_anywhere"
NOUN = "Roles Anywhere profiles and trust anchors"
ACCESS = "Roles Anywhere session"
LISTED = True
SERVICE = "rolesanywhere.amazonaws.com"
_NOUNS = ("profile", "trustAnchor", "crl")
_MADE = ("CreateProfile", "CreateTrustAnchor", "ImportCrl")
_OPENED = ("UpdateProfile", "UpdateTrustAnchor", "EnableProfile", "EnableTrustAnchor")
_TAKEN = ("UpdateCrl", "DisableCrl", "DeleteCrl")  # a certificate that it had revoked opens sessions again
EVENTS: frozenset[tuple[str, str]] = frozenset((SERVICE, name) for name in (*_MADE, *_OPENED, *_TAKEN))
READS: tuple[str, ...] = (
    "rolesanywhere:ListProfiles", "rolesanywhere:ListTrustAnchors", "rolesanywhere:GetProfile", "rolesanywhere:GetTrustAnchor", "rolesanywhere:GetCrl",
)  # fmt: skip
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


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """What the suspects made and is switched on; what of others they changed; and, of others, the profiles that lead to a contained role."""
    events = list(started)
    mine = {noun: named(who, [e for e in events if e.get("eventName") in _MADE], noun, f"{noun}Id") for noun in _NOUNS}

    def made(noun: str) -> Iterator[Live]:
        return each(mine[noun], lambda name: one(noun, name))

    def one(noun: str, name: str) -> Iterator[Live]:
        if reader.read(_probe(target, noun, name)):
            yield Live(target, name, mine[noun][name].arn, f"Roles Anywhere {noun} {name} in {target.region}", {"noun": noun})

    def changed(noun: str) -> Iterator[Live]:
        return _changed(target, who, noun, [e for e in events if e.get("eventName") not in _MADE], set(mine[noun]), reader)

    def leading(_noun: str) -> list[Live]:
        return _leading(target, who, set(mine["profile"]), reader) if wanted(who, target.account) else []

    looks: list[tuple[Callable[[str], Iterable[Live]], str]] = [(look, noun) for look in (made, changed) for noun in _NOUNS]
    return each([*looks, (leading, "")], lambda pair: pair[0](pair[1]))


def _changed(target: Target, who: Suspects, noun: str, events: list[Event], mine: set[str], reader: Reader) -> Iterator[Live]:
    """What a suspect changed or switched on, and did not make: others use it, so it stays, and what was in it before nobody here knows."""
    calls: dict[str, list[tuple[str, Principal]]] = {}
    for event in events:
        name = field(event.get("responseElements"), noun, f"{noun}Id") or field(event.get("requestParameters"), f"{noun}Id")
        if name and name not in mine and (caller := who.caller(event)):
            calls.setdefault(name, []).append((str(event.get("eventName")), caller))

    def one(name: str) -> Iterator[Live]:
        said = ", ".join(dict.fromkeys(call for call, _caller in calls[name]))
        on = reader.read(_probe(target, noun, name))
        if noun != "crl":
            why = "look whom it lets in and to which roles, and disable it if that is not as it was" if on else ""
        elif on and said == "DisableCrl":
            why = ""  # somebody has switched it on again
        else:
            why = "certificates that it had revoked may open sessions again, so import it anew"
        if why:
            yield Live(target, name, calls[name][-1][1].arn, f"Roles Anywhere {noun} {name} in {target.region}",
                       why=f"a suspect called {said} on it: {why}")  # fmt: skip

    return each(calls, one)


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

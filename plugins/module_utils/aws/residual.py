# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Residual access: until when something could still act although the run is over, and why. What a control demonstrably holds is not listed."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Iterable

from ..common.guard import identity, kind_of
from .live.kind import BY_HAND
from .principal import Principal
from .quarantine import LONGEST, trusted_by
from .session import iso

if t.TYPE_CHECKING:
    from .contain import Containment

Row = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Token:
    """One kind of token. ``lasts``: at most (None: until somebody ends it; 0: no clock of its own); ``held_by``: what stops it before."""

    lasts: datetime.timedelta | None
    held_by: str


def _hours(number: float) -> datetime.timedelta:
    return datetime.timedelta(hours=number)


# Sources: the STS, IAM, EKS, Identity Center, S3 and CloudFront documentation. "deny": a deny of its identity, and the session cutoff.
TOKENS: dict[str, Token] = {
    "access key": Token(None, "deny, deactivation"),
    "console password": Token(None, "deny, deletion"),
    "GetSessionToken session": Token(_hours(36), "deny, cutoff; not the deactivation of the key"),
    "GetFederationToken session": Token(_hours(36), "deny, cutoff; not the deactivation of the key"),
    "console session": Token(_hours(12), "deny, cutoff"),
    "role session": Token(_hours(12), "deny, cutoff"),
    "chained role session": Token(_hours(1), "deny, cutoff"),
    "SAML role session": Token(_hours(12), "deny, cutoff"),
    "OIDC role session": Token(_hours(12), "deny, cutoff"),
    "Roles Anywhere session": Token(_hours(12), "deny, cutoff"),
    "service-held role session": Token(_hours(12), "deny, cutoff"),
    "Identity Center session": Token(None, "a policy of the permission set or above the account"),
    "portal session": Token(
        datetime.timedelta(days=90), "whoever ends it in the console; a role session minted from it, what holds its person"
    ),
    "presigned S3 URL": Token(_hours(0), "whatever holds its signer: S3 asks IAM each time"),
    "CloudFront signed URL": Token(None, "the removal of the public key from its key group"),
    "EKS token": Token(_hours(0.25), "the removal of the access entry; its signer makes another as long as its session lasts"),
    "signed GetCallerIdentity": Token(
        _hours(0), "nothing in IAM: it lasts as long as its session, and the deactivation of a key ends the key's"
    ),
    "live process": Token(None, "whoever stops it"),
    "root credential": Token(None, "a service control policy, in a member account"),
}
_USER_SESSIONS = ("GetSessionToken session", "GetFederationToken session", "console session")
_SET_BY_ROLE = ("role session", "SAML role session", "OIDC role session", "Roles Anywhere session")  # by its MaxSessionDuration
_WORD = "re-assumed"


def row(object: str, token_kind: str, until: str, why: str) -> Row:
    return {"object": object, "token_kind": token_kind, "until": until, "why": why}


def ends(kind: str, since: datetime.datetime) -> str:
    """When the last token of ``kind`` that there was at ``since`` runs out."""
    lasts = TOKENS[kind].lasts
    return BY_HAND if lasts is None else iso(since + lasts)


def rests_on(kind: str, principal: Principal) -> str:
    """What the clock of a token of it rests on, to stand behind a reason; "" for what nobody can set."""
    if kind == "chained role session":
        return "; a session that was made with a role's lasts 1 h, and the role's trust policy names nothing but roles now"
    seconds = int(principal.facts.get("MaxSessionDuration") or 0)
    if kind not in _SET_BY_ROLE or not 0 < seconds < LONGEST.total_seconds():
        return ""
    most = f"{LONGEST.total_seconds() / 3600:g} h is the most that STS gives"
    return f"; {most}: the role's MaxSessionDuration is {seconds / 3600:g} h now, and may have been more"


def kinds_of(principal: Principal) -> list[str]:
    """Which tokens of the principal there may be: of a role by the ways that its trust policy has."""
    if principal.kind == "user":
        return ["access key", *_USER_SESSIONS]
    trust = trusted_by(principal.facts)
    chained = not principal.planted and all(kind_of(name) in ("role", "assumed-role") for name in trust["AWS"])
    found = ["chained role session" if chained else "role session"] if trust["AWS"] else []
    for provider in trust["Federated"]:
        found.append("SAML role session" if kind_of(provider) == "saml-provider" else "OIDC role session")
    for service in trust["Service"]:
        found.append("Roles Anywhere session" if service.startswith("rolesanywhere.") else "service-held role session")
    return list(dict.fromkeys(found)) or ["role session"]


def of(run: Containment, principal: Principal, claim: dict[str, t.Any]) -> list[Row]:
    """The rows of one principal, after what the run claims of it."""
    if run.runner.check:
        return []
    if principal.only:
        return _unlisted(run, principal, BY_HAND, "could not be listed")
    if claim["action"] == "contained":
        return _unheld(run, principal)
    if _WORD in claim["action"]:
        return _again(run, principal, claim) + _unheld(run, principal)
    if "not yet spread" in claim["action"]:
        return [row(principal.arn, "any credential of it", "it has spread", claim["action"]), *_unheld(run, principal)]
    if rows := _unlisted(run, principal, "the deny is lifted", "could not be listed; the deny holds them meanwhile"):
        return rows + _unheld(run, principal)
    now = run.aws.now()
    return [row(principal.arn, kind, ends(kind, now), claim["action"] + rests_on(kind, principal)) for kind in kinds_of(principal)]


def _unlisted(run: Containment, principal: Principal, until: str, why: str) -> list[Row]:
    unknown = sorted(run.unknown.get(identity(principal.arn), ()))
    return [row(principal.arn, ", ".join(unknown), until, why)] if unknown else []


def _again(run: Containment, role: Principal, claim: dict[str, t.Any]) -> list[Row]:
    """A role whose source is open: each way in that its trust policy has is a kind of token."""
    denied = run.roles.actions[identity(role.arn)].action == "deny"
    until = "none while denied" if denied else "its source is closed"
    return [row(role.arn, kind, until, claim["action"]) for kind in kinds_of(role)]


def _unheld(run: Containment, principal: Principal) -> list[Row]:
    """What no deny reaches: a session that is known signs GetCallerIdentity until it runs out, and EKS, Vault and their like take that for an identity."""
    sessions = {key for key in principal.compromised if key.startswith("ASIA")} or principal.sessions
    if not (sessions or identity(principal.arn) in run.minted):
        return []
    since = run.after.minted_until(principal)
    until, kind = max((ends(kind, since), kind) for kind in kinds_of(principal) if TOKENS[kind].lasts is not None)
    return [signing(principal.arn, until, rests_on(kind, principal))]


def signing(arn: str, until: str, rests: str = "") -> Row:
    """What a denied session still can."""
    why = (
        "its denied session can still sign GetCallerIdentity, which no policy denies: EKS (aws-auth), Vault and whatever else trusts that must be told"
        " to refuse it"
    )
    return row(arn, "signed GetCallerIdentity", until, why + rests)


def refused(entries: Iterable[dict[str, str]]) -> list[Row]:
    """Rows of what a guard kept us from: nothing holds it."""
    guards = {"guard Identity Center role": "Identity Center session", "guard root": "root credential"}
    return [row(e["object"], guards[e["operation"]], BY_HAND, e["message"]) for e in entries if e["operation"] in guards]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity fence: which deny a user or role gets, and why."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Iterable, Iterator

from ..common.plan import Phase, Step
from ..common.reader import Reader
from . import policy
from .principal import Principal
from .session import iso, parse

READS = ("iam:GetUserPolicy", "iam:GetRolePolicy")
_QUIET_DAYS = 90
LONGEST = datetime.timedelta(hours=12)  # of a role session, whoever makes it
# Services whose role must go on working, or evidence and backups stop: revoked at most, never denied unasked.
_KEEP = {"cloudtrail.amazonaws.com", "config.amazonaws.com", "backup.amazonaws.com", "delivery.logs.amazonaws.com", "vpc-flow-logs.amazonaws.com",
         "s3.amazonaws.com", "logging.s3.amazonaws.com", "batchoperations.s3.amazonaws.com", "firehose.amazonaws.com", "logs.amazonaws.com",
         "replication.ecr.amazonaws.com", "drs.amazonaws.com", "dms.amazonaws.com"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class RoleAction:
    """What is done to a role: ``action`` (session | revoke | clamp | deny), ``why`` by which rule, ``breaks``: who may fail meanwhile."""

    action: str
    why: str
    breaks: tuple[str, ...] = ()


def trusted_by(facts: dict[str, t.Any]) -> dict[str, list[str]]:
    """Who may assume the role: {"AWS": [...], "Service": [...], "Federated": [...]} of its Allow statements; "*" stands under AWS."""
    document = facts.get("AssumeRolePolicyDocument") or {}
    statements = document.get("Statement", [])
    found: dict[str, set[str]] = {"AWS": set(), "Service": set(), "Federated": set()}
    for statement in [statements] if isinstance(statements, dict) else statements:
        if statement.get("Effect") != "Allow":
            continue
        principal = statement.get("Principal", {})
        for kind, names in ({"AWS": principal} if isinstance(principal, str) else principal).items():
            found.setdefault(kind, set()).update([names] if isinstance(names, str) else names)
    return {kind: sorted(names) for kind, names in found.items()}


def decide(
    role: Principal, *, wanted: str, networks: Iterable[str], others: list[str] | None, now: datetime.datetime, open_paths: list[str]
) -> RoleAction:
    """The action for a role by rule. ``wanted``: role_action of the incident; ``others``: who else assumed it in 90 days (None: unknown);

    ``open_paths``: from where the attacker could assume it again at once.
    """
    services = trusted_by(role.facts)["Service"]
    breaks = tuple([f"workloads that run as it ({', '.join(services)})"] if services else []) + tuple(
        f"session of {who}" for who in others or ()
    )
    if wanted == "session":
        if role.sessions and not open_paths:
            return RoleAction("session", "the incident file asks for it, and the path to assume it again is closed")
        why = f"it can be assumed again via {', '.join(open_paths)}" if open_paths else "no session name is known"
        return RoleAction("revoke", f"the incident file asks for session, but {why}", breaks)
    if wanted != "auto":
        return RoleAction(wanted, "the incident file asks for it", breaks)
    if keep := needed_by(role):
        return RoleAction("revoke", f"{', '.join(keep)} needs it: logs, backups or replication would stop under a deny", breaks)
    if services:
        return RoleAction(
            "revoke", f"it is trusted by {', '.join(services)}: a deny would stop that workload (role_action: deny to do so)", breaks
        )
    if others == [] or (others is None and unused(role, now)):
        return RoleAction("deny", f"nobody else has used it in {_QUIET_DAYS} days")
    who = "others use it" if others else "it is not known who else uses it"
    if list(networks):
        outside = [f"{b}, when outside the trusted networks" for b in breaks]
        return RoleAction("clamp", f"{who}, and the trusted networks are known", (*outside, "requests that arrive through a VPC endpoint"))
    return RoleAction("revoke", f"{who}", breaks)


def needed_by(role: Principal) -> list[str]:
    """The services for which it delivers logs, makes backups or replicates."""
    return sorted(_KEEP.intersection(trusted_by(role.facts)["Service"]))


def unused(role: Principal, now: datetime.datetime) -> bool:
    """Whether IAM itself says that nobody has used the role for 90 days (RoleLastUsed; since it was made, when there is none)."""
    last = role.facts.get("RoleLastUsed", {}).get("LastUsedDate")
    created = role.facts.get("CreateDate")
    since = last or created
    return bool(since and now - parse(since) > datetime.timedelta(days=_QUIET_DAYS))


def fence_user(user: Principal, incident: t.Any, reader: Reader) -> Iterator[Step]:
    """Deny everything to a user: its keys, its password, and every session that takes its ceiling from it."""
    after = policy.deny_all(incident.sid)
    before = policy.present(user, incident, "quarantine", reader)
    yield policy.inline_step(user, incident, "quarantine", after, before, "deny everything", Phase.FENCE)


def fence_role(
    role: Principal, incident: t.Any, action: str, networks: Iterable[str], now: datetime.datetime, reader: Reader
) -> Iterator[Step]:
    """``deny``, ``clamp`` or ``session`` on a role (``revoke`` is the cutoff of ``sessions.revoke``, nothing else).

    A clamp or a session deny holds tokens back without ending them, so it ``expires`` only when the last of them has run out.
    """
    if action == "revoke":
        return
    if action == "deny":
        after, text, purpose, expires = policy.deny_all(incident.sid), "deny everything", "quarantine", None
    elif action == "clamp":
        after, text, purpose = policy.deny_outside(incident.sid, networks), "deny from outside the trusted networks", "quarantine"
        expires = iso(now + longest(role))
    else:
        purpose = "userid"
    before = policy.present(role, incident, purpose, reader)
    if purpose == "userid":
        names = role.sessions | policy.sessions_of(before)  # a run that knows fewer of them than an earlier one takes none away
        after, text = policy.deny_sessions(incident.sid, role.id, names), f"deny the session(s) {', '.join(sorted(names))}"
        expires = iso(now + longest(role))
    if before == after:
        expires = None  # what was written first stands
    yield policy.inline_step(role, incident, purpose, after, before, text, Phase.FENCE, expires)


def longest(principal: Principal) -> datetime.timedelta:
    """The longest session that the identity could have minted."""
    return lasts(principal.kind)


def lasts(kind: str) -> datetime.timedelta:
    """36 h for users (GetFederationToken), else 12 h, which is the most that STS gives.

    A role's MaxSessionDuration is what it is today. Whoever may write it can raise it, mint, and lower it again; nor does it bind what services assume.
    """
    return datetime.timedelta(hours=36) if kind == "user" else LONGEST

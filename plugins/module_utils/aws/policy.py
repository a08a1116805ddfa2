# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deny documents that this collection writes, and the inline policies of users and roles that hold them.

One inline policy per incident and purpose, never merged: a release removes only its own, and two incidents on one principal hold both.
"""

from __future__ import annotations

import json
import typing as t

from ..common.plan import Call, Phase, Probe, Step, Target

if t.TYPE_CHECKING:
    from .principal import Principal

Document = dict[str, t.Any]
PURPOSES = ("quarantine", "userid", "session")  # of the inline policies of an incident, the strongest first
_ABSENT = ("NoSuchEntity",)


class Incident(t.Protocol):
    """What is used of ``common.incident.Incident``."""

    @property
    def id(self) -> str: ...

    @property
    def sid(self) -> str: ...

    def policy_name(self, purpose: str) -> str: ...


def _deny(sid: str, condition: Document | None = None) -> Document:
    statement: Document = {"Sid": sid, "Effect": "Deny", "Action": "*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition} if condition else statement]}


def deny_all(sid: str) -> Document:
    """Unconditional: no context key can be missing, so nothing slips through."""
    return _deny(sid)


def deny_older(sid: str, cutoff: str, but: t.Iterable[str] = ()) -> Document:
    """Sessions issued before ``cutoff`` (RFC 3339). Requests signed with a long-term key carry no issue time and are not touched.

    ``but``: the ``aws:userid`` of sessions that go on.
    """
    left = {"StringNotEquals": {"aws:userid": sorted(but)}} if but else {}
    return _deny(sid, {"DateLessThan": {"aws:TokenIssueTime": cutoff}, **left})


def deny_sessions(sid: str, role_id: str, names: t.Iterable[str]) -> Document:
    """The named sessions of one role; its other sessions go on."""
    return _deny(sid, {"StringEquals": {"aws:userid": [f"{role_id}:{name}" for name in sorted(names)]}})


def deny_outside(sid: str, networks: t.Iterable[str]) -> Document:
    """Every request from outside ``networks`` (CIDR) that no AWS service makes on the caller's behalf."""
    return _deny(sid, {"NotIpAddressIfExists": {"aws:SourceIp": sorted(networks)}, "BoolIfExists": {"aws:ViaAWSService": "false"}})


def cutoff_of(document: t.Any) -> str:
    """The TokenIssueTime of a ``deny_older`` document; "" for anything else."""
    try:
        return str(document["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"])
    except (KeyError, IndexError, TypeError):
        return ""


def sessions_of(document: t.Any) -> set[str]:
    """The session names of a ``deny_sessions`` document; none for anything else."""
    try:
        return {str(who).partition(":")[2] for who in document["Statement"][0]["Condition"]["StringEquals"]["aws:userid"]}
    except (KeyError, IndexError, TypeError):
        return set()


def inline(kind: str, name: str, policy: str, target: Target) -> tuple[Probe, t.Callable[[Document], Call], Call]:
    """(probe, put, delete) of an inline policy of a ``user`` or ``role``."""
    noun = kind.capitalize()
    key = {f"{noun}Name": name, "PolicyName": policy}
    probe = Probe(Call(target, "iam", f"Get{noun}Policy", key), ("PolicyDocument",), _ABSENT)

    def put(document: Document) -> Call:
        return Call(target, "iam", f"Put{noun}Policy", {**key, "PolicyDocument": json.dumps(document, separators=(",", ":"))})

    return probe, put, Call(target, "iam", f"Delete{noun}Policy", key)


def inline_step(
    principal: Principal,
    incident: Incident,
    purpose: str,
    after: Document,
    before: t.Any,
    action: str,
    phase: Phase,
    expires: str | None = None,
) -> Step:
    """The Step that gives ``principal`` the inline policy of this incident and ``purpose``."""
    name = incident.policy_name(purpose)
    probe, put, delete = inline(principal.kind, principal.name, name, principal.target)
    return Step(
        id=f"{principal.arn}#policy/{name}", principal=principal.arn, resource=f"{principal.arn} inline policy {name}", action=action, phase=phase,
        before=before, after=after, do=(put(after),), undo=(delete,), probe=probe, owns=None, expires=expires,
    )  # fmt: skip


def present(principal: Principal, incident: Incident, purpose: str, reader: t.Any) -> t.Any:
    """The document that is there now, or None; asks nothing when a listing already made says that it is absent."""
    name = incident.policy_name(purpose)
    if principal.inline is not None and name not in principal.inline:
        return None
    return reader.read(inline(principal.kind, principal.name, name, principal.target)[0])

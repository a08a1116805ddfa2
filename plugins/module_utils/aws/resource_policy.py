# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements of an incident in a resource's own policy, and whether they may be written into it. Pure.

They say once more what the inline denies of the incident say, by ``aws:PrincipalArn``, under ``Principal: "*"``: a user named as Principal turns into an id
when it is deleted, and the policy that holds it can no longer be written.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ..common import edits
from . import resources
from . import service_control as scp
from .resource_check import still_changes
from .resources import Kind, Resource, Unfenceable
from .service_control import Exempt, Held, Statement

_FORMS = {"ArnLike": "ArnEquals", "ArnNotLike": "ArnNotEquals"}  # the same comparison, by the name that says what is meant


def statements(sid: str, held: Iterable[Held], exempt: Exempt, kind: Kind, one: Resource) -> list[Statement]:
    """Nobody in ``held`` reaches the resource, as far as its deny says so; nor a federation session of the users' accounts, but the declared ones."""
    found, covered = [], kind.covered(one)
    for deny in scp.denies(sid, held, exempt):
        condition = {
            _FORMS.get(operator, operator): {k: _plain(v) for k, v in block.items()} for operator, block in deny["Condition"].items()
        }
        made = {"Sid": deny["Sid"], "Effect": "Deny", "Principal": "*", "Action": _plain(list(kind.DENIED))}
        found.append({**made, **({"Resource": _plain(covered)} if covered else {}), "Condition": condition})
    return found


def _plain(value: t.Any) -> t.Any:
    """One of them as itself, which is how services write a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def members(found: Iterable[Statement], sid: str) -> list[Held]:
    """Whom these statements hold, and how: as ``service_control.members``."""
    back = {v: k for k, v in _FORMS.items()}
    return scp.members([{**s, "Condition": {back.get(k, k): v for k, v in s.get("Condition", {}).items()}} for s in found], sid)


def whole(policy: t.Any, one: Resource) -> None:
    """Raises ``Unfenceable`` for what is no policy document."""
    if policy is None:
        return
    found = policy.get("Statement", []) if isinstance(policy, Mapping) else None
    if found is None or not all(
        isinstance(s, Mapping) for s in ([found] if isinstance(found, Mapping) else found if isinstance(found, list) else [found])
    ):
        why = "is no valid JSON" if isinstance(policy, str) else "is no policy document"
        raise Unfenceable(f"the policy of {one.text} {why}, so nothing is written into it", object=one.arn, operation="fence")


def fits(policy: t.Any, kind: Kind, one: Resource) -> str:
    """ "" when AWS takes a policy of that size, else by what it is too long."""
    size, count = len(resources.text(policy).encode()), len(edits.statements_of(policy))
    if size > kind.SIZE:
        return f"the policy of {one.text} would have {size} bytes, and {kind.SIZE} fit"
    if kind.STATEMENTS and count > kind.STATEMENTS:
        return f"the policy of {one.text} would have {count} statements, and {kind.STATEMENTS} fit"
    return ""


def safe(before: t.Any, after: t.Any, kind: Kind, one: Resource, responders: Iterable[str], protected: Iterable[str]) -> None:
    """Raises ``Unfenceable`` unless the responder, and whoever of the protected could until now, can change the policy afterwards."""
    if why := still_changes(after, responders, kind.CHANGE, one.arn, needs_allow=kind.NEEDS_ALLOW):
        raise Unfenceable(
            f"the policy of {one.text} would lock out the responder: {why}", object=one.arn, operation="prove that it can be changed back"
        )
    for arn in protected:
        could = not still_changes(before, [arn], kind.CHANGE, one.arn, needs_allow=kind.NEEDS_ALLOW)
        if could and (why := still_changes(after, [arn], kind.CHANGE, one.arn, needs_allow=kind.NEEDS_ALLOW)):
            raise Unfenceable(
                f"the policy of {one.text} would lock out {arn}: {why}", object=one.arn, operation="prove that it can be changed back"
            )

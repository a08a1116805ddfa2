# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge: while dependents are moved, the old key works from their networks only, and for nothing that would give its holder more."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ...common.plan import Phase, Step
from ...common.reader import Reader
from .. import policy
from ..principal import Principal

PURPOSE = "bridge"
_MORE = ["iam:*", "organizations:*", "sts:GetFederationToken", "sts:GetSessionToken"]


def document(sid: str, networks: Iterable[str], vpcs: Iterable[str], assumed: Iterable[str] | None) -> dict[str, t.Any]:
    """The deny. ``assumed``: ARNs of the roles that the key assumed before the incident's window; every other role is out of its reach.

    None: not known yet, and none is denied, since the log is slower than this has to be.
    """
    outside: dict[str, t.Any] = {"BoolIfExists": {"aws:ViaAWSService": "false"}}
    if addresses := sorted(networks):
        outside["NotIpAddressIfExists"] = {"aws:SourceIp": addresses}
    if named := sorted(vpcs):
        outside["StringNotEqualsIfExists"] = {"aws:SourceVpc": named}
    else:
        outside["StringNotEqualsIfExists"] = {"aws:SourceVpc": ["none"]}
    known = sorted(assumed or ())
    roles: dict[str, t.Any] = {"NotResource": known} if known else {"Resource": "*"}
    last = [{"Sid": sid + "Roles", "Effect": "Deny", "Action": ["sts:AssumeRole"], **roles}] if assumed is not None else []
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": sid, "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": outside},
            {"Sid": sid + "More", "Effect": "Deny", "Action": _MORE, "Resource": "*"},
            *last,
        ],
    }


def possible(dependents: Iterable[Mapping[str, t.Any]]) -> bool:
    """Whether each of them says from where it calls, and nobody else does from there."""
    declared = list(dependents)
    return bool(declared) and all((d.get("networks") or d.get("vpcs")) and not d.get("shared_network") for d in declared)


def stands(user: Principal, incident: t.Any, reader: Reader) -> bool:
    return policy.present(user, incident, PURPOSE, reader) is not None


def clamp(user: Principal, incident: t.Any, wanted: dict[str, t.Any], reader: Reader) -> Iterator[Step]:
    """The Step that puts it on the user."""
    yield step(user, incident, wanted, policy.present(user, incident, PURPOSE, reader))


def step(user: Principal, incident: t.Any, wanted: dict[str, t.Any], before: t.Any) -> Step:
    """The one that writes it."""
    return policy.inline_step(user, incident, PURPOSE, wanted, before, "clamp to the dependents' networks", Phase.CREDENTIAL)


def lift(user: Principal, incident: t.Any, reader: Reader) -> Iterator[Step]:
    """The Step that takes it away, where it stands."""
    name = incident.policy_name(PURPOSE)
    probe, put, delete = policy.inline("user", user.name, name, user.target)
    if (before := reader.read(probe)) is not None:
        made = f"{user.arn}#policy/{name}"
        yield Step(
            id=f"undo:{made}", principal=user.arn, resource=f"{user.arn} inline policy {name}", action="take the bridge away", phase=Phase.CREDENTIAL,
            before=before, after=None, do=(delete,), undo=(put(before),), probe=probe, undoes=made,
        )  # fmt: skip

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of the fences beside the identity fence: what they may break, one row for each account, and what is said loudly."""

from __future__ import annotations

import typing as t

from .organization import AccountFence, Unavailable
from .principal import Principal
from .tag_fence import CONTROL

if t.TYPE_CHECKING:
    from .account_fence import AccountFences

_SAID = {  # where nothing went wrong
    "scp": "AWS exempts service-linked roles from it",
    "tag": "the standing fence holds whom it knows by the tag, so no policy of this incident was written; AWS exempts service-linked roles from it",
    "none": "nobody in the account is denied anything that it could repeat",
}


def no_room(fence: AccountFence) -> Unavailable:
    who, limits = ", ".join(fence.left), fence.limits
    if fence.too_long:
        return Unavailable(
            f"no room for {who}: those who are exempt leave none in a service control policy of {limits.size} characters", object=fence.account,
            operation="fence", remedy="list fewer of this account under protected in the incident file, then run again",
        )  # fmt: skip
    return Unavailable(
        f"no room for {who}: {limits.slots} service control policies of {limits.size} characters fit on an account", object=fence.account,
        operation="fence", remedy="detach one that is not needed, then run again",
    )  # fmt: skip


def breaks(fences: AccountFences, principal: Principal) -> list[str]:
    """What the fence above the account may break, beside the principal itself; said before it is made."""
    if fences.form == "none" or principal.only:
        return []
    account, incident = principal.account, fences.incident
    found = [f"whatever else changes it, such as Terraform, CloudFormation or an administrator of {account}, until it is released"]
    if guarded := [arn for arn in incident.protected if arn.split(":")[4] == account]:
        found.append(f"whoever changes what is protected in {account} ({len(guarded)}), other than these themselves and the responder")
    aws = fences.run.aws
    if users := sorted({a for a in (*guarded, aws.responder_arn(account), aws.caller["arn"]) if f":iam::{account}:user/" in a}):
        found.append(f"whoever adds a user to a group in {account}, or changes a group of {', '.join(users)}, who could be cut off by that")
    if principal.kind != "user":
        return found
    named = [a for a in incident.trusted.principals if f":sts::{account}:federated-user/" in a]
    found.append(
        f"every session made with GetFederationToken in {account}, by whichever user" + (f", but {', '.join(named)}" if named else "")
    )
    if named:
        found.append(
            "a session that the attacker made under such a name is held by the deny on its user alone: a name is chosen by the caller"
        )
    return found + [
        f"sessions that {broker} makes for others, if it is a broker: nothing tells them from others'; name them as arn:aws:sts::…:federated-user/…"
        for broker in incident.trusted.principals
        if f":iam::{account}:user/" in broker
    ]


def rows(fences: AccountFences) -> list[dict[str, t.Any]]:
    """One for each account: {account, control, policies, instead, why, remedy}; ``resources``: its resource control policies, or why there is none."""
    found = []
    for account in fences.accounts():
        fence, run = fences.planned(account), fences.run
        mine = [p for p in run.principals.values() if p.account == account and not p.only]
        names = sorted({name for p in mine for d in fences.scp_of(p) if fence for name, _id in [fence.policies[d.step.id]]})
        instead = sorted({c for p in mine for c in fences.controls(p) if not c.startswith(("scp:", CONTROL))})
        if run.people:
            names = sorted({*names, *(fence.policies[d.step.id][0] for d in run.people.policies(account) if fence)})
            instead += run.people.instead(account)
        tagged = bool(mine) and all(CONTROL in fences.controls(p) for p in mine)
        why, (resources, no_resources) = fences.refusal(account), fences.resources(account)
        control = "scp" if names else "tag" if tagged else "none"
        found.append({
            "account": account, "control": control, "policies": names, "instead": instead,
            "why": why.message if why else _SAID[control], "remedy": why.remedy if why else "", "resources": resources,
            "resources_why": no_resources, **(fences.tags.row(account) if fences.tags else {}),
        })  # fmt: skip
    return found


def warnings(fences: AccountFences) -> list[str]:
    """What is said loudly: accounts that AWS exempts, and what is not protected."""
    exempt = [error for account in fences.accounts() if (error := fences.refusal(account)) and "management account: AWS" in error.message]
    return [f"{error.message}. {error.remedy}" for error in exempt] + [
        f"{account}: the policy above the account exempts what is protected, and has no room to keep others from changing it; list fewer under protected"
        for account in fences.accounts()
        if (fence := fences.planned(account)) and fence.exempt.bare and fence.policies
    ]

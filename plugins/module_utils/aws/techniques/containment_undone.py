# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-87: Responder's containment undone by the attacker (eventual consistency, quarantine policy removed, self re-enable)."""

from __future__ import annotations

from .naming import Act, text

ID = "AWS-87"
NAME = "Responder's containment undone by the attacker (eventual consistency, quarantine policy removed, self re-enable)"
TACTIC = "defense-evasion"
MITRE = (
    "T1562",
    "T1098",
)
TIER = 1
EVENTS: dict[str, str] = {}
LOOKALIKE = "planned logging migration by the platform team"

_CALLS = (
    "iam:DeleteUserPolicy",
    "iam:DetachUserPolicy",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutUserPolicy",
    "iam:PutRolePolicy",
)


def claims(act: Act) -> bool:
    """A call on a policy of this collection, or on AWS's own denials."""
    policy = text(act.request, "policyName") or text(act.request, "policyArn").rpartition("/")[2]
    return act.event in _CALLS and (policy == "AWSDenyAll" or policy.startswith(("evict-", "AWSCompromisedKeyQuarantine")))

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents of the fence on an account's resources, a resource control policy (RCP). Pure.

What a service control policy says of the account's own principals, an RCP says of its resources, whoever asks: a session of a contained identity that is
handed on, a path through a resource's own policy, AssumeRole on the account's roles.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import service_control as scp
from .service_control import Exempt, Held, Statement

# The services whose resources an RCP binds, of those that matter for access: "Resource control policies (RCPs)" in the Organizations User Guide.
SERVICES = ("kms:*", "s3:*", "secretsmanager:*", "sqs:*", "sts:*")
SIZE, SLOTS = (
    5120,
    5,
)  # characters of a document, and RCPs attached to one account, RCPFullAWSAccess included; "Quotas for AWS Organizations"


def statements(sid: str, held: Iterable[Held], exempt: Exempt) -> list[Statement]:
    """Nobody in ``held`` reaches a resource of the account, as far as its deny says so. Of ``exempt`` only the federation sessions matter."""
    found = scp.denies(sid, held, exempt)
    return [{**{k: v for k, v in s.items() if k in ("Sid", "Effect")}, "Principal": "*", **_rest(s)} for s in found]


def _rest(statement: Statement) -> Statement:
    return {"Action": list(SERVICES), "Resource": "*", "Condition": statement["Condition"]}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM Identity Center: its people reach every account that they are assigned to."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "identity_center"
NOUN = "Identity Center"
GLOBAL = False
READS: tuple[str, ...] = ("sso-admin:ListInstances",)
USED: tuple[str, ...] = (
    "sso:CreateAccountAssignment",
    "sso:GetRoleCredentials",
    "sso-directory:CreateUser",
    "sso:Authenticate",
    "signin:Federate",
)
ACTION = "look at assignments and permission sets that were made in the window, and at the portal sessions of people who were named"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "sso-admin", "ListInstances", {})).get("Instances", []):
        yield Path(str(one["InstanceArn"]), f"identity store {one.get('IdentityStoreId')}", "", str(one.get("OwnerAccountId") or ""))

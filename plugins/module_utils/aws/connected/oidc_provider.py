# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OIDC identity providers: build services and clusters that become roles here."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "oidc_provider"
NOUN = "OIDC identity providers"
GLOBAL = True
READS: tuple[str, ...] = ("iam:ListOpenIDConnectProviders",)
USED: tuple[str, ...] = (
    "sts:AssumeRoleWithWebIdentity",
    "iam:CreateOpenIDConnectProvider",
    "iam:AddClientIDToOpenIDConnectProvider",
)
ACTION = "look at the pipelines and clusters behind it: their logs, their secrets, and which subjects the roles' trust policies admit"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "iam", "ListOpenIDConnectProviders", {})).get("OpenIDConnectProviderList", []):
        yield Path(str(one["Arn"]), f"https://{str(one['Arn']).partition('/')[2]}", "")

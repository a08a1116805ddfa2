# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SAML identity providers: who signs in there becomes a role here."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "saml_provider"
NOUN = "SAML identity providers"
GLOBAL = True
READS: tuple[str, ...] = ("iam:ListSAMLProviders",)
USED: tuple[str, ...] = (
    "sts:AssumeRoleWithSAML",
    "iam:CreateSAMLProvider",
    "iam:UpdateSAMLProvider",
)
ACTION = (
    "ask who runs that provider whether the account that signed in was in wrong hands, too, and compare its metadata with a copy of before"
)


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "iam", "ListSAMLProviders", {})).get("SAMLProviderList", []):
        yield Path(str(one["Arn"]), "whoever signs for it", f"valid until {one.get('ValidUntil') or 'not said'}")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM Roles Anywhere: whoever holds a certificate of these authorities becomes a role."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from .kind import Path

KIND = "roles_anywhere"
NOUN = "trust anchors of Roles Anywhere"
GLOBAL = False
READS: tuple[str, ...] = ("rolesanywhere:ListTrustAnchors",)
USED: tuple[str, ...] = (
    "rolesanywhere:CreateSession",
    "rolesanywhere:CreateTrustAnchor",
    "rolesanywhere:ImportCrl",
)
ACTION = "ask who runs the authority which certificates it gave out, and import a revocation list"


def paths(target: Target, reader: Reader) -> Iterator[Path]:
    for one in reader.get(Call(target, "rolesanywhere", "ListTrustAnchors", {})).get("trustAnchors", []):
        source = one.get("source") or {}
        to = str((source.get("sourceData") or {}).get("acmPcaArn") or source.get("sourceType") or "")
        yield Path(str(one["trustAnchorArn"]), f"certificates of {to}", "enabled" if one.get("enabled") else "disabled")

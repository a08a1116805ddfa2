# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of the ways out of an account of AWS: one file each (``kind.Kind``)."""

from __future__ import annotations

from . import (
    database,
    datasync,
    direct_connect,
    directory,
    hybrid_node,
    identity_center,
    kubernetes,
    oidc_provider,
    organization,
    peering,
    registry,
    resource_share,
    role,
    roles_anywhere,
    saml_provider,
    storage_gateway,
    transfer,
    transit_gateway,
    vpn,
)
from .kind import Kind, Path

KINDS: dict[str, Kind] = {
    kind.KIND: kind
    for kind in (
        organization,
        identity_center,
        saml_provider,
        oidc_provider,
        directory,
        roles_anywhere,
        vpn,
        direct_connect,
        transit_gateway,
        peering,
        hybrid_node,
        storage_gateway,
        datasync,
        transfer,
        kubernetes,
        database,
        registry,
        resource_share,
        role,
    )
}
__all__ = ["KINDS", "Kind", "Path"]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of Microsoft Entra, from the SDK's own chain (environment, workload identity, managed identity, CLI). The only file that imports azure."""

from __future__ import annotations

import functools
import os
import typing as t

from ..common.errors import CloudError, MissingLibrary

try:
    import azure.core.exceptions
    import azure.identity

    HAS_AZURE = True
except ImportError:  # reported by token()
    HAS_AZURE = False


_AUTHORITIES = {"AzureChinaCloud": "login.chinacloudapi.cn", "AzureUSGovernment": "login.microsoftonline.us"}
_PUBLIC = "login.microsoftonline.com"


def token(url: str, scope: str, tenant: str, client_id: str = "", environment: str = "") -> str:
    """Of whoever runs this, for ``url``; kept and renewed by the SDK. ``client_id``: of a user-assigned managed identity, or of a workload's;

    ``environment``: AzureCloud, AzureChinaCloud or AzureUSGovernment, unless AZURE_AUTHORITY_HOST says where one signs in.
    """
    if not HAS_AZURE:
        raise MissingLibrary("azure-identity is not installed", object="azure-identity", operation="connect",
                             remedy="install azure-identity in the Python that runs the module")  # fmt: skip
    try:
        return str(
            _credential(client_id, os.environ.get("AZURE_AUTHORITY_HOST") or _AUTHORITIES.get(environment, _PUBLIC))
            .get_token(scope, **({"tenant_id": tenant} if tenant else {}))
            .token
        )
    except (azure.core.exceptions.AzureError, ValueError) as error:
        raise CloudError(f"no token of Microsoft Entra for {url} ({type(error).__name__})", code="NoCredentials", object=url, operation="connect",
                         remedy="log in (az login), or set AZURE_CLIENT_ID, AZURE_TENANT_ID and a secret or certificate") from None  # fmt: skip


@functools.lru_cache(maxsize=8)
def _credential(client: str, authority: str) -> t.Any:
    identity = {"managed_identity_client_id": client, "workload_identity_client_id": client} if client else {}
    # The SDK asks the public cloud about a sign-in that it does not know: a private one is none of its business.
    private = authority.removeprefix("https://").rstrip("/") not in (_PUBLIC, *_AUTHORITIES.values())
    options = {"authority": authority, "disable_instance_discovery": private, "additionally_allowed_tenants": ["*"], "process_timeout": 10}
    return azure.identity.DefaultAzureCredential(**options, **identity)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of Google, from the SDK's own chain (Application Default Credentials). The only file that imports google.auth, and requests for it."""

from __future__ import annotations

import functools
import threading
import typing as t

from ..common.errors import CloudError, MissingLibrary

try:
    import google.auth
    import google.auth.exceptions
    import google.auth.impersonated_credentials
    import google.auth.transport.requests

    HAS_GOOGLE = True
except ImportError:  # reported by token()
    HAS_GOOGLE = False

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LOCK = threading.Lock()


def token(impersonate: t.Any = None) -> str:
    """An access token of whoever runs this, or of the service account that it may act as."""
    if not HAS_GOOGLE:
        raise MissingLibrary("google-auth is not installed (with requests)", object="google-auth", operation="connect",
                             remedy="install google-auth and requests in the Python that runs the module")  # fmt: skip
    try:
        with _LOCK:
            credentials, request = _credentials(str(impersonate or ""))
            if not credentials.valid:
                credentials.refresh(request)
            return str(credentials.token)
    except google.auth.exceptions.GoogleAuthError as error:
        raise CloudError(f"no token of Google ({type(error).__name__})", code="NoCredentials", object="Google credentials", operation="connect",
                         remedy="log in (gcloud auth application-default login), or set GOOGLE_APPLICATION_CREDENTIALS") from None  # fmt: skip


@functools.lru_cache(maxsize=8)
def _credentials(impersonate: str) -> tuple[t.Any, t.Any]:
    found, _project = google.auth.default(scopes=[_SCOPE])
    if impersonate:
        found = google.auth.impersonated_credentials.Credentials(found, impersonate, [_SCOPE])
    return found, google.auth.transport.requests.Request()

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the server of a notifier answers: a connection and, where there is TLS, its certificate. Nothing is sent."""

from __future__ import annotations

import socket
import ssl
import urllib.parse
import urllib.request

from .errors import EvictError
from .message import tame


def reach(url: str, seconds: int) -> str:
    """How it was reached, in words that hold nothing of a path. Raises ``EvictError``."""
    parts = urllib.parse.urlsplit(url)
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    proxy = urllib.request.getproxies().get(parts.scheme)
    through = (
        urllib.parse.urlsplit(proxy if "://" in (proxy or "") else f"http://{proxy}")
        if proxy and not urllib.request.proxy_bypass(host)
        else None
    )
    try:
        if through:  # what is behind a proxy is the proxy's to reach
            with socket.create_connection((str(through.hostname), through.port or 3128), seconds):
                return f"the proxy {through.hostname} on the way to {host} answers"
        with socket.create_connection((host, port), seconds) as plain:
            if parts.scheme != "https":
                return f"{host} answers"
            with ssl.create_default_context().wrap_socket(plain, server_hostname=host):
                return f"{host} answers, its certificate is good"
    except (OSError, ValueError) as error:
        words = "no answer in time" if isinstance(error, TimeoutError) else tame(getattr(error, "strerror", None) or error, 160)
        raise EvictError(f"{host}: {words}", object=host, operation="reach") from None

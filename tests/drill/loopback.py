"""The drill attacks a cloud, so it makes sure that the cloud is its own: every endpoint is on loopback, or it does not start."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit


class NotLoopback(Exception):
    """An endpoint leads off this machine; the message says which and what to do."""


def check(name: str, url: str) -> None:
    """Raise NotLoopback unless every address of the host in `url` is a loopback address."""
    host = urlsplit(url if "//" in url else f"//{url}").hostname
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)} if host else set()
    except OSError:
        addresses = set()
    if not addresses or not all(ipaddress.ip_address(str(address).split("%")[0]).is_loopback for address in addresses):
        raise NotLoopback(f"{name}={url} does not lead to this machine, so the drill does not start: unset it, or use `make drill`")


def check_environment(environment: Mapping[str, str]) -> None:
    """All that could send an SDK somewhere: endpoint and proxy variables."""
    for name, value in sorted(environment.items()):
        upper = name.upper()
        if value and (upper.startswith("AWS_ENDPOINT_URL") or (upper.endswith("_PROXY") and upper != "NO_PROXY")):
            check(name, value)


def check_all(environment: Mapping[str, str] | None = None, **endpoints: str) -> None:
    """The environment (this process's by default) and the named endpoints."""
    check_environment(os.environ if environment is None else environment)
    for name, url in endpoints.items():
        check(name, url)

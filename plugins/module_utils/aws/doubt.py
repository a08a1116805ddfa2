# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a suspect's credential did may be its owner's work, who used the same credential: what ends work is then left to a person. Pure."""

from __future__ import annotations

import ipaddress
import typing as t
from collections.abc import Iterable, Mapping

from .credentials.kind import begin
from .session import parse

NO_WINDOW = "it may be the owner's: set window.start in the incident file and run again"


def of(incident: t.Any, event: Mapping[str, t.Any], principal: t.Any) -> str:
    """Why a call of a suspect may be the owner's; "" when it is the suspect's. ``principal``: who made it, as far as it is contained."""
    if principal and principal.kind in ("user", "role") and principal.discovered and principal.whole:
        return ""  # the suspect made this identity, so nobody else works with it
    at, address = str(event.get("eventTime") or ""), str(event.get("sourceIPAddress") or "")
    if within(address, incident.trusted.networks):
        return f"made from {address}, a trusted network, so it may be the owner's"
    if incident.window.start is None:
        return NO_WINDOW
    if not at or parse(at) < begin(incident) or (incident.window.end and parse(at) > incident.window.end):
        return "made outside the incident's window"
    return ""


def within(address: str, networks: Iterable[str]) -> bool:
    try:
        place = ipaddress.ip_address(address)
    except ValueError:  # the name of an AWS service
        return False
    return any(place in ipaddress.ip_network(network, strict=False) for network in networks)

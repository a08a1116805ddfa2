# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small MaxMind DB files (format 2.0, 24-bit records, IPv4) for tests, after the format's public specification."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path
from typing import Any


def write(path: Path, kind: str, networks: dict[ipaddress.IPv4Network | ipaddress.IPv6Network, dict[str, Any]]) -> None:
    """A file whose search tree leads from each network to its record."""
    nodes: list[list[Any]] = [[None, None]]
    data, places = b"", {}
    for network, record in networks.items():
        places[network] = len(data)
        data += _encoded(record)
        at, bits = 0, [(int(network.network_address) >> (31 - i)) & 1 for i in range(network.prefixlen)]
        for bit in bits[:-1]:
            if nodes[at][bit] is None:
                nodes.append([None, None])
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
        nodes[at][bits[-1]] = network
    count = len(nodes)
    tree = b"".join(
        (count if side is None else side if isinstance(side, int) else count + 16 + places[side]).to_bytes(3, "big")
        for node in nodes
        for side in node
    )
    about = {"binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1, "database_type": kind, "ip_version": 4,
             "languages": [], "description": {}, "node_count": count, "record_size": 24}  # fmt: skip
    path.write_bytes(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _encoded(about))


def _encoded(value: Any, name: str = "") -> bytes:
    if isinstance(value, dict):
        return _head(7, len(value)) + b"".join(_encoded(k) + _encoded(v, k) for k, v in value.items())
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(map(_encoded, value))
    if isinstance(value, str):
        return _head(2, len(value.encode())) + value.encode()
    if isinstance(value, float):
        return _head(3, 8) + struct.pack(">d", value)
    size = (value.bit_length() + 7) // 8
    if name == "build_epoch":  # 64 bits: an extended type
        return bytes([size, 9 - 7]) + value.to_bytes(size, "big")
    return _head(6 if name == "node_count" else 5, size) + value.to_bytes(size, "big")


def _head(kind: int, size: int) -> bytes:
    return bytes([kind << 5 | size]) if size < 29 else bytes([kind << 5 | 29, size - 29])

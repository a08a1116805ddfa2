# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a directory ends with the container that this runs in."""

from __future__ import annotations

import os

_CONTAINER = ("/.dockerenv", "/run/.containerenv")
_MOUNTS = "/proc/self/mountinfo"
_LAYERS = ("overlay", "fuse-overlayfs", "aufs", "tmpfs", "ramfs")  # file systems that end with the container


def lost_with_container(path: str) -> str:
    """Why a directory would vanish with the container that this runs in; empty when it would not, or there is no container."""
    if not any(os.path.exists(mark) for mark in _CONTAINER):
        return ""
    real = os.path.realpath(path)
    best, kind = "", ""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                fields = line.split()
                point = fields[4].encode("utf-8", "surrogateescape").decode("unicode_escape", "replace")
                inside = real == point or real.startswith(point.rstrip("/") + "/")
                if inside and len(point) >= len(best):
                    best, kind = point, fields[fields.index("-") + 1]
    except (OSError, IndexError, ValueError):
        return ""
    return f"is a directory inside a container, on {kind}, and is lost with it" if kind in _LAYERS else ""

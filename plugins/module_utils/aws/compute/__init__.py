# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of the compute that can be isolated: one file each (``kind.Kind``)."""

from __future__ import annotations

from . import function, instance, task
from .kind import About, Kind, Machine, kept_at

_FILES: tuple[Kind, ...] = (instance, function, task)
KINDS: dict[str, Kind] = {kind.KIND: kind for kind in _FILES}
EVENTS: frozenset[tuple[str, str]] = frozenset(event for kind in _FILES for event in kind.EVENTS)
__all__ = ["EVENTS", "KINDS", "About", "Kind", "Machine", "kept_at", "kind_of"]


def kind_of(arn: str) -> Kind | None:
    """The kind of what ``arn`` names; None when nothing here isolates such a thing."""
    return next((kind for kind in _FILES if kind.ARN.fullmatch(arn)), None)

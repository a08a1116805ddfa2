# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of what runs out, or has been switched off, by a suspect's hand: one file each, which says all that the driver (``stop_clocks``) needs to know."""

from __future__ import annotations

from . import (
    bucket_lifecycle,
    compute_fleet,
    config_recorder,
    container_service,
    detector,
    event_data_store,
    kms_key,
    log_retention,
    scaling_group,
    secret,
    trail,
)  # fmt: skip
from .kind import CARRIED, CLOCK, KEPT, PERHAPS, Clock, Kind, Started, step_id

_FILES: tuple[Kind, ...] = (
    trail, event_data_store, config_recorder, detector, log_retention, bucket_lifecycle, kms_key, secret, scaling_group, compute_fleet, container_service,
)  # fmt: skip
KINDS: dict[str, Kind] = {kind.KIND: kind for kind in _FILES}
EVENTS: frozenset[tuple[str, str]] = frozenset(event for kind in _FILES for event in kind.EVENTS)
__all__ = ["CARRIED", "CLOCK", "EVENTS", "KEPT", "KINDS", "PERHAPS", "Clock", "Kind", "Started", "step_id"]

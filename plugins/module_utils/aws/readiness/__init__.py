# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness checks: what is proven before the bad day. One file per check, see kind.py. Imported by name: Ansible ships modules by their static imports."""

from __future__ import annotations

import types

from . import (
    baseline,
    break_glass,
    exempt_names,
    identity_center,
    notifiers,
    organization,
    permissions,
    regions,
    responder,
    slots,
    standing,
    store,
    trail,
    trail_bucket,
)

CHECKS: dict[str, types.ModuleType] = {
    check.NAME: check
    for check in (
        responder, permissions, standing, slots, trail, trail_bucket, break_glass, exempt_names, regions, baseline,
        organization, identity_center, store, notifiers,
    )
}  # fmt: skip

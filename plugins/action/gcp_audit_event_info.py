# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands the case on as it was written, shows progress, and says what was loaded."""

from __future__ import annotations

from ..plugin_utils.collecting import CollectingAction


class ActionModule(CollectingAction):
    """Runs ``evict.cloud.gcp_audit_event_info``."""

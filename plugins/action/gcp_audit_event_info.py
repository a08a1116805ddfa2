# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ``evict.cloud.gcp_audit_event_info``, and says what was loaded."""

from __future__ import annotations

from ..plugin_utils.audit import AuditAction


class ActionModule(AuditAction):
    """See ``AuditAction``."""

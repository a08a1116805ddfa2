# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of the tables that analysis reads, in the terms of OCSF API Activity (class 6003)."""

from __future__ import annotations

EVENTS: dict[str, str] = {
    "event_uid": "VARCHAR", "time": "TIMESTAMP", "cloud": "VARCHAR", "account": "VARCHAR", "region": "VARCHAR", "source": "VARCHAR",
    "category": "VARCHAR", "service": "VARCHAR", "operation": "VARCHAR", "read_only": "BOOLEAN", "status": "VARCHAR", "error_code": "VARCHAR",
    "error_message": "VARCHAR", "actor_type": "VARCHAR", "actor_arn": "VARCHAR", "actor_id": "VARCHAR", "actor_name": "VARCHAR",
    "actor_account": "VARCHAR", "credential_uid": "VARCHAR", "issuer_arn": "VARCHAR", "issuer_id": "VARCHAR", "session_created": "TIMESTAMP",
    "mfa": "BOOLEAN", "source_identity": "VARCHAR", "invoked_by": "VARCHAR", "src_ip": "VARCHAR", "user_agent": "VARCHAR",
    "resources": "VARCHAR[]", "request": "VARCHAR", "response": "VARCHAR", "shared_uid": "VARCHAR", "delegation": "VARCHAR[]", "raw": "VARCHAR",
}  # fmt: skip
GAPS: dict[str, str] = {
    "cloud": "VARCHAR", "account": "VARCHAR", "region": "VARCHAR", "source": "VARCHAR", "start": "TIMESTAMP", "end": "TIMESTAMP",
    "object": "VARCHAR", "why": "VARCHAR",
}  # fmt: skip

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened, in order."""

from __future__ import annotations

NAME = "timeline"
QUESTION = "Who did what, on what, from where, and with which result? Over all accounts, regions and clouds."
PARAMETERS = ("since", "until", "limit")
SQL = """
SELECT time, cloud, account, region, coalesce(actor_arn, actor_name, actor_id, invoked_by) AS who, tainted_id, verdict, confidence, service, operation,
  substr(coalesce(resources[1], request), 1, 500) AS object, src_ip, substr(user_agent, 1, 500) AS user_agent, status, error_code, event_uid
FROM acts
WHERE time >= ? AND time < ?
ORDER BY time, event_uid
LIMIT ?
"""
